"""Nodes that were cloned from one image: what each must have for itself is compared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, List, Mapping

import pytest

from packstack_lite import preflight
from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.deployment.node_checks import check_arguments
from packstack_lite.deployment.node_sessions import NodeSession
from packstack_lite.engine.events import Finding, blocking_findings
from packstack_lite.nodes.facts import Facts
from packstack_lite.nodes.node import Node
from tests.clouds import ANSWERS, facts

ONE, TWO, THREE = "198.18.1.10", "198.18.1.11", "198.18.1.12"


def own(number: int, **changes: Any) -> Facts:
    """Return the facts of a node that has everything for itself, but for the changes."""
    values = {"hostname": f"node-{number}", "machine_id": f"{number:032x}", "ovs_system_id": f"id-{number}"}
    return facts(**{**values, "ssh_host_key": f"AAAA{number}", **changes})


def find(nodes: Mapping[str, Facts], excluded: str = "") -> List[Finding]:
    """Return the findings of the check when preflight runs on these nodes."""
    sessions = []
    for name, of in nodes.items():
        connection: Any = SimpleNamespace(name=name)
        session = NodeSession(Node(name=name, roles=("compute",)), ConnectionTarget(name), connection, of)
        sessions.append(NodeSession(session.node, session.target) if name == excluded else session)
    return [
        finding
        for session in sessions
        if session.is_connected
        for finding in preflight.run_checks(*check_arguments(session, sessions, ANSWERS))
        if finding.check == "clones"
    ]


def test_nodes_of_their_own_give_no_finding() -> None:
    assert find({ONE: own(1), TWO: own(2), THREE: own(3)}) == []


def test_what_no_node_has_yet_is_not_shared() -> None:
    missing = {"machine_id": "", "ovs_system_id": "", "ssh_host_key": ""}
    assert find({ONE: own(1, **missing), TWO: own(2, **missing)}) == []


def test_a_node_that_is_not_connected_is_not_compared() -> None:
    clones = {ONE: own(1), TWO: own(1), THREE: own(3)}
    assert find(clones) and find(clones, excluded=ONE) == find(clones, excluded=TWO) == []


@pytest.mark.parametrize(
    ("fact", "value", "what", "way_out"),
    [
        ("hostname", "debian", "host name debian", "hostnamectl set-hostname"),
        ("machine_id", "f" * 32, "machine-id", "systemd-machine-id-setup"),
        ("ovs_system_id", "same", "Open vSwitch system-id", "rm /etc/openvswitch/system-id.conf"),
        ("ssh_host_key", "AAAA", "SSH host key", "ssh-keygen -A"),
    ],
)
def test_what_two_nodes_share_is_an_error_that_names_both_and_the_way_out(
    fact: str, value: str, what: str, way_out: str
) -> None:
    findings = find({ONE: own(1, **{fact: value}), TWO: own(2), THREE: own(3, **{fact: value})})
    (finding,) = findings
    assert (finding.level, finding.node) == ("error", THREE)
    assert f"{ONE} and {THREE} have the same {what}" in finding.message
    assert way_out in finding.hint and f"on {THREE}" in finding.hint
    assert blocking_findings(findings) and not blocking_findings(findings, ("clones",))


def test_host_names_are_compared_without_case() -> None:
    (finding,) = find({ONE: own(1, hostname="Node"), TWO: own(2, hostname="node")})
    assert "host name node" in finding.message


def test_every_clone_but_the_first_has_all_four_findings() -> None:
    findings = find({ONE: own(1), TWO: own(1), THREE: own(1)})
    assert [finding.node for finding in findings] == [TWO] * 4 + [THREE] * 4
    assert all(finding.message.startswith(f"{ONE} and {finding.node} ") for finding in findings)
