"""Where a service finds itself: its host's part in the cloud, and the addresses of the others."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, List, Mapping, Tuple

from packstack_lite.nodes.facts import Facts
from packstack_lite.nodes.node import SINGLE_NODE, Node
from packstack_lite.profiles import Profile


@dataclass(frozen=True)
class BaseContext:
    """Answers, facts and profile of the host that is declared for, which is ``here``; ``others`` are the cloud's rest.

    ``answers`` maps Packstack's names to typed values (bool for y/n, int, str, tuple of str for lists, Secret).
    """

    answers: Mapping[str, Any]
    facts: Facts
    profile: Profile
    node: Node = SINGLE_NODE
    other_nodes: Tuple[Node, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.answers[name]

    def is_enabled(self, name: str) -> bool:
        """A y/n answer; no when the table does not have the question."""
        return bool(self.answers.get(name, False))

    def has_role(self, *roles: str) -> bool:
        """Whether this host has one of the roles."""
        return bool(set(roles) & set(self.node.roles))

    def nodes_with_role(self, role: str) -> List[Node]:
        """The hosts with a role, this one first."""
        return [node for node in (self.node, *self.other_nodes) if role in node.roles]

    @property
    def peer_addresses(self) -> Tuple[str, ...]:
        """The addresses of the cloud's other hosts, tunnel endpoints included; none where the cloud is one host."""
        return tuple(dict.fromkeys(address for node in self.other_nodes for address in node_addresses(node)))

    @property
    def controller_address(self) -> str:
        """The controller's IP address: what URLs hold, and where its services listen."""
        return self._role_address("controller")

    @property
    def node_address(self) -> str:
        """This host's IP address."""
        return self.node.address or self.controller_address

    @property
    def database_address(self) -> str:
        """The address of the database server, which may be none of the cloud's hosts."""
        answer = str(self.answers.get("CONFIG_MARIADB_HOST") or "")
        is_external = not self.installs_database and answer and answer not in ("localhost", "127.0.0.1")
        return answer if is_external else self._role_address("database")

    @property
    def installs_database(self) -> bool:
        """Whether the database server is ours to install; else there is one, and we are let in."""
        return bool(self.answers.get("CONFIG_MARIADB_INSTALL", True))

    @property
    def has_local_database(self) -> bool:
        """Whether the database server is ours and on this host, so that root may ask it over its socket."""
        return self.installs_database and self.has_role("database")

    @property
    def queue_address(self) -> str:
        """The address of the message queue."""
        return self._role_address("queue")

    def _role_address(self, role: str) -> str:
        return (
            next((node.address for node in self.nodes_with_role(role) if node.address), "")
            or self._single_node_address()
        )

    def _single_node_address(self) -> str:
        answer = str(self.answers.get("CONFIG_CONTROLLER_HOST", ""))
        return reachable_address(answer, self.facts)


def node_addresses(node: Node) -> Tuple[str, ...]:
    """Every address that a host speaks from to the cloud's others."""
    return tuple(dict.fromkeys(address for address in (node.address, node.tunnel_address) if address))


def reachable_address(name: str, facts: Facts) -> str:
    """A host's address: its name in the answers where that is one for others too, else the one it has itself."""
    return name if is_ip_address(name) and not ip_address(name).is_loopback else facts.address


def is_ip_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address, not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
