"""Neutron's agents with plain Open vSwitch: switching, routing, DHCP and metadata, each a process of its own."""

from __future__ import annotations

from typing import Any, Dict, List

from packstack_lite.resources.base import Resource
from packstack_lite.services import neutron_agents
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.network import TUNNELS, pairs, tenant_types, tunnel_address, words
from packstack_lite.services.neutron_agents import agent, routing

SWITCHING = "neutron-openvswitch-agent"


def declare(cloud: Cloud) -> List[Resource]:
    """The agent of the switch, then the others."""
    return [*agent(cloud, SWITCHING, "openvswitch-agent", **_told(cloud)), *routing(cloud)]


def joined(controller: Cloud, member: Cloud) -> List[Resource]:
    """What the controller sees of another host's agents."""
    return neutron_agents.seen(controller, member, SWITCHING)


def _told(cloud: Cloud) -> Dict[str, Any]:
    return {
        "mappings": pairs(cloud),
        "l2population": "l2population" in words(cloud["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"]),
        "tunnel_types": tuple(kind for kind in tenant_types(cloud) if kind in TUNNELS),
        "tunnel_address": tunnel_address(cloud),
        "vxlan_port": cloud["CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT"],
        "firewall": str(cloud["CONFIG_NEUTRON_FIREWALL_DRIVER"]),
    }
