"""The order of work between nodes: which phase waits for phases of other nodes.

Data; ``engine.multi_node`` orders the nodes' work by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from packstack_lite.resources.base import Phase


@dataclass(frozen=True)
class NodeDependency:
    """A phase that waits for a phase on other nodes.

    Nodes with ``role`` begin ``phase`` once every other node with ``required_role`` has passed ``required_phase``.

    ``reason`` ends the sentence "it needs ...". ``service``: the dependency counts only where that service is
    requested; empty: always.
    """

    role: str
    phase: Phase
    required_role: str
    required_phase: Phase
    reason: str
    service: str = ""


# Packages depend on no other node. After them, each node continues until it needs another one's service.
NODE_DEPENDENCIES: Tuple[NodeDependency, ...] = (
    NodeDependency("controller", Phase.DATABASES, "database", Phase.DATABASES, "the database server to let it in"),
    NodeDependency("controller", Phase.SCHEMA, "queue", Phase.DATABASES, "the queue to know the services"),
    NodeDependency("compute", Phase.PLATFORM, "controller", Phase.PLATFORM, "OVN's databases", "ovn"),
    NodeDependency("network", Phase.PLATFORM, "controller", Phase.PLATFORM, "OVN's databases", "ovn"),
    NodeDependency("compute", Phase.SERVICES, "controller", Phase.SERVICES, "conductor and neutron's server"),
    NodeDependency("network", Phase.SERVICES, "controller", Phase.SERVICES, "neutron's server"),
    NodeDependency("storage", Phase.SERVICES, "controller", Phase.SERVICES, "cinder's tables and API"),
    NodeDependency("controller", Phase.NETWORKS, "network", Phase.SERVICES, "the agents that serve networks"),
    # An account is removed once nobody uses it, and a service from the APIs once its unit is stopped.
    *(
        NodeDependency("controller", Phase.REMOVE, role, Phase.REMOVE, "every node to let go of what is removed")
        for role in ("network", "compute", "storage", "queue", "database")
    ),
    *(
        NodeDependency("queue", Phase.REMOVE, role, Phase.SERVICES, "every node to log in by its new account")
        for role in ("controller", "network", "compute", "storage")
    ),
    *(
        NodeDependency("database", Phase.REMOVE, role, Phase.SERVICES, "every node to log in by its new account")
        for role in ("controller", "network", "compute", "storage")
    ),
)


def select_dependencies(services: Sequence[str]) -> Tuple[NodeDependency, ...]:
    """Return the dependencies of a cloud with these services."""
    return tuple(
        dependency for dependency in NODE_DEPENDENCIES if not dependency.service or dependency.service in services
    )
