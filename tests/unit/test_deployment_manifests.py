"""The manifest around a run: written before what is new is made, and forgetting only what a success removed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Mapping, Optional, Sequence

import pytest

from packstack_lite.config_overrides.user_files import UserTree
from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.deployment.manifests import NodeManifests
from packstack_lite.deployment.node_sessions import Declarations, NodeSession
from packstack_lite.engine.multi_node import Scope
from packstack_lite.engine.results import ApplyReport
from packstack_lite.manifest import Manifest, ManifestEntry, parse_manifest
from packstack_lite.nodes.node import Node
from packstack_lite.remote.command import Reply
from packstack_lite.resources.base import Phase
from tests.clouds import ADDRESS, ANSWERS, OVN, Answers, change_facts, facts

FINE, FAILED = ApplyReport((), (), 9, 1.0, ()), ApplyReport((), (), 9, 1.0, (), error="Services: no")
WHOLE = Scope()
RENAMED = {"CONFIG_AMQP_AUTH_USER": "rabbit"}
HOSTS = {
    "CONFIG_COMPUTE_HOSTS": ("198.18.1.11",),
    "CONFIG_CONTROLLER_HOST": ADDRESS,
}


class Recorder:
    """A connection that keeps what is written."""

    name = ADDRESS

    def __init__(self) -> None:
        self.written: List[str] = []

    def run(self, commands: Any) -> List[Reply]:
        self.written += [command.stdin.decode() for command in commands]
        return [Reply(0) for _ in commands]

    @property
    def manifest(self) -> Manifest:
        """The manifest that was written last."""
        return parse_manifest(self.written[-1].splitlines()[-1])


def session_of(
    name: str, roles: Sequence[str], manifest: Optional[Manifest] = None, hostname: str = "aio"
) -> NodeSession:
    """Return a connected node with a manifest."""
    of = facts(hostname=hostname, address=name, manifest=manifest or Manifest())
    connection: Any = Recorder()
    return NodeSession(Node(name=name, roles=tuple(roles)), ConnectionTarget(name), connection, of)


def records_of(answers: Mapping[str, Any], *sessions: NodeSession) -> NodeManifests:
    """Return the records of nodes with these answers."""
    merged = Answers({**ANSWERS, **OVN, **answers})
    declarations = Declarations(merged, sessions, UserTree())
    by_node = {name: node.resources for name, node in declarations.with_overrides.items()}
    return NodeManifests(merged, sessions, declarations, by_node)


ROLES = ("controller", "network", "compute", "storage", "queue", "database")


def deployed(answers: Mapping[str, Any] = {}) -> Manifest:
    """Return the manifest that a first apply leaves on an all-in-one."""
    session = session_of(ADDRESS, ROLES)
    records_of(answers, session).write_after(session, FINE, WHOLE)
    return session.connection.manifest  # type: ignore[union-attr]


def test_a_first_apply_records_before_and_after_and_a_second_only_after() -> None:
    session = session_of(ADDRESS, ROLES)
    records = records_of({}, session)
    records.write_before(session)
    records.write_after(session, FINE, WHOLE)
    before, after = (parse_manifest(text.splitlines()[-1]) for text in session.connection.written)  # type: ignore
    assert before.entries == after.entries and before.identity == {} and after.identity["host name"] == "aio"
    again = session_of(ADDRESS, ROLES, after)
    records_of({}, again).write_before(again)
    assert again.connection.written == [], "a second apply needs no further round trip"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("report", "scope", "forgets"),
    [
        (FINE, WHOLE, True),
        (FAILED, WHOLE, False),
        (FINE, Scope(frozenset({"nova"})), False),
        (FINE, Scope(start_phase=Phase.SERVICES), True),
    ],
)
def test_an_old_account_is_forgotten_once_a_run_has_removed_it(
    report: ApplyReport, scope: Scope, forgets: bool
) -> None:
    session = session_of(ADDRESS, ROLES, deployed())
    records = records_of(RENAMED, session)
    assert [one.id for one in records.removals_for(session)] == ["removed_message_user:amqp_user"]
    records.write_before(session)
    records.write_after(session, report, scope)
    ids = {entry.id for entry in session.connection.manifest.entries}  # type: ignore[union-attr]
    assert "message_user:rabbit" in ids
    assert ("message_user:amqp_user" in ids) is not forgets


def test_what_was_kept_stays_recorded_and_is_told() -> None:
    session = session_of(ADDRESS, ROLES, deployed({"CONFIG_CINDER_INSTALL": True}))
    records = records_of({}, session)
    told: List[str] = []
    records.report_kept(told.append)
    assert len(told) == 1 and told[0].startswith(f"{ADDRESS}: CONFIG_CINDER_INSTALL=n: ")
    assert records.removals_for(session) == ()
    records.write_after(session, FINE, WHOLE)
    ids = {entry.id for entry in session.connection.manifest.entries}  # type: ignore[union-attr]
    assert {"unit:cinder-volume", "user:cinder"} <= ids


def test_the_controller_removes_what_another_nodes_lost_role_left_in_the_apis() -> None:
    controller = session_of(ADDRESS, [role for role in ROLES if role not in ("compute", "network")], hostname="a")
    recorded = tuple(ManifestEntry(f"unit:{name}", "Services", frozenset({"nova"})) for name in ("nova-compute",))
    other = session_of("198.18.1.11", ("network",), Manifest(recorded), "b")
    third = session_of("198.18.1.12", ("compute",), hostname="c")
    records = records_of(HOSTS, controller, other, third)
    on_controller = {one.id for one in records.removals_for(controller)}
    assert on_controller == {"compute_scheduling:nova-compute@b", "removed_compute_service:nova-compute@b"}
    assert {one.id for one in records.removals_for(other)} == {"unit:nova-compute"}
    assert [one.type for one in records.service_list(controller)] == ["service_list"]
    assert records.service_list(other) == []

    excluded = replace(other, facts=None, connection=None)
    partial = records_of(HOSTS, controller, excluded, third)
    assert list(partial.removals_for(controller)) == [] and partial.service_list(controller) == []


def test_a_changed_fact_of_the_identity_replaces_the_recorded_one() -> None:
    session = session_of(ADDRESS, ROLES, Manifest((), {"host name": "old", "Open vSwitch's system-id": "1a"}))
    assert session.facts
    session.facts = change_facts(session.facts, ovs_system_id="")
    records_of({}, session).write_after(session, FINE, WHOLE)
    identity = session.connection.manifest.identity  # type: ignore[union-attr]
    assert (identity["host name"], identity["Open vSwitch's system-id"]) == ("aio", "1a")
