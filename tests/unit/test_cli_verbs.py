"""The verbs with a fake node and engine: exit codes, JSON, and the files they leave."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, List

import pytest
import yaml
from click.testing import Result

from packstack_lite.answers import read_answer_file
from packstack_lite.cli.app import cli
from packstack_lite.deployment import connect
from packstack_lite.deployment import deployment as deployment_module
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import ApplyReport, Case, Change, Drift, PhaseTime
from packstack_lite.errors import ConnectError, LockedError, PhaseError
from packstack_lite.nodes.facts import sample_facts
from packstack_lite.remote.command import Job, Reply
from tests.conftest import cli_runner

ADDRESS = "198.18.1.10"
CHANGE = Change(ADDRESS, "Configure", "file:/etc/nova/nova.conf", "content", "-a = 1\n+a = 2")
REPORT = ApplyReport((CHANGE,), ("nova-api",), 12, 3.25, (PhaseTime("Configure", 3.2, 1),))


class FakeNode:
    """A connection on which every command succeeds; it records scripts and jobs."""

    def __init__(self) -> None:
        self.name = ADDRESS
        self.round_trips = 0
        self.masker = self.on_reply = None
        self.scripts: List[str] = []
        self.jobs: List[Job] = []
        self.closed = False

    def run(self, commands):
        self.round_trips += 1
        self.scripts += [command.script for command in commands]
        return [Reply(0) for _ in commands]

    def run_jobs(self, jobs, watcher):
        self.jobs += jobs
        return []

    def after_reopening(self, action):
        pass

    def close(self):
        self.closed = True

    def abort(self):
        self.closed = True


@pytest.fixture
def host(tmp_path, monkeypatch) -> FakeNode:
    """A reachable, fresh Debian 12 node that passes preflight."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    fake = FakeNode()
    monkeypatch.setattr(connect, "open_connection", lambda *arguments: fake)
    monkeypatch.setattr(connect.gather, "parse_facts", lambda replies: sample_facts("debian", "12", ADDRESS))
    monkeypatch.setattr(deployment_module.preflight, "run_checks", lambda *arguments: [])
    monkeypatch.setattr(deployment_module, "hold_lock", lambda *arguments: nullcontext())
    monkeypatch.setattr(deployment_module, "apply", lambda *arguments: REPORT)
    return fake


@pytest.fixture
def answers(tmp_path) -> Path:
    path = tmp_path / "mine.txt"
    path.write_text(f"[general]\nCONFIG_CONTROLLER_HOST={ADDRESS}\nCONFIG_DEFAULT_PASSWORD=hunter22\n")
    return path


def run(*arguments: Any) -> Result:
    return cli_runner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def payload(result: Result) -> Any:
    assert result.stdout.count("\n") == 1, "one object, one line"
    parsed = json.loads(result.stdout)
    assert parsed.pop("schema") == 1
    return parsed


def raises(error: BaseException) -> Any:
    def call(*arguments: Any, **options: Any) -> Any:
        raise error

    return call


def test_plan_prints_json(host, answers, monkeypatch):
    monkeypatch.setattr(deployment_module, "plan", lambda *arguments: [CHANGE])
    result = run("plan", "--answer-file", answers, "--output=json")
    assert result.exit_code == 0
    (change,) = payload(result)["changes"]
    assert {key: change[key] for key in ("host", "phase", "resource", "gap")} == {
        "host": ADDRESS,
        "phase": "Configure",
        "resource": "file:/etc/nova/nova.conf",
        "gap": "content",
    }
    assert host.closed


@pytest.mark.parametrize(("changes", "exit_code"), [([CHANGE], 10), ([], 0)])
def test_plan_exits_with_10_only_if_asked_and_changes_are_pending(host, answers, monkeypatch, changes, exit_code):
    monkeypatch.setattr(deployment_module, "plan", lambda *arguments: changes)
    assert run("plan", "--answer-file", answers, "--exit-code").exit_code == exit_code
    assert run("plan", "--answer-file", answers).exit_code == 0


def test_plan_diff_prints_the_changed_lines(host, answers, monkeypatch):
    monkeypatch.setattr(deployment_module, "plan", lambda *arguments: [CHANGE])
    shown = run("plan", "--diff", "--answer-file", answers).stdout
    assert "+a = 2" in shown
    assert "+a = 2" not in run("plan", "--answer-file", answers).stdout


