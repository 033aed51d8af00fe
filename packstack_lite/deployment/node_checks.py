"""Collect what preflight checks on a node. Used by ``deployment.deployment``."""

from __future__ import annotations

import itertools
from typing import Any, Mapping, Optional, Sequence, Tuple

from packstack_lite.deployment.node_sessions import NodeSession
from packstack_lite.errors import PackstackLiteError
from packstack_lite.nodes.facts import Facts
from packstack_lite.profiles import Profile

Roles = Tuple[str, ...]
Arguments = Tuple[
    Facts, Mapping[str, Any], Optional[Profile], str, Roles, Mapping[str, Roles], bool, Mapping[str, Facts]
]


def check_arguments(session: NodeSession, sessions: Sequence[NodeSession], answers: Mapping[str, Any]) -> Arguments:
    """Return the arguments of ``preflight.run_checks`` for a connected node.

    ``sessions`` are all nodes: some checks compare them.
    """
    assert session.connection and session.facts
    try:
        profile: Optional[Profile] = session.profile
    except PackstackLiteError:
        profile = None
    hosts = {other.facts.system.hostname: other.node.roles for other in sessions if other.facts}
    knows_all_hosts = len(hosts) == len(sessions)
    before = itertools.takewhile(lambda other: other is not session, sessions)
    earlier_nodes = {other.connection.name: other.facts for other in before if other.connection and other.facts}
    name, roles = session.connection.name, session.node.roles
    return session.facts, answers, profile, name, roles, hosts, knows_all_hosts, earlier_nodes
