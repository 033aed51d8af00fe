"""What Neutron's agents have in common: each a configuration, a unit, and that Neutron sees it alive."""

from __future__ import annotations

from typing import Any, List, Mapping

from packstack_lite.resources.base import Resource
from packstack_lite.services import neutron
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.network import alive

# Agent -> the name of its configuration. Those that any agent of the switch goes with, OVN aside.
ROUTING: Mapping[str, str] = {
    "neutron-l3-agent": "l3-agent",
    "neutron-dhcp-agent": "dhcp-agent",
    "neutron-metadata-agent": "metadata-agent",
}
METERING: Mapping[str, str] = {"neutron-metering-agent": "metering-agent"}


def routing(cloud: Cloud) -> List[Resource]:
    """The agents that route, lend addresses, pass metadata on and count."""
    roles = {**ROUTING, **(METERING if neutron.meters(cloud) else {})}
    tunnels = neutron.tunnels(cloud)
    return [resource for role, what in roles.items() for resource in agent(cloud, role, what, tunnels=tunnels)]


def agent(cloud: Cloud, role: str, what: str, binary: str = "", **values: Any) -> List[Resource]:
    """One agent, started once the server hears it; ``binary`` is how Neutron calls it, if not by its role."""
    config = cloud.file("neutron", what, group=cloud.profile.user("neutron"), **values)
    unit = cloud.unit(role, "neutron", [neutron.config(cloud), config], needs=[cloud.unit_id("neutron-rpc")])
    return [config, unit, alive(cloud, binary or role, unit)]
