"""Declare Neutron's agents: configuration, unit, and a check that they are alive."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from packstack_lite.resources.base import Resource
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services.networking import network_settings, neutron
from packstack_lite.services.networking.network_settings import declare_agent_alive

# Agent -> key of its configuration in the profile's paths. These serve every layer 2 agent except OVN.
ROUTING_AGENTS: Mapping[str, str] = {
    "neutron-l3-agent": "l3-agent",
    "neutron-dhcp-agent": "dhcp-agent",
    "neutron-metadata-agent": "metadata-agent",
}
METERING_AGENTS: Mapping[str, str] = {"neutron-metering-agent": "metering-agent"}


def declare_routing_agents(context: NodeContext) -> List[Resource]:
    """Declare this node's agents for routing, DHCP, metadata and metering."""
    has_vpn = neutron.has_vpn(context)
    return [
        resource
        for role, path_key in _node_routing_agents(context).items()
        for resource in declare_agent(
            context, role, path_key, tunnels=has_vpn, name_servers=network_settings.name_servers(context)
        )
    ]


def _node_routing_agents(context: NodeContext) -> Dict[str, str]:
    """Return the routing agents of this node: none unless it is a network node."""
    if not context.has_role("network"):
        return {}
    return {**ROUTING_AGENTS, **(METERING_AGENTS if neutron.has_metering(context) else {})}


def declare_agent(context: NodeContext, role: str, path_key: str, binary: str = "", **values: Any) -> List[Resource]:
    """Declare one agent, which starts after the server.

    ``role`` is its unit's role, ``path_key`` its configuration in the profile's paths, and ``binary`` Neutron's name
    for it if that differs from the role. On another node than the controller's, ``declare_remote_agents_alive`` has
    the check that it is alive.
    """
    common = neutron.declare_config(context)
    config = context.render_file("neutron", path_key, group=context.profile.user("neutron"), **values)
    server = [context.unit_id("neutron-rpc")] if context.has_role("controller") else []
    unit = context.declare_unit(role, "neutron", [common, config], needs=server)
    resources = [common, config, unit]
    return [
        *resources,
        *([declare_agent_alive(context, binary or role, context.facts.system.hostname, [unit.id])] if server else []),
    ]


def declare_remote_agents_alive(controller: NodeContext, node: NodeContext, *other_roles: str) -> List[Resource]:
    """Declare that Neutron reports another node's agents as alive.

    They are its routing agents and ``other_roles``.
    """
    return [
        declare_agent_alive(controller, role, node.facts.system.hostname)
        for role in (*other_roles, *_node_routing_agents(node))
    ]
