"""A node during a run: connection, facts and declared resources.

Used by ``deployment.deployment`` and ``rendering``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Callable, List, Mapping, Optional, Sequence, TypeVar

from packstack_lite import profiles, services
from packstack_lite.answers import Answers
from packstack_lite.config_overrides import overlay
from packstack_lite.config_overrides.overlay import AppliedOverrides
from packstack_lite.config_overrides.user_files import UserTree
from packstack_lite.deployment.connection_target import ConnectionTarget, find_target
from packstack_lite.deployment.options import Callbacks, ConnectionOptions
from packstack_lite.errors import ConnectError
from packstack_lite.nodes.facts import Facts
from packstack_lite.nodes.inventory import list_nodes
from packstack_lite.nodes.node import Node, is_ip_address, reachable_address
from packstack_lite.profiles import Profile
from packstack_lite.remote.command import Connection
from packstack_lite.report.run_log import RunLog
from packstack_lite.resources.base import Resource
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services.networking import network_settings

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class NodeSession:
    """A node with its connection and facts in this run.

    ``connection`` is None for an excluded node, and for an unreachable one, which has a ``connect_error``.
    """

    node: Node
    target: ConnectionTarget
    connection: Optional[Connection] = None
    facts: Optional[Facts] = None
    log: Optional[RunLog] = None
    connect_error: Optional[ConnectError] = None

    @property
    def profile(self) -> Profile:
        """The profile of the node's system. Raises UsageError for an unsupported one."""
        assert self.facts
        return profiles.detect(self.facts.system.os_id, self.facts.system.os_version)

    @property
    def live_connection(self) -> Connection:
        """The node's connection. Only for a connected node: an assertion fails otherwise."""
        assert self.connection
        return self.connection

    @property
    def is_connected(self) -> bool:
        """Return whether the node has a connection and its facts are known."""
        return self.connection is not None and self.facts is not None


def build_node_sessions(
    answers: Answers, target: ConnectionTarget, options: ConnectionOptions, callbacks: Callbacks
) -> List[NodeSession]:
    """Return a session, not yet connected, for every node in the answers.

    The first is the controller, at ``target``.
    """
    controller, *others = list_nodes(answers, target.address)
    return [
        NodeSession(controller, target),
        *(NodeSession(node, find_target(node.name, options, callbacks)) for node in others),
    ]


def run_parallel(function: Callable[[T], R], items: Sequence[T], limit: int) -> List[R]:
    """Call the function for each item, at most ``limit`` at once, in threads.

    Return the results in order. After an interrupt it does not wait for the threads: they may wait for a node.
    """
    if len(items) < 2:
        return [function(item) for item in items]
    pool = ThreadPoolExecutor(min(limit, len(items)), "node")
    try:
        results = list(pool.map(function, items))
    except BaseException as error:
        pool.shutdown(wait=not isinstance(error, KeyboardInterrupt), cancel_futures=True)
        raise
    pool.shutdown()
    return results


class Declarations:
    """The resources declared for each node whose facts are known.

    Mappings are by the node's name in the answers.
    """

    def __init__(self, answers: Mapping[str, object], sessions: Sequence[NodeSession], user_tree: UserTree) -> None:
        self._answers = answers
        self._sessions = sessions
        self._user_tree = user_tree

    def context_for(self, session: NodeSession) -> NodeContext:
        """Return the NodeContext from which services declare the node's resources."""
        assert session.facts
        context = NodeContext(self._answers, session.facts, session.profile)
        if len(self._sessions) == 1:
            return context
        peers = tuple(self._nodes_by_name[peer.node.name] for peer in self._sessions if peer is not session)
        return replace(context, node=self._nodes_by_name[session.node.name], other_nodes=peers)

    @cached_property
    def _nodes_by_name(self) -> Mapping[str, Node]:
        """Every node of the cloud, by its name in the answers."""
        return {session.node.name: self._build_node(session) for session in self._sessions}

    def _build_node(self, session: NodeSession) -> Node:
        """Return a node with the addresses and host name that its facts give."""
        name = session.node.name
        if not session.facts:
            # Without facts only an IP address in the answers is known; peers may not resolve a name.
            return replace(session.node, address=name if is_ip_address(name) else "")
        node = replace(
            session.node, address=reachable_address(name, session.facts), hostname=session.facts.system.hostname
        )
        if not {"compute", "network"} & set(node.roles):
            return node
        tunnel_address = network_settings.tunnel_address(
            NodeContext(self._answers, session.facts, session.profile, node)
        )
        return replace(node, tunnel_address=tunnel_address)

    @cached_property
    def with_overrides(self) -> Mapping[str, AppliedOverrides]:
        """The resources of each node, with the configuration overrides applied.

        The warnings are about the overrides.
        """
        sessions = [session for session in self._sessions if session.facts]
        declarations = {
            session.node.name: (services.declare(self.context_for(session)), session.profile) for session in sessions
        }
        return overlay.apply_overrides_to_nodes(declarations, self._user_tree)

    def delegated_for(self, session: NodeSession) -> List[Resource]:
        """Return the resources that are applied on the controller on behalf of this node."""
        controller = self._sessions[0]
        return (
            []
            if session is controller
            else services.declare_delegated(self.context_for(controller), self.context_for(session))
        )
