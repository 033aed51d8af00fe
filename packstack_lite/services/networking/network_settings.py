"""What the modules of Neutron share: which agent family, its answers, addresses, sizes and agents alive."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

from packstack_lite.answers.l2_agents import agent_parameter
from packstack_lite.errors import UsageError
from packstack_lite.nodes.facts import Interface
from packstack_lite.resources import ApiObject
from packstack_lite.resources.base import Phase
from packstack_lite.services._base.context import NodeContext, make_tags

TUNNEL_TYPES = ("vxlan", "gre", "geneve")
# What a bridge without an interface of the host carries.
DEFAULT_MTU = 1500


def split_list(answer: object) -> Tuple[str, ...]:
    """A list answer, whether it came as text or as a tuple."""
    items = answer.split(",") if isinstance(answer, str) else tuple(answer or ())  # type: ignore[arg-type]
    return tuple(item.strip() for item in map(str, items) if item.strip())


def agent_answer(context: NodeContext, key: str) -> Any:
    """The answer of this meaning for the chosen agent, such as ``BRIDGE_MAPPINGS``."""
    return context[agent_parameter_name(context, key)]


def agent_parameter_name(context: NodeContext, key: str) -> str:
    """The parameter of this meaning for the chosen agent."""
    return agent_parameter(context.answers, key)


def tenant_network_types(context: NodeContext) -> Tuple[str, ...]:
    """The kinds of network that projects get."""
    return split_list(context["CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"]) or (
        "geneve" if context.uses_ovn else "vxlan",
    )


def bridge_mappings(context: NodeContext) -> Dict[str, str]:
    """Physical network -> bridge, as the answers have them."""
    return {network: bridge for network, _, bridge in (pair.partition(":") for pair in bridge_mapping_pairs(context))}


def bridge_mapping_pairs(context: NodeContext) -> Tuple[str, ...]:
    """The mappings that count on this host, as NETWORK:BRIDGE."""
    if context.l2_agent != "linuxbridge":
        return tuple(
            pair
            for pair in split_list(agent_answer(context, "BRIDGE_MAPPINGS"))
            if _is_on_node(context, pair.partition(":")[2])
        )
    outside = str(agent_answer(context, "EXTERNAL_PHYSNET"))
    return () if outside in interface_mappings(context) else (f"{outside}:{context.external_bridge}",)


def interface_mappings(context: NodeContext) -> Dict[str, str]:
    """Physical network -> the interface that Neutron itself puts into a bridge, as it does with Linux bridges."""
    answer = context.answers.get("CONFIG_NEUTRON_LB_INTERFACE_MAPPINGS") if context.l2_agent == "linuxbridge" else ()
    return {network: interface for network, _, interface in (pair.partition(":") for pair in split_list(answer))}


def node_bridges(context: NodeContext) -> List[str]:
    """The external bridge, then every other one that a physical network is mapped to, that takes an interface or that
    compute hosts have."""
    compute_bridges = (
        split_list(context.answers.get(agent_parameter_name(context, "BRIDGES_COMPUTE")))
        if context.has_role("compute")
        else ()
    )
    external = [] if interface_mappings(context).get(external_physnet(context)) else [context.external_bridge]
    names = [*external, *bridge_mappings(context).values(), *bridges_with_interface(context), *compute_bridges]
    return [name for name in dict.fromkeys(names) if _is_on_node(context, name)]


def bridge_interfaces(context: NodeContext) -> List[Tuple[str, str]]:
    """Each bridge that takes an interface of the host, with that interface."""
    answer = context.answers.get(agent_parameter_name(context, "BRIDGE_IFACES"))
    pairs = ((bridge, interface) for bridge, _, interface in (pair.partition(":") for pair in split_list(answer)))
    return [(bridge, interface) for bridge, interface in pairs if _is_on_node(context, bridge)]


def _is_on_node(context: NodeContext, bridge: str) -> bool:
    """Whether a bridge is for this host: hosts with routers have them all, others those that the answers give to
    compute hosts, and the one that tunnels end at."""
    return context.has_role("network") or bridge in (
        *split_list(context.answers.get(agent_parameter_name(context, "BRIDGES_COMPUTE"))),
        agent_answer(context, "TUNNEL_IF"),
    )


def bridges_with_interface(context: NodeContext) -> List[str]:
    """The bridges that take an interface of the host: what is behind them is a network of others too."""
    return list(dict.fromkeys(bridge for bridge, _ in bridge_interfaces(context)))


def external_physnet(context: NodeContext) -> str:
    """The physical network that the external network is on: as answered, else the first mapped one."""
    return str(agent_answer(context, "EXTERNAL_PHYSNET") or next(iter(bridge_mappings(context)), ""))


def tunnel_address(context: NodeContext) -> str:
    """The address on the interface for tunnels; the host's own when none is named."""
    interface = _tunnel_interface(context)
    return interface.addresses[0].split("/")[0] if interface else context.node_address


