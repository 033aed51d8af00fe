"""Helpers for tests of pitfalls.

Preflight's findings on a node, before and after --fix.
"""

from __future__ import annotations

from typing import Dict, Mapping

from tests.conftest import Outcome
from tests.e2e.conftest import Sandbox

# Start another web server on port 80, and map the host name to a foreign address.
BREAK_PORT_AND_HOSTNAME = r"""cat > /etc/systemd/system/otherweb.service <<'UNIT'
[Service]
ExecStart=/usr/bin/perl -MIO::Socket::INET -e 'my $$s = IO::Socket::INET->new(Listen => 5, LocalPort => 80); sleep'
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now otherweb
sed -i "/[[:space:]]$(hostname)/d" /etc/hosts
echo "198.18.255.9 $(hostname) other" >> /etc/hosts
"""

Findings = Dict[str, Dict[str, object]]


def findings_by_name(result: Outcome) -> Findings:
    """Return the errors and warnings by check; fail if a check has several."""
    findings = [finding for finding in result.data["findings"] if finding["level"] != "info"]
    names = [finding["name"] for finding in findings]
    assert len(set(names)) == len(names), findings
    return {finding["name"]: finding for finding in findings}


def run_preflight(node: Sandbox, *options: str) -> Findings:
    return findings_by_name(node("preflight", "--output", "json", *options))


# --fix moves only the data that are named.
MOVE_DATA_OPTIONS = ("--move-data", "mariadb", "--move-data", "packstack")


def run_fix(node: Sandbox, *options: str) -> Findings:
    """Run --fix, allowed to move all data; return the findings afterwards.

    Fail if a fix failed.
    """
    result = node("preflight", "--fix", *MOVE_DATA_OPTIONS, "--output", "json", *options)
    assert "--fix failed" not in result.err, result.err
    return findings_by_name(result)


def assert_findings(findings: Findings, expected_texts: Mapping[str, str]) -> None:
    """Fail unless there are exactly these findings, each with its text in the message."""
    assert set(findings) == set(expected_texts), findings
    for name, text in expected_texts.items():
        assert text in str(findings[name]["message"]), findings[name]


def assert_fixable(node: Sandbox, expected_texts: Mapping[str, str], *options: str) -> None:
    """Fail unless exactly these pitfalls are found with a hint, fixed by --fix, and then gone."""
    findings_before = run_preflight(node, *options)
    assert_findings(findings_before, expected_texts)
    assert all(
        finding["fix"] and (finding["fixable"] or finding["move_data"]) for finding in findings_before.values()
    ), findings_before
    assert not any(finding["fixed"] for finding in findings_before.values()), findings_before
    findings_after = run_fix(node, *options)
    assert {name: finding["fixed"] for name, finding in findings_after.items()} == dict.fromkeys(
        expected_texts, True
    ), findings_after
    assert run_preflight(node, *options) == {}


def assert_left_alone(node: Sandbox, expected_texts: Mapping[str, str], *options: str) -> None:
    """Fail unless exactly these pitfalls are found, and --fix does not fix them.

    A text has parts of the message and the hint, separated by " ... ".
    """
    findings = run_preflight(node, *options)
    assert set(findings) == set(expected_texts), findings
    for name, text in expected_texts.items():
        for part in text.split(" ... "):
            assert part in f"{findings[name]['message']} {findings[name]['fix']}", findings[name]
        assert not findings[name]["fixable"], findings[name]
