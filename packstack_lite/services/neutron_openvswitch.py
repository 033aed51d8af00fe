"""Neutron's agents with plain Open vSwitch: switching, routing, DHCP and metadata, each a process of its own."""

from __future__ import annotations

from typing import Any, Dict, List

from packstack_lite.resources.base import Resource
from packstack_lite.services import neutron
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.network import TUNNELS, alive, pairs, tenant_types, tunnel_address, words

AGENTS = {
    "neutron-openvswitch-agent": "openvswitch-agent",
    "neutron-l3-agent": "l3-agent",
    "neutron-dhcp-agent": "dhcp-agent",
    "neutron-metadata-agent": "metadata-agent",
}


# Switching is every host's; the others are for those that serve networks.
EVERYWHERE = "neutron-openvswitch-agent"


def declare(cloud: Cloud) -> List[Resource]:
    """The agents, started once the server hears them, and that neutron sees them alive."""
    common = neutron.config(cloud)
    server = [cloud.unit_id("neutron-rpc")] if cloud.has("controller") else []
    found: List[Resource] = [common]
    for role, what in _agents(cloud).items():
        config = cloud.file("neutron", what, group=cloud.profile.user("neutron"), **_of_agent(cloud, what))
        unit = cloud.unit(role, "neutron", [common, config], needs=server)
        found += [config, unit, *([alive(cloud, role, cloud.facts.hostname, [unit.id])] if server else [])]
    return found


def joined(controller: Cloud, member: Cloud) -> List[Resource]:
    """What the controller sees of another host's agents."""
    return [alive(controller, role, member.facts.hostname) for role in _agents(member)]


def _agents(cloud: Cloud) -> Dict[str, str]:
    return {role: what for role, what in AGENTS.items() if role == EVERYWHERE or cloud.has("network")}


def _of_agent(cloud: Cloud, what: str) -> Dict[str, Any]:
    if what != "openvswitch-agent":
        return {}
    return {
        "mappings": pairs(cloud),
        "l2population": "l2population" in words(cloud["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"]),
        "tunnel_types": tuple(kind for kind in tenant_types(cloud) if kind in TUNNELS),
        "tunnel_address": tunnel_address(cloud),
        "vxlan_port": cloud["CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT"],
    }
