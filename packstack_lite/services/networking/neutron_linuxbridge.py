"""Neutron with Linux bridges: the node's bridges and the agents."""

from __future__ import annotations

from typing import Any, Dict, List

from packstack_lite.resources import LinuxBridge
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.spec import ServiceSpec
from packstack_lite.services.networking import network_settings, neutron_agents, openvswitch
from packstack_lite.services.networking.neutron_agents import declare_agent, declare_routing_agents

TAG = "neutron-linuxbridge"
SPEC = ServiceSpec(
    name="neutron-linuxbridge",
    after=("neutron",),
    roles=("compute", "network"),
    l2_agents=("linuxbridge",),
    units=("bridge", *neutron_agents.ROUTING_AGENTS, *neutron_agents.METERING_AGENTS),
    optional_units=("neutron-linuxbridge-agent",),
    user="neutron",
    may_lack_packages=True,
    template_dir="linuxbridge",
    smoke_cases=("network", "floating_ip"),
)
# Units that need the bridges when they start.
BRIDGE_USERS = ("neutron-linuxbridge-agent", "neutron-l3-agent")


def declare(context: NodeContext) -> List[Resource]:
    """Declare the node's bridges, now and after each boot, then the agents."""
    return [
        *_declare_bridges(context),
        *declare_agent(context, "neutron-linuxbridge-agent", "linuxbridge-agent", **_agent_options(context)),
        *declare_routing_agents(context),
    ]


def _declare_bridges(context: NodeContext) -> List[Resource]:
    """Declare the node's bridges, their unit and address translation."""
    names = network_settings.node_bridges(context)
    if not names:
        return []
    gateway, nat_rules = (
        openvswitch.bridge_address(openvswitch.local_floating_range(context)),
        openvswitch.nat_rules(context),
    )
    unit_file = context.render_file(
        "linuxbridge",
        "bridge-unit",
        phase=Phase.PLATFORM,
        gateway=gateway,
        translation=[rule for nat in nat_rules for rule in nat.rules],
        bridges=names,
        users=[f"{context.profile.unit(role)}.service" for role in BRIDGE_USERS],
    )
    unit = context.declare_unit("bridge", "linuxbridge", [unit_file], phase=Phase.PLATFORM)
    bridges = [
        LinuxBridge(
            name=name,
            address=gateway if name == context.external_bridge else "",
            phase=Phase.PLATFORM,
            tags=make_tags(TAG),
            needs=(unit.id,),
        )
        for name in names
    ]
    return [unit_file, unit, *bridges, *([] if context.manages_firewalld else nat_rules)]


def _agent_options(context: NodeContext) -> Dict[str, Any]:
    """Return the values for the template of the Linux bridge agent's configuration."""
    return {
        "interfaces": [
            f"{name}:{interface}" for name, interface in network_settings.interface_mappings(context).items()
        ],
        "bridges": [f"{name}:{bridge}" for name, bridge in network_settings.bridge_mappings(context).items()],
        "vxlan": "vxlan" in network_settings.split_list(context["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"]),
        "vxlan_port": network_settings.agent_answer(context, "VXLAN_UDP_PORT"),
        "vxlan_group": str(context["CONFIG_NEUTRON_ML2_VXLAN_GROUP"] or ""),
        "tunnel_address": network_settings.tunnel_address(context),
        "l2population": "l2population" in network_settings.split_list(context["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"]),
    }
