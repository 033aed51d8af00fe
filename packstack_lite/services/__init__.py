"""The services of a cloud, one per file: answers and facts become resources. Pure, no I/O."""

from __future__ import annotations

import re
from dataclasses import replace
from types import ModuleType
from typing import Any, List, Mapping, Sequence, Tuple

import packstack_lite.answers.l2_agents as l2_agents
from packstack_lite.errors import UsageError
from packstack_lite.host_setup import system, uplink
from packstack_lite.resources.base import PHASES, Resource
from packstack_lite.services import barbican, client, demo, glance, horizon, keystone, nova, nova_compute, placement
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.merge_units import merge_units
from packstack_lite.services.networking import (
    neutron,
    neutron_linuxbridge,
    neutron_openvswitch,
    neutron_sriov,
    openvswitch,
    ovn,
    ovn_central,
)
from packstack_lite.services.platform import mariadb, mariadb_client, memcached, rabbitmq
from packstack_lite.services.storage import cinder, swift

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
OPTIONAL_SERVICES: Mapping[str, str] = {
    "barbican": "CONFIG_BARBICAN_INSTALL",
    "swift": "CONFIG_SWIFT_INSTALL",
    "cinder": "CONFIG_CINDER_INSTALL",
    "horizon": "CONFIG_HORIZON_INSTALL",
    "client": "CONFIG_CLIENT_INSTALL",
}
# The services of each way to switch packets; the others' are not even installed.
L2_AGENT_SERVICES: Mapping[str, Tuple[str, ...]] = {
    "openvswitch": ("openvswitch", "neutron-openvswitch"),
    "linuxbridge": ("neutron-linuxbridge",),
    "ovn": ("openvswitch", "ovn-central", "ovn"),
}
# Who else than the controller has a service (in its place, not beside it, unless that has the role too).
SERVICE_ROLES: Mapping[str, Tuple[str, ...]] = {
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
REQUIRED_SERVICES = ("CONFIG_GLANCE_INSTALL", "CONFIG_NOVA_INSTALL", "CONFIG_NEUTRON_INSTALL")


def supported_services() -> Tuple[str, ...]:
    """The names of the services that can be deployed."""
    return tuple(SERVICES)


def requested_services(context: NodeContext) -> List[str]:
    """The services that these answers ask for, on whichever host."""
    not_requested = {service for services in L2_AGENT_SERVICES.values() for service in services} - set(
        L2_AGENT_SERVICES[context.l2_agent]
    )
    not_requested |= set() if neutron_sriov.is_enabled(context) else {"neutron-sriov"}
    not_requested |= set() if context.installs_database else {"mariadb"}
    installed = [
        name for name in SERVICES if name not in OPTIONAL_SERVICES or context.is_enabled(OPTIONAL_SERVICES[name])
    ]
    return [name for name in installed if name not in not_requested]


def services_on_node(context: NodeContext) -> List[str]:
    """Those of them that this host has a part in."""
    with_role = [
        name for name in requested_services(context) if context.has_role(*SERVICE_ROLES.get(name, ("controller",)))
    ]
    return [name for name in with_role if name != "mariadb-client" or not context.has_local_database]


def unsupported_answers(answers: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """The answers that cannot be met yet, each with the value that can: (name, value)."""
    known_names = {*REQUIRED_SERVICES, *OPTIONAL_SERVICES.values(), "CONFIG_MARIADB_INSTALL"}
    unsupported = [(name, "y") for name in REQUIRED_SERVICES if not answers.get(name, True)]
    unsupported += [
        (name, "n")
        for name, value in answers.items()
        if re.fullmatch(r"CONFIG_[A-Z0-9]+_INSTALL", name) and value is True and name not in known_names
    ]
    return unsupported


def declare(context: NodeContext) -> List[Resource]:
    """Every resource of the cloud, by phase and within a phase as the services declare them.

    Raises UsageFault when the answers ask for something that cannot be deployed. A service
    that is not built yet does not forbid the others: answers and preflight tell of it.
    """
    not_supported = [
        (name, value)
        for name, value in unsupported_answers(context.answers)
        if value != "n" or name in OPTIONAL_SERVICES.values()
    ]
    if not_supported:
        raise UsageError(
            "not supported yet: "
            + ", ".join(f"{name}={_format_answer(context.answers[name])}" for name, _ in not_supported),
            "set " + ", ".join(f"{name}={value}" for name, value in not_supported),
        )
    unavailable = list(l2_agents.find_unpackaged_answers(context.answers, context.profile.packages))
    if unavailable:
        raise UsageError(
            f"{context.profile.title} is without: " + ", ".join(requested for requested, _ in unavailable),
            "set " + ", ".join(replacement for _, replacement in unavailable),
        )
    services = services_on_node(context)
    resources = system.declare(context, [*services, *_package_groups(context, services)])
    for name in services:
        resources += SERVICES[name].declare(context)
    return _sort_by_phase(uplink.order_units_after_uplinks(merge_units(resources)))


def _package_groups(context: NodeContext, services: List[str]) -> List[str]:
    """The other groups of packages that these services bring along."""
    is_network_node = context.has_role("network")
    agent_groups = ["neutron-network"] if is_network_node and "neutron-openvswitch" in services else []
    neutron_groups = neutron.package_groups(context) if is_network_node else []
    return [*agent_groups, *neutron_groups, *cinder.package_groups(context)]


def declare_delegated(controller: NodeContext, node: NodeContext) -> List[Resource]:
    """What is to be done on the controller for another host, by phase; all of it is about that host."""
    resources: List[Resource] = []
    for name in services_on_node(node):
        if hasattr(SERVICES[name], "declare_delegated"):
            resources += SERVICES[name].declare_delegated(controller, node)
    # What it needs of the controller's own is another lane's affair, which is waited for.
    without_needs = [replace(resource, needs=()) for resource in resources]  # type: ignore[type-var]
    return _sort_by_phase(without_needs)


def _sort_by_phase(resources: Sequence[Resource]) -> List[Resource]:
    """Within a phase as they were."""
    return sorted(resources, key=lambda resource: PHASES.index(resource.phase))


def _format_answer(value: object) -> str:
    """An answer as the file has it."""
    if isinstance(value, bool):
        return "y" if value else "n"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


__all__ = [
    "OPTIONAL_SERVICES",
    "REQUIRED_SERVICES",
    "SERVICES",
    "NodeContext",
    "declare",
    "declare_delegated",
    "requested_services",
    "services_on_node",
    "supported_services",
    "unsupported_answers",
]
