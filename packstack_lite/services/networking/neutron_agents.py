"""What Neutron's agents have in common: each a configuration, a unit, and that Neutron sees it alive."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from packstack_lite.resources.base import Resource
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services.networking import neutron
from packstack_lite.services.networking.network_settings import declare_agent_alive

# Agent -> the name of its configuration. Those that any agent of the switch goes with, OVN aside.
ROUTING_AGENTS: Mapping[str, str] = {
    "neutron-l3-agent": "l3-agent",
    "neutron-dhcp-agent": "dhcp-agent",
    "neutron-metadata-agent": "metadata-agent",
}
METERING_AGENTS: Mapping[str, str] = {"neutron-metering-agent": "metering-agent"}


def declare_routing_agents(context: NodeContext) -> List[Resource]:
    """The agents that route, lend addresses, pass metadata on and count."""
    has_vpn = neutron.has_vpn(context)
    return [
        resource
        for role, path_key in _node_routing_agents(context).items()
        for resource in declare_agent(context, role, path_key, tunnels=has_vpn)
    ]


def _node_routing_agents(context: NodeContext) -> Dict[str, str]:
    """Those of them that are for this host: where networks are served."""
    if not context.has_role("network"):
        return {}
    return {**ROUTING_AGENTS, **(METERING_AGENTS if neutron.has_metering(context) else {})}


def declare_agent(context: NodeContext, role: str, path_key: str, binary: str = "", **values: Any) -> List[Resource]:
    """One agent, started once the server hears it; what the controller sees of one elsewhere is in ``seen``.
    ``binary`` is how Neutron calls it, if not by its role."""
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
    """That Neutron sees another host's agents alive: those of networks, and ``others`` of its own."""
    return [
        declare_agent_alive(controller, role, node.facts.system.hostname)
        for role in (*other_roles, *_node_routing_agents(node))
    ]
