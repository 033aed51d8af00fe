"""Results as text, JSON and JUnit XML."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree

import pytest

from packstack_lite.engine.events import Finding, FixCommand
from packstack_lite.engine.results import ApplyReport, Case, Change, Drift, PhaseTime, merge_reports
from packstack_lite.report import json_output, junit, text
from packstack_lite.report.formatting import format_seconds
from packstack_lite.report.rich_console import make_console

DIFF = "--- a\n+++ b\n@@ -1 +1 @@\n-ratio = 16.0\n+ratio = [8.0]"
CHANGES = (
    Change("cloud1", "Configure", "file:/etc/nova/nova.conf", "write /etc/nova/nova.conf (changed: content)", DIFF),
    Change("cloud1", "Configure", "file:/etc/x", "write /etc/x (new)"),
    Change("cloud1", "Services", "unit:nova-scheduler", "restart nova-scheduler (nova.conf changed)"),
)
REPORT = ApplyReport(
    CHANGES, ("nova-scheduler",), 18, 271.444, (PhaseTime("Configure", 0.41, 2), PhaseTime("Platform", 0.001, 0))
)
FINDINGS = [
    Finding("virtualization", "cloud1", "info", "no KVM"),
    Finding("memory", "cloud1", "error", "5.5 GiB", "give it more"),
    Finding(
        "ports",
        "cloud1",
        "error",
        "port 80 is held",
        "systemctl disable --now nginx",
        FixCommand("x", description="stop"),
    ),
    Finding("hostname", "cloud1", "warning", "127.0.1.1", "sed\necho"),
]
CASES = [
    Case("token", "passed", 0.31),
    Case("ping", "failed", 60, "no answer\nfrom \x1b198.18.2.9"),
    Case("horizon", "skipped", 0, "CONFIG_HORIZON_INSTALL=n"),
]


def printed(function, *arguments, color="never"):
    """What a function prints on its console."""
    stream = io.StringIO()
    function(make_console(stream, color), *arguments)
    return stream.getvalue()


def test_plan_groups_by_phase():
    assert printed(text.print_plan, CHANGES).splitlines() == [
        "Configure  2 changes",
        "  ~ write /etc/nova/nova.conf (changed: content)",
        "  + write /etc/x (new)",
        "Services  1 change",
        "  ~ restart nova-scheduler (nova.conf changed)",
        "",
        "3 changes on cloud1",
    ]
    assert printed(text.print_plan, []) == "nothing to change\n"


def test_plan_with_diff_shows_the_lines_in_colour():
    shown = printed(text.print_plan, CHANGES, True)
    assert "      -ratio = 16.0\n      +ratio = [8.0]\n" in shown
    assert "---" not in shown
    colored = printed(text.print_plan, CHANGES, True, color="always")
    assert "\x1b[31m-ratio = 16.0" in colored and "\x1b[32m+ratio = [8.0]" in colored


def test_apply_prints_phases_and_a_summary():
    lines = [line.rstrip() for line in printed(text.print_applied, REPORT, ["source ~/keystonerc_admin"]).splitlines()]
    assert lines == [
        "phase      changes   time",
        "Configure        2  0.4 s",
        "Platform         –  0.0 s",
        "",
        "3 changes, 1 service restarted, 18 round trips, 4 min 31 s",
        "source ~/keystonerc_admin",
    ]


def test_findings_are_printed_worst_first_with_their_hints():
    assert printed(text.print_findings, FINDINGS, ["ports"]).splitlines() == [
        "✗ memory          5.5 GiB",
        "                  → give it more",
        "! hostname        127.0.1.1",
        "                  → sed",
        "                    echo",
        "– ports           port 80 is held",
        "                  → systemctl disable --now nginx",
        "· virtualization  no KVM",
        "1 error, 1 warning, 1 ignored",
    ]
    assert printed(text.print_findings, []) == "no errors or warnings\n"
    assert printed(text.print_findings, FINDINGS[:1]).endswith("no errors or warnings\n")
    summary = printed(text.print_findings, FINDINGS).splitlines()[-1]
    assert summary == "2 errors, 1 warning; packstack-lite preflight --fix can fix 1 of them"


def test_a_fix_that_needs_move_data_is_not_counted_as_fixable():
    finding = Finding(
        "database", "cloud1", "error", "old", "x", FixCommand("x", description="rename", data="mariadb", paths=("/x",))
    )
    assert printed(text.print_findings, [finding]).endswith("\n1 error\n")
    (payload,) = json_output.preflight_payload([finding])["findings"]
    assert (payload["fixable"], payload["move_data"]) == (False, "mariadb")


def test_fixed_findings_come_first():
    assert printed(text.print_findings, FINDINGS[3:], [], FINDINGS[2:3]).splitlines() == [
        "✓ ports     fixed: port 80 is held",
        "! hostname  127.0.1.1",
        "            → sed",
        "              echo",
        "1 warning",
    ]


def test_differences_and_cases_are_printed():
    drift = Drift("cloud1", "unit:nova-api", "nova-api is inactive (should be active)", "packstack-lite apply")
    assert printed(text.print_drift, [drift]) == (
        "✗ nova-api is inactive (should be active)  on cloud1\n  → packstack-lite apply\n1 difference\n"
    )
    assert printed(text.print_drift, []) == "everything is as declared\n"
    shown = printed(text.print_cases, CASES)
    assert "1 passed, 1 failed, 1 skipped in 60 s\n" in shown
    assert "does not prove the cloud: not tried: catalog, agents, image" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (119.4, "119 s"), (119.6, "2 min 00 s"), (271.4, "4 min 31 s")],
)
def test_durations_are_formatted_for_people(value, expected):
    assert format_seconds(value) == expected


def test_the_keys_of_the_json_output_are_those_of_schema_1():
    assert json_output.plan_payload(CHANGES)["changes"][1] == {
        "host": "cloud1",
        "phase": "Configure",
        "resource": "file:/etc/x",
        "gap": "write /etc/x (new)",
    }
    assert json_output.plan_payload(CHANGES, diff=True)["changes"][0]["diff"] == DIFF
    applied = json.loads(json_output.to_json(json_output.apply_payload(REPORT)))
    assert list(applied) == ["schema", "changes", "restarted", "flights", "seconds", "phases"]
    assert (applied["schema"], applied["flights"], applied["seconds"]) == (1, 18, 271.44)
    assert applied["phases"][0] == {"name": "Configure", "seconds": 0.41, "changes": 2}
    assert json_output.verify_payload([Drift("h", "r", "m", "f")]) == {
        "faults": [{"host": "h", "resource": "r", "message": "m", "fix": "f"}]
    }
    keys = ["name", "host", "level", "message", "fix", "fixable", "fixed", "move_data"]
    assert list(json_output.preflight_payload(FINDINGS)["findings"][0]) == keys
    findings = json_output.preflight_payload(FINDINGS[:1], FINDINGS[2:3])["findings"]
    assert [(finding["name"], finding["fixable"], finding["fixed"]) for finding in findings] == [
        ("virtualization", False, False),
        ("ports", True, True),
    ]
    assert json_output.smoke_payload(CASES)["cases"][0] == {
        "name": "token",
        "outcome": "passed",
        "seconds": 0.31,
        "detail": "",
    }


def test_junit_has_failures_and_skips_with_their_messages():
    root = ElementTree.fromstring(junit.cases_to_junit("smoke", CASES).encode())
    (suite,) = root
    assert {key: suite.get(key) for key in ("name", "tests", "failures", "skipped", "errors", "time")} == {
        "name": "smoke",
        "tests": "3",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
        "time": "60.310",
    }
    passed, failed, skipped = suite
    assert len(passed) == 0
    assert failed.find("failure").get("message") == "no answer"
    assert failed.find("failure").text == "no answer\nfrom �198.18.2.9"
    assert skipped.find("skipped").text == "CONFIG_HORIZON_INSTALL=n"


def test_the_phases_of_several_nodes_name_the_slowest_one():
    reports = [
        ApplyReport((), (), 9, 5.0, (PhaseTime("Packages", 4.0, 1), PhaseTime("Services", 1.0, 0)), "198.18.1.10"),
        ApplyReport((), (), 9, 9.0, (PhaseTime("Packages", 9.0, 2),), "198.18.1.11"),
    ]
    merged = merge_reports(reports)
    assert merged.phase_times == (
        PhaseTime("Packages", 9.0, 3, "198.18.1.11"),
        PhaseTime("Services", 1.0, 0, "198.18.1.10"),
    )
    table = printed(text.print_applied, merged).split("\n\n")[0].splitlines()
    assert "slowest node" in table[0]
    assert table[1].split() == ["Packages", "3", "9.0", "s", "198.18.1.11"]
    assert table[2].split() == ["Services", "–", "1.0", "s", "198.18.1.10"]
    phases = json_output.apply_payload(merged)["phases"]
    assert [phase["host"] for phase in phases] == ["198.18.1.11", "198.18.1.10"]
    assert "host" not in json_output.apply_payload(merge_reports(reports[:1]))["phases"][0]
    assert "slowest" not in printed(text.print_applied, merge_reports(reports[:1]))
