"""The services of a cloud, one per file: answers and facts become resources. Pure, no I/O."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any, List, Mapping, Tuple

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
    memcached,
    neutron,
    neutron_linuxbridge,
    neutron_openvswitch,
    neutron_sriov,
    nova,
    openvswitch,
    ovn,
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
    "rabbitmq": rabbitmq,
    "memcached": memcached,
    "openvswitch": openvswitch,
    "keystone": keystone,
    "glance": glance,
    "placement": placement,
    "nova": nova,
    "neutron": neutron,
    "neutron-openvswitch": neutron_openvswitch,
    "neutron-linuxbridge": neutron_linuxbridge,
    "neutron-sriov": neutron_sriov,
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
    "ovn": ("openvswitch", "ovn"),
}
# What a cloud cannot be without, and what else can be asked for so far.
ALWAYS = ("CONFIG_MARIADB_INSTALL", "CONFIG_GLANCE_INSTALL", "CONFIG_NOVA_INSTALL", "CONFIG_NEUTRON_INSTALL")


def supported() -> Tuple[str, ...]:
    """The names of the services that can be deployed."""
    return tuple(SERVICES)


def chosen(cloud: Cloud) -> List[str]:
    """The services that these answers ask for."""
    others = {service for services in AGENTS.values() for service in services} - set(AGENTS[cloud.l2_agent])
    if not neutron_sriov.wanted(cloud):
        others.add("neutron-sriov")
    wanted = [name for name in SERVICES if name not in OPTIONAL or cloud.says(OPTIONAL[name])]
    return [name for name in wanted if name not in others]


def unsupported(answers: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """The answers that cannot be met yet, each with the value that can: (name, value)."""
    known = {*ALWAYS, *OPTIONAL.values()}
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
    resources = host.declare(cloud, [*services, *cinder.groups(cloud), *neutron.groups(cloud)])
    for name in services:
        resources += SERVICES[name].declare(cloud)
    rank = {phase: place for place, phase in enumerate(PHASES)}
    return sorted(uplink.first(together(resources)), key=lambda resource: rank[resource.phase])


def _word(value: object) -> str:
    """An answer as the file has it."""
    if isinstance(value, bool):
        return "y" if value else "n"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


__all__ = ["ALWAYS", "OPTIONAL", "SERVICES", "Cloud", "chosen", "declare", "supported", "unsupported"]