def test_dry_run_is_plan_and_changes_nothing(host, answers, monkeypatch, tmp_path):
    monkeypatch.setattr(deployment_module, "plan", lambda *arguments: [CHANGE])
    monkeypatch.setattr(deployment_module, "apply", raises(AssertionError("applied")))
    assert run("--answer-file", answers, "--dry-run", "--output=json").exit_code == 0
    assert not (tmp_path / "openstack").exists()


def test_verify_prints_json_and_exits_with_6_on_drift(host, answers, monkeypatch):
    drift = Drift(ADDRESS, "unit:nova-api", "nova-api is inactive (should be active)", "packstack-lite apply")
    monkeypatch.setattr(deployment_module, "verify", lambda *arguments: [drift])
    result = run("verify", "--answer-file", answers, "--output=json")
    assert result.exit_code == 6
    assert payload(result)["faults"][0]["resource"] == "unit:nova-api"
    monkeypatch.setattr(deployment_module, "verify", lambda *arguments: [])
    assert run("verify", "--answer-file", answers).exit_code == 0


def test_preflight_prints_every_finding_and_exits_with_3(host, answers, monkeypatch):
    findings = [Finding("memory", ADDRESS, "error", "2 GiB", "add some"), Finding("clock", ADDRESS, "warning", "off")]
    monkeypatch.setattr(deployment_module.preflight, "run_checks", lambda *arguments: findings)
    result = run("preflight", "--answer-file", answers, "--output=json")
    assert result.exit_code == 3
    assert [found["name"] for found in payload(result)["findings"]] == ["memory", "clock"]
    assert run("preflight", "--answer-file", answers, "--ignore=memory").exit_code == 0


def test_apply_stops_at_preflight_before_anything_is_changed(host, answers, monkeypatch):
    finding = Finding("memory", ADDRESS, "error", "2 GiB", "add some")
    monkeypatch.setattr(deployment_module.preflight, "run_checks", lambda *arguments: [finding])
    monkeypatch.setattr(deployment_module, "apply", raises(AssertionError("applied")))
    result = run("apply", "--answer-file", answers)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "memory" in result.stderr
    assert "add some" in result.stderr


def test_apply_prints_only_its_json_on_stdout(host, answers):
    result = run("apply", "--answer-file", answers, "--output=json")
    assert result.exit_code == 0, result.stderr
    report = payload(result)
    assert set(report) == {"changes", "restarted", "flights", "seconds", "phases"}
    assert (report["restarted"], report["flights"], report["phases"][0]["name"]) == (["nova-api"], 12, "Configure")


def test_apply_adds_the_cloud_to_clouds_yaml_and_prints_the_next_step(host, answers, tmp_path):
    result = run("--answer-file", answers)
    assert result.exit_code == 0
    assert "packstack-lite smoke" in result.stdout
    entries = yaml.safe_load((tmp_path / "openstack" / "clouds.yaml").read_text())["clouds"]
    assert entries[f"packstack-lite-{ADDRESS}"]["auth"]["password"] == "hunter22"
    assert "hunter22" not in result.output


def test_a_clouds_yaml_that_is_not_a_mapping_is_a_warning(host, answers, tmp_path):
    path = tmp_path / "openstack" / "clouds.yaml"
    path.parent.mkdir()
    path.write_text("- mine\n")
    result = run("--answer-file", answers)
    assert result.exit_code == 0
    assert "clouds.yaml" in result.stderr
    assert path.read_text() == "- mine\n"


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(PhaseError("x failed", "fix it"), 5), (LockedError("x is held"), 7), (KeyboardInterrupt(), 130)],
)
def test_a_failed_apply_leaves_stdout_empty(host, answers, monkeypatch, error, exit_code):
    monkeypatch.setattr(deployment_module, "apply", raises(error))
    result = run("apply", "--answer-file", answers, "--output=json")
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert "Traceback" not in result.stderr
    assert host.closed


def test_an_unreachable_controller_exits_with_4(host, answers, monkeypatch):
    monkeypatch.setattr(connect, "open_connection", raises(ConnectError(f"{ADDRESS}: cannot be reached", "start it")))
    result = run("plan", "--answer-file", answers)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "start it" in result.stderr


