"""A machine of the cloud: its name, addresses and roles.

Used by every package above ``remote``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Tuple

from packstack_lite.nodes.facts import Facts

# In Packstack's order. A role names what a node does, not the parameter that assigns it.
ROLES: Tuple[str, ...] = ("controller", "network", "compute", "storage", "queue", "database")


@dataclass(frozen=True)
class Node:
    """A machine of the cloud. Construct it with keywords.

    ``name`` is the one in the answer file. ``address`` and ``hostname`` are empty until facts are known.
    ``tunnel_address`` is the local end of tunnels between nodes; empty means ``address``.
    An excluded node (EXCLUDE_SERVERS) keeps its roles, but is neither inspected nor changed.
    """

    name: str = ""
    address: str = ""
    hostname: str = ""
    roles: Tuple[str, ...] = ROLES
    tunnel_address: str = ""
    is_excluded: bool = False

    @property
    def addresses(self) -> Tuple[str, ...]:
        """Every address from which this node connects to the other nodes."""
        return tuple(dict.fromkeys(address for address in (self.address, self.tunnel_address) if address))


# The only node of a cloud that has no other: it has every role.
SINGLE_NODE = Node()


def reachable_address(name: str, facts: Facts) -> str:
    """Return ``name`` if it is an IP address, otherwise the address in the facts.

    A loopback address does not count.
    """
    return name if _is_reachable_ip_address(name) else facts.network.address


# Each service asks for the same few addresses, a hundred times per node: both answers are remembered.
@lru_cache(maxsize=1024)
def _is_reachable_ip_address(text: str) -> bool:
    """Return whether the text is an IP address other than a loopback one."""
    return is_ip_address(text) and not ip_address(text).is_loopback


@lru_cache(maxsize=1024)
def is_ip_address(text: str) -> bool:
    """Return whether the text is an IPv4 or IPv6 address rather than a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
