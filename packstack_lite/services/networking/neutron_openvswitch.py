"""Neutron's agents with Open vSwitch: layer 2, routing, DHCP and metadata."""

from __future__ import annotations

from typing import Any, Dict, List

from packstack_lite.resources.base import Resource
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.spec import ServiceSpec
from packstack_lite.services.networking import neutron_agents
from packstack_lite.services.networking.network_settings import (
    TUNNEL_TYPES,
    bridge_mapping_pairs,
    split_list,
    tenant_network_types,
    tunnel_address,
)
from packstack_lite.services.networking.neutron_agents import declare_agent, declare_routing_agents

L2_AGENT = "neutron-openvswitch-agent"
SPEC = ServiceSpec(
    name="neutron-openvswitch",
    after=("neutron",),
    roles=("compute", "network"),
    l2_agents=("openvswitch",),
    units=(L2_AGENT, *neutron_agents.ROUTING_AGENTS, *neutron_agents.METERING_AGENTS),
    user="neutron",
    package_groups=("neutron-network",),
    template_dir="neutron",
    smoke_cases=("network", "floating_ip"),
)


def package_groups(context: NodeContext) -> List[str]:
    """List the package groups of the routing agents, on a network node."""
    return ["neutron-network"] if context.has_role("network") else []


def declare(context: NodeContext) -> List[Resource]:
    """Declare the layer 2 agent, then the routing agents."""
    return [
        *declare_agent(context, L2_AGENT, "openvswitch-agent", **_agent_options(context)),
        *declare_routing_agents(context),
    ]


def declare_delegated(controller: NodeContext, node: NodeContext) -> List[Resource]:
    """Declare that another node's agents report themselves to Neutron's API.

    The controller waits for that on the node's behalf.
    """
    return neutron_agents.declare_remote_agents_alive(controller, node, L2_AGENT)


def _agent_options(context: NodeContext) -> Dict[str, Any]:
    """Return the values for the template of the Open vSwitch agent's configuration."""
    return {
        "mappings": bridge_mapping_pairs(context),
        "l2population": "l2population" in split_list(context["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"]),
        "tunnel_types": tuple(kind for kind in tenant_network_types(context) if kind in TUNNEL_TYPES),
        "tunnel_address": tunnel_address(context),
        "vxlan_port": context["CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT"],
        "firewall": str(context["CONFIG_NEUTRON_FIREWALL_DRIVER"]),
    }