def test_smoke_prints_json_writes_junit_and_exits_with_6(host, answers, monkeypatch, tmp_path):
    cases = [Case("token", "passed", 0.4), Case("ping", "failed", 9.0, "no answer <&>")]
    monkeypatch.setattr(deployment_module.smoke, "run_cases", lambda *arguments: cases)
    junit = tmp_path / "smoke.xml"
    result = run("smoke", "--answer-file", answers, "--output=json", "--junit", junit)
    assert result.exit_code == 6
    assert [(case["name"], case["outcome"]) for case in payload(result)["cases"]] == [
        ("token", "passed"),
        ("ping", "failed"),
    ]
    assert 'failures="1"' in junit.read_text()


ESSENTIAL = ("token", "catalog", "agents", "image", "network", "instance", "console_log", "metadata", "cleanup")


def test_smoke_exits_with_6_if_an_essential_case_did_not_run(host, answers, monkeypatch):
    cases = [Case(name, "passed", 1.0) for name in ESSENTIAL] + [Case("ssh", "skipped", 0.0, "no external network")]
    monkeypatch.setattr(deployment_module.smoke, "run_cases", lambda *arguments: cases)
    assert run("smoke", "--answer-file", answers).exit_code == 0
    cases[5] = Case("instance", "skipped", 0.0, "needs network")
    result = run("smoke", "--answer-file", answers)
    assert result.exit_code == 6
    assert "not tried: instance" in result.stdout


def test_smoke_makes_the_external_network_of_its_options(host, answers, monkeypatch):
    given = []
    monkeypatch.setattr(deployment_module.smoke, "run_cases", lambda *arguments: given.append(arguments[-1]) or [])
    options = ("--external-range=198.18.9.0/24", "--external-pool=198.18.9.100-198.18.9.120")
    run("smoke", "--answer-file", answers, *options, "--external-gateway=198.18.9.254")
    assert (given[0].cidr, given[0].first, given[0].gateway) == ("198.18.9.0/24", "198.18.9.100", "198.18.9.254")
    assert run("smoke", "--answer-file", answers, options[0]).exit_code == 2


@pytest.mark.parametrize("verb", ["verify", "smoke"])
def test_answers_are_never_invented_for_a_deployed_node(host, verb):
    result = run(verb, "--host", ADDRESS)
    assert result.exit_code == 2
    assert "--answer-file" in result.stderr


def test_allinone_writes_its_answers_and_a_second_one_keeps_the_passwords(host, tmp_path, monkeypatch):
    assert run("--allinone", "--host", ADDRESS).exit_code == 0
    (first,) = tmp_path.glob("packstack-answers-*.txt")
    assert first.stat().st_mode & 0o777 == 0o600
    first_answers = read_answer_file(first).answers
    assert first_answers["CONFIG_CONTROLLER_HOST"][0] == ADDRESS
    assert run("--allinone", "--host", ADDRESS).exit_code == 0
    assert [*tmp_path.glob("packstack-answers-*.txt")] == [first], "nothing would differ, so no new file is written"
    first = first.rename(tmp_path / "packstack-answers-20200101-000000.txt")
    before = first.read_text()
    assert run("--allinone", "--host", ADDRESS, "--os-debug-mode=y").exit_code == 0
    (second,) = set(tmp_path.glob("packstack-answers-*.txt")) - {first}
    second_answers = read_answer_file(second).answers
    assert second_answers["CONFIG_DEBUG_MODE"][0] == "y"
    assert second_answers["CONFIG_KEYSTONE_ADMIN_PW"][0] == first_answers["CONFIG_KEYSTONE_ADMIN_PW"][0]
    assert first.read_text() == before


def test_verbs_use_the_answers_of_an_earlier_allinone(host, monkeypatch):
    monkeypatch.setattr(deployment_module, "verify", lambda *arguments: [])
    assert run("--allinone", "--host", ADDRESS).exit_code == 0
    assert run("verify", "--host", ADDRESS).exit_code == 0


def test_the_first_of_several_hosts_is_the_controller_and_the_others_compute(host, tmp_path, monkeypatch):
    monkeypatch.setattr(
        deployment_module,
        "apply_nodes",
        lambda node_runs, *rest: [replace(REPORT, node=node_run.name) for node_run in node_runs],
    )
    result = run(f"--install-hosts={ADDRESS},198.18.1.11,198.18.1.12", "--output=json")
    assert result.exit_code == 0, result.stderr
    (path,) = tmp_path.glob("packstack-answers-*")
    written = path.read_text().splitlines()
    assert f"CONFIG_CONTROLLER_HOST={ADDRESS}" in written
    assert f"CONFIG_NETWORK_HOSTS={ADDRESS}" in written
    assert "CONFIG_COMPUTE_HOSTS=198.18.1.11,198.18.1.12" in written
    report = payload(result)
    assert [node["name"] for node in report["hosts"]] == [ADDRESS, "198.18.1.11", "198.18.1.12"]
    assert report["flights"] == 3 * REPORT.round_trips


