"""A host's place in the cloud: what it does there, and where the others find it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

# In Packstack's order. Each is the name of what a host does, not of the answer that says so.
ROLES: Tuple[str, ...] = ("controller", "network", "compute", "storage", "queue", "database")


@dataclass(frozen=True)
class Node:
    """``name`` as the answers write it, ``address`` where its services are reached, ``tunnel`` the address that
    tunnels between hosts end at ("": the same). A host alone has every role."""

    name: str = ""
    address: str = ""
    hostname: str = ""
    roles: Tuple[str, ...] = ROLES
    tunnel_address: str = ""


SINGLE_NODE = Node()
