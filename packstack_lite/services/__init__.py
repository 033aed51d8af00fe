"""The services of a cloud, one per file: answers and facts become resources. Pure, no I/O."""

from __future__ import annotations

from types import ModuleType
from typing import List, Mapping, Tuple

from packstack_lite.resources.base import PHASES, Resource
from packstack_lite.services import (
    client,
    demo,
    glance,
    horizon,
    host,
    keystone,
    mariadb,
    memcached,
    neutron,
    nova,
    openvswitch,
    placement,
    rabbitmq,
)
from packstack_lite.services.cloud import Cloud

# In the order in which a person would name them; each module has declare(cloud).
SERVICES: Mapping[str, ModuleType] = {
    "mariadb": mariadb,
    "rabbitmq": rabbitmq,
    "memcached": memcached,
    "openvswitch": openvswitch,
    "keystone": keystone,
    "glance": glance,
    "placement": placement,
    "nova": nova,
    "neutron": neutron,
    "horizon": horizon,
    "client": client,
    "demo": demo,
}
# Services that an answer can leave out.
OPTIONAL: Mapping[str, str] = {"horizon": "CONFIG_HORIZON_INSTALL"}


def supported() -> Tuple[str, ...]:
    """The names of the services that can be deployed."""
    return tuple(SERVICES)


def chosen(cloud: Cloud) -> List[str]:
    """The services that these answers ask for."""
    return [name for name in SERVICES if name not in OPTIONAL or cloud.answers.get(OPTIONAL[name], True)]


def declare(cloud: Cloud) -> List[Resource]:
    """Every resource of the cloud, by phase and within a phase as the services declare them.

    Raises UsageFault when the answers ask for something that cannot be deployed.
    """
    services = chosen(cloud)
    resources = host.declare(cloud, services)
    for name in services:
        resources += SERVICES[name].declare(cloud)
    rank = {phase: place for place, phase in enumerate(PHASES)}
    return sorted(resources, key=lambda resource: rank[resource.phase])


__all__ = ["OPTIONAL", "SERVICES", "Cloud", "chosen", "declare", "supported"]