def tunnel_mtu(context: NodeContext) -> int:
    """The largest packet that the network under the tunnels carries."""
    interface = _tunnel_interface(context)
    return interface.mtu if interface else physical_mtu(context)


def physical_mtu(context: NodeContext) -> int:
    """The largest packet that the host's own network carries; 1500 where that cannot be seen."""
    mtus = [
        interface.mtu
        for interface in context.facts.network.interfaces
        if interface.name == context.facts.network.default_interface and interface.mtu
    ]
    return mtus[0] if mtus else DEFAULT_MTU


def physnet_mtus(context: NodeContext) -> Dict[str, int]:
    """Physical network -> the largest packet that it carries: its interface's, where it has one. A bridge of the host's
    own carries 1500 bytes, and leads out through the host's own network."""
    interface_of_bridge = dict(bridge_interfaces(context))
    interface_mtus = {interface.name: interface.mtu for interface in context.facts.network.interfaces if interface.mtu}
    default_mtu = min(DEFAULT_MTU, physical_mtu(context))
    bridge_mtus = {
        network: interface_mtus.get(interface_of_bridge.get(bridge, ""), default_mtu)
        for network, bridge in bridge_mappings(context).items()
    }
    return {
        **bridge_mtus,
        **{
            network: interface_mtus.get(interface, default_mtu)
            for network, interface in interface_mappings(context).items()
        },
    }


def largest_mtu(context: NodeContext) -> int:
    """What Neutron is told of all networks; those that carry less are told by their names, and tunnels by their own."""
    return max(physical_mtu(context), tunnel_mtu(context), *physnet_mtus(context).values())


def _tunnel_interface(context: NodeContext) -> "Interface | None":
    name = str(agent_answer(context, "TUNNEL_IF") or "")
    if not name:
        return None
    # Before the move, the address that a bridge will have is on its interface.
    names = [name, *(interface for bridge, interface in bridge_interfaces(context) if bridge == name)]
    matches = [
        interface
        for candidate in names
        for interface in context.facts.network.interfaces
        if interface.name == candidate and interface.addresses
    ]
    if not matches:
        raise UsageError(
            f"{agent_parameter_name(context, 'TUNNEL_IF')}={name}: {context.facts.system.hostname} has no such interface with an address",
            f"choose one of: {', '.join(interface.name for interface in context.facts.network.interfaces if interface.addresses)}",
        )
    return matches[0]


def declare_agent_alive(context: NodeContext, binary: str, hostname: str, needs: Sequence[str] = ()) -> ApiObject:
    """Neutron sees this agent alive: a port that is bound before that fails."""
    return ApiObject(
        type="network_agent",
        name=f"{binary}@{hostname}",
        body={"alive": True},
        credentials=context.admin_credentials,
        phase=Phase.SERVICES,
        tags=make_tags("neutron"),
        needs=(*needs, context.unit_id("neutron-api")),
    )