def test_several_install_hosts_exclude_host(host, tmp_path):
    result = run(f"--install-hosts={ADDRESS},198.18.1.11", "--host=198.18.1.9")
    assert result.exit_code == 2
    assert "--host" in result.stderr
    assert not [*tmp_path.glob("packstack-answers-*")]


def test_a_failed_node_is_named_and_exits_with_5(host, monkeypatch):
    def fail_others(node_runs, *rest):
        first, *others = [replace(REPORT, node=node_run.name) for node_run in node_runs]
        return [first, *(replace(report, error="Services: x did not start") for report in others)]

    monkeypatch.setattr(deployment_module, "apply_nodes", fail_others)
    result = run(f"--install-hosts={ADDRESS},198.18.1.11")
    assert result.exit_code == 5
    assert "1 of 2 nodes failed: 198.18.1.11 (Services: x did not start)" in result.stderr
    assert f"completed: {ADDRESS}" in result.stderr
    assert "run the same command again" in result.stderr


def test_an_unreachable_compute_node_is_reported_by_every_verb_and_stops_no_other_node(host, monkeypatch):
    def connect_some(target, *options):
        if target.address == ADDRESS:
            return host
        raise ConnectError(f"{target.address}: does not answer", "start it")

    node_runs = []
    monkeypatch.setattr(connect, "open_connection", connect_some)
    monkeypatch.setattr(
        deployment_module, "apply_nodes", lambda found, *rest: node_runs.extend(found) or [REPORT for _ in found]
    )
    assert run(f"--install-hosts={ADDRESS},198.18.1.11").exit_code == 0
    assert [(node_run.name, bool(node_run.connection), node_run.error) for node_run in node_runs] == [
        (ADDRESS, True, ""),
        ("198.18.1.11", False, "198.18.1.11: does not answer"),
    ]
    preflight = run(
        "preflight",
        f"--set=CONFIG_CONTROLLER_HOST={ADDRESS}",
        "--set=CONFIG_COMPUTE_HOSTS=198.18.1.11",
        "--output=json",
    )
    (finding,) = payload(preflight)["findings"]
    assert (finding["name"], finding["host"], finding["level"]) == ("reach", "198.18.1.11", "error")
    assert "EXCLUDE_SERVERS=198.18.1.11" in finding["fix"]
    planned = run("plan", f"--set=CONFIG_CONTROLLER_HOST={ADDRESS}", "--set=CONFIG_COMPUTE_HOSTS=198.18.1.11")
    assert planned.exit_code == 4


def test_an_excluded_node_is_not_connected_to(host, monkeypatch):
    addresses = []
    monkeypatch.setattr(connect, "open_connection", lambda target, *options: addresses.append(target.address) or host)
    monkeypatch.setattr(
        deployment_module,
        "apply_nodes",
        lambda node_runs, *rest: [replace(REPORT, node=node_run.name) for node_run in node_runs],
    )
    result = run(f"--install-hosts={ADDRESS},198.18.1.11,198.18.1.12", "--exclude-servers=198.18.1.11")
    assert result.exit_code == 0, result.stderr
    assert sorted(addresses) == [ADDRESS, "198.18.1.12"]


def test_timeout_replaces_the_timeout_of_a_job(host, answers, monkeypatch):
    def one_job(host, *rest):
        host.run_jobs([Job("packages", "true", timeout=60)], None)
        return REPORT

    monkeypatch.setattr(deployment_module, "apply", one_job)
    run("--answer-file", answers, "--timeout=900")
    run("--answer-file", answers)
    assert [job.timeout for job in host.jobs] == [900, 60]


def test_the_run_log_contains_the_error_and_no_password(host, answers, monkeypatch, tmp_path):
    monkeypatch.setattr(deployment_module, "apply", raises(PhaseError("cannot log in with hunter22", "fix it")))
    run("apply", "--answer-file", answers)
    (log,) = (tmp_path / "packstack-lite" / ADDRESS).glob("*/run.log")
    assert "cannot log in with ***" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
