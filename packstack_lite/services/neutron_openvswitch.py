"""Neutron's agents with plain Open vSwitch: switching, routing, DHCP and metadata, each a process of its own."""

from __future__ import annotations

from typing import Any, Dict, List

from packstack_lite.resources.base import Resource
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.network import TUNNELS, own, tenant_types, tunnel_address, words
from packstack_lite.services.neutron_agents import agent, routing


def declare(cloud: Cloud) -> List[Resource]:
    """The agent of the switch, then the others."""
    return [*agent(cloud, "neutron-openvswitch-agent", "openvswitch-agent", **_told(cloud)), *routing(cloud)]


def _told(cloud: Cloud) -> Dict[str, Any]:
    return {
        "mappings": words(own(cloud, "BRIDGE_MAPPINGS")),
        "l2population": "l2population" in words(cloud["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"]),
        "tunnel_types": tuple(kind for kind in tenant_types(cloud) if kind in TUNNELS),
        "tunnel_address": tunnel_address(cloud),
        "vxlan_port": cloud["CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT"],
        "firewall": str(cloud["CONFIG_NEUTRON_FIREWALL_DRIVER"]),
    }
