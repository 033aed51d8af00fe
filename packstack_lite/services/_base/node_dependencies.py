"""What a host of the cloud waits for on another one: data, of which the engine makes the order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from packstack_lite.resources.base import Phase


@dataclass(frozen=True)
class NodeDependency:
    """Hosts of ``role`` begin ``phase`` only once every other host of ``other`` is through with ``until``.

    ``why`` ends the sentence "it waits for ...". ``service``: only where that one is deployed ("" always).
    """

    role: str
    phase: Phase
    required_role: str
    required_phase: Phase
    reason: str
    service: str = ""


# Packages are nobody's business but the host's own. From there on each host goes on until it needs an answer.
NODE_DEPENDENCIES: Tuple[NodeDependency, ...] = (
    NodeDependency("controller", Phase.DATABASES, "database", Phase.DATABASES, "the database server to let it in"),
    NodeDependency("controller", Phase.SCHEMA, "queue", Phase.DATABASES, "the queue to know the services"),
    NodeDependency("compute", Phase.PLATFORM, "controller", Phase.PLATFORM, "OVN's databases", "ovn"),
    NodeDependency("network", Phase.PLATFORM, "controller", Phase.PLATFORM, "OVN's databases", "ovn"),
    NodeDependency("compute", Phase.SERVICES, "controller", Phase.SERVICES, "conductor and neutron's server"),
    NodeDependency("network", Phase.SERVICES, "controller", Phase.SERVICES, "neutron's server"),
    NodeDependency("storage", Phase.SERVICES, "controller", Phase.SERVICES, "cinder's tables and API"),
    NodeDependency("controller", Phase.NETWORKS, "network", Phase.SERVICES, "the agents that serve networks"),
)


def select_dependencies(services: Sequence[str]) -> Tuple[NodeDependency, ...]:
    """The waits of a cloud with these services."""
    return tuple(
        dependency for dependency in NODE_DEPENDENCIES if not dependency.service or dependency.service in services
    )
