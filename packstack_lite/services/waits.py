"""What a host of the cloud waits for on another one: data, of which the engine makes the order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from packstack_lite.resources.base import Phase


@dataclass(frozen=True)
class Wait:
    """Hosts of ``role`` begin ``phase`` only once every other host of ``other`` is through with ``until``.

    ``why`` ends the sentence "it waits for ...". ``service``: only where that one is deployed ("" always).
    """

    role: str
    phase: Phase
    other: str
    until: Phase
    why: str
    service: str = ""


# Packages are nobody's business but the host's own. From there on each host goes on until it needs an answer.
WAITS: Tuple[Wait, ...] = (
    Wait("controller", Phase.DATABASES, "database", Phase.DATABASES, "the database server to let it in"),
    Wait("controller", Phase.SCHEMA, "queue", Phase.DATABASES, "the queue to know the services"),
    Wait("compute", Phase.PLATFORM, "controller", Phase.PLATFORM, "OVN's databases", "ovn"),
    Wait("network", Phase.PLATFORM, "controller", Phase.PLATFORM, "OVN's databases", "ovn"),
    Wait("compute", Phase.SERVICES, "controller", Phase.SERVICES, "conductor and neutron's server"),
    Wait("network", Phase.SERVICES, "controller", Phase.SERVICES, "neutron's server"),
    Wait("storage", Phase.SERVICES, "controller", Phase.SERVICES, "cinder's tables and API"),
    Wait("controller", Phase.NETWORKS, "network", Phase.SERVICES, "the agents that serve networks"),
)


def of(services: Sequence[str]) -> Tuple[Wait, ...]:
    """The waits of a cloud with these services."""
    return tuple(wait for wait in WAITS if not wait.service or wait.service in services)
