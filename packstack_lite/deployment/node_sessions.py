"""The cloud's hosts as a run has them: how each is reached, what is known of it, and what is declared for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Callable, List, Mapping, Optional, Sequence, TypeVar

from packstack_lite import profiles, services
from packstack_lite.answers import Answers
from packstack_lite.cli.options import Options
from packstack_lite.config_overrides import overlay
from packstack_lite.config_overrides.overlay import AppliedOverrides
from packstack_lite.config_overrides.user_files import UserTree
from packstack_lite.deployment.connection_target import ConnectionTarget, find_target
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
    """A host of the cloud. Without a ``host`` it is left alone, or could not be reached, as ``trouble`` says."""

    node: Node
    target: ConnectionTarget
    connection: Optional[Connection] = None
    facts: Optional[Facts] = None
    log: Optional[RunLog] = None
    connect_error: Optional[ConnectError] = None

    @property
    def profile(self) -> Profile:
        """Of the system that the host runs. Raises UsageFault where none is known for it."""
        assert self.facts
        return profiles.detect(self.facts.system.os_id, self.facts.system.os_version)

    @property
    def live_connection(self) -> Connection:
        """The host of a site that is connected."""
        assert self.connection
        return self.connection

    @property
    def is_connected(self) -> bool:
        return self.connection is not None and self.facts is not None


def build_node_sessions(options: Options, answers: Answers, target: ConnectionTarget) -> List[NodeSession]:
    """Every host that the answers name, the controller first, which is the run's ``target``."""
    controller, *others = list_nodes(answers, target.address)
    return [NodeSession(controller, target), *(NodeSession(node, find_target(options, node.name)) for node in others)]


def run_parallel(function: Callable[[T], R], items: Sequence[T]) -> List[R]:
    """``do`` for each, in threads where there are several; the results in their order."""
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(len(items), "host") as pool:
        return list(pool.map(function, items))


class Declarations:
    """What is declared for every host that is known (by its facts), by its name in the answers."""

    def __init__(self, answers: Mapping[str, object], sessions: Sequence[NodeSession], user_tree: UserTree) -> None:
        self._answers = answers
        self._sessions = sessions
        self._user_tree = user_tree

    def context_for(self, session: NodeSession) -> NodeContext:
        """The cloud as seen from a host."""
        assert session.facts
        context = NodeContext(self._answers, session.facts, session.profile)
        if len(self._sessions) == 1:
            return context
        peers = tuple(self._nodes_by_name[peer.node.name] for peer in self._sessions if peer is not session)
        return replace(context, node=self._nodes_by_name[session.node.name], other_nodes=peers)

    @cached_property
    def _nodes_by_name(self) -> Mapping[str, Node]:
        return {session.node.name: self._build_node(session) for session in self._sessions}

    def _build_node(self, session: NodeSession) -> Node:
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
        """The resources of each host with the user's own files laid over them, and the remarks on those."""
        sessions = [session for session in self._sessions if session.facts]
        declarations = {
            session.node.name: (services.declare(self.context_for(session)), session.profile) for session in sessions
        }
        return overlay.apply_overrides_to_nodes(declarations, self._user_tree)

    def delegated_for(self, session: NodeSession) -> List[Resource]:
        """What is to be done on the controller for a host."""
        controller = self._sessions[0]
        return (
            []
            if session is controller
            else services.declare_delegated(self.context_for(controller), self.context_for(session))
        )
