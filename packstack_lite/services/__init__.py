"""The services of a cloud, one per file: answers and facts become resources. Pure, no I/O."""

from __future__ import annotations

import re
from dataclasses import replace
from types import ModuleType
from typing import Any, List, Mapping, Sequence, Tuple

import packstack_lite.answers.agents as agents
from packstack_lite.errors import UsageFault
from packstack_lite.resources.base import PHASES, Resource
from packstack_lite.services import (
    barbican,
    cinder,
    client,
    demo,
    glance,
    horizon,
    host,
    keystone,
    mariadb,
    mariadb_client,
    memcached,
    neutron,
    neutron_linuxbridge,
    neutron_openvswitch,
    neutron_sriov,
    nova,
    nova_compute,
    openvswitch,
    ovn,
    ovn_central,
    placement,
    rabbitmq,
    swift,
    uplink,
)
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.together import together

# In the order in which a person would name them; each module has declare(cloud).
SERVICES: Mapping[str, ModuleType] = {
    "mariadb": mariadb,
    "mariadb-client": mariadb_client,
    "rabbitmq": rabbitmq,
    "memcached": memcached,
    "openvswitch": openvswitch,
    "keystone": keystone,
    "glance": glance,
    "placement": placement,
    "nova": nova,
    "nova-compute": nova_compute,
    "neutron": neutron,
    "neutron-openvswitch": neutron_openvswitch,
    "neutron-linuxbridge": neutron_linuxbridge,
    "neutron-sriov": neutron_sriov,
    "ovn-central": ovn_central,
    "ovn": ovn,
    "barbican": barbican,
    "swift": swift,
    "cinder": cinder,
    "horizon": horizon,
    "client": client,
    "demo": demo,
}
# Services that an answer can leave out.
OPTIONAL: Mapping[str, str] = {
    "barbican": "CONFIG_BARBICAN_INSTALL",
    "swift": "CONFIG_SWIFT_INSTALL",
    "cinder": "CONFIG_CINDER_INSTALL",
    "horizon": "CONFIG_HORIZON_INSTALL",
    "client": "CONFIG_CLIENT_INSTALL",
}
# The services of each way to switch packets; the others' are not even installed.
AGENTS: Mapping[str, Tuple[str, ...]] = {
    "openvswitch": ("openvswitch", "neutron-openvswitch"),
    "linuxbridge": ("neutron-linuxbridge",),
    "ovn": ("openvswitch", "ovn-central", "ovn"),
}
# Who else than the controller has a service (in its place, not beside it, unless that has the role too).
ROLES: Mapping[str, Tuple[str, ...]] = {
    "mariadb": ("database",),
    "rabbitmq": ("queue",),
    "openvswitch": ("compute", "network"),
    "nova-compute": ("compute",),
    "neutron-openvswitch": ("compute", "network"),
    "neutron-linuxbridge": ("compute", "network"),
    "neutron-sriov": ("compute",),
    "ovn": ("compute", "network"),
    "cinder": ("controller", "storage"),
}
# What a cloud cannot be without, and what else can be asked for so far.
ALWAYS = ("CONFIG_GLANCE_INSTALL", "CONFIG_NOVA_INSTALL", "CONFIG_NEUTRON_INSTALL")


def supported() -> Tuple[str, ...]:
    """The names of the services that can be deployed."""
    return tuple(SERVICES)


def asked(cloud: Cloud) -> List[str]:
    """The services that these answers ask for, on whichever host."""
    others = {service for services in AGENTS.values() for service in services} - set(AGENTS[cloud.l2_agent])
    others |= set() if neutron_sriov.wanted(cloud) else {"neutron-sriov"}
    others |= set() if cloud.makes_database else {"mariadb"}
    wanted = [name for name in SERVICES if name not in OPTIONAL or cloud.says(OPTIONAL[name])]
    return [name for name in wanted if name not in others]


def chosen(cloud: Cloud) -> List[str]:
    """Those of them that this host has a part in."""
    here = [name for name in asked(cloud) if cloud.has(*ROLES.get(name, ("controller",)))]
    return [name for name in here if name != "mariadb-client" or not cloud.database_here]


def unsupported(answers: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """The answers that cannot be met yet, each with the value that can: (name, value)."""
    known = {*ALWAYS, *OPTIONAL.values(), "CONFIG_MARIADB_INSTALL"}
    wrong = [(name, "y") for name in ALWAYS if not answers.get(name, True)]
    wrong += [
        (name, "n")
        for name, value in answers.items()
        if re.fullmatch(r"CONFIG_[A-Z0-9]+_INSTALL", name) and value is True and name not in known
    ]
    return wrong


def declare(cloud: Cloud) -> List[Resource]:
    """Every resource of the cloud, by phase and within a phase as the services declare them.

    Raises UsageFault when the answers ask for something that cannot be deployed. A service
    that is not built yet does not forbid the others: answers and preflight tell of it.
    """
    refused = [(name, value) for name, value in unsupported(cloud.answers) if value != "n" or name in OPTIONAL.values()]
    if refused:
        raise UsageFault(
            "not supported yet: " + ", ".join(f"{name}={_word(cloud.answers[name])}" for name, _ in refused),
            "set " + ", ".join(f"{name}={value}" for name, value in refused),
        )
    lacking = list(agents.lacking(cloud.answers, cloud.profile.packages))
    if lacking:
        raise UsageFault(
            f"{cloud.profile.title} is without: " + ", ".join(asked for asked, _ in lacking),
            "set " + ", ".join(instead for _, instead in lacking),
        )
    services = chosen(cloud)
    resources = host.declare(cloud, [*services, *_groups(cloud, services)])
    for name in services:
        resources += SERVICES[name].declare(cloud)
    return _by_phase(uplink.first(together(resources)))


def _groups(cloud: Cloud, services: List[str]) -> List[str]:
    """The other groups of packages that these services bring along."""
    routes = cloud.has("network")
    agents = ["neutron-network"] if routes and "neutron-openvswitch" in services else []
    counting = neutron.groups(cloud) if routes else []
    return [*agents, *counting, *cinder.groups(cloud)]


def joined(controller: Cloud, member: Cloud) -> List[Resource]:
    """What is to be done on the controller for another host, by phase; all of it is about that host."""
    found: List[Resource] = []
    for name in chosen(member):
        if hasattr(SERVICES[name], "joined"):
            found += SERVICES[name].joined(controller, member)
    # What it needs of the controller's own is another lane's affair, which is waited for.
    alone = [replace(resource, needs=()) for resource in found]  # type: ignore[type-var]
    return _by_phase(alone)


def _by_phase(resources: Sequence[Resource]) -> List[Resource]:
    """Within a phase as they were."""
    return sorted(resources, key=lambda resource: PHASES.index(resource.phase))


def _word(value: object) -> str:
    """An answer as the file has it."""
    if isinstance(value, bool):
        return "y" if value else "n"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


__all__ = [
    "ALWAYS",
    "OPTIONAL",
    "SERVICES",
    "Cloud",
    "asked",
    "chosen",
    "declare",
    "joined",
    "supported",
    "unsupported",
]
