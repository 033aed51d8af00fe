"""Network answers as the services need them. Pure functions.

Bridges, physical networks, tunnel addresses and MTUs of a node.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from packstack_lite.answers.l2_agents import agent_parameter
from packstack_lite.errors import UsageError
from packstack_lite.nodes.facts import Interface
from packstack_lite.nodes.facts.resolvers import usable_resolvers
from packstack_lite.resources import ApiObject
from packstack_lite.resources.base import Phase
from packstack_lite.services._base.context import NodeContext, make_tags

TUNNEL_TYPES = ("vxlan", "gre", "geneve")
# The MTU of a bridge without an interface of the node, in bytes.
DEFAULT_MTU = 1500


def split_list(answer: object) -> Tuple[str, ...]:
    """Split a list answer, given as comma-separated text or as a sequence."""
    items = answer.split(",") if isinstance(answer, str) else tuple(answer or ())  # type: ignore[arg-type]
    return tuple(item.strip() for item in map(str, items) if item.strip())


def agent_answer(context: NodeContext, key: str) -> Any:
    """Return the layer 2 agent's answer for a key such as ``BRIDGE_MAPPINGS``."""
    return context[agent_parameter_name(context, key)]


def agent_parameter_name(context: NodeContext, key: str) -> str:
    """Return the name of the parameter that ``key`` stands for with the chosen agent.

    ``BRIDGE_MAPPINGS`` is ``CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS`` with the layer 2 agent Open vSwitch. "" if the agent
    has none.
    """
    return agent_parameter(context.answers, key)


def tenant_network_types(context: NodeContext) -> Tuple[str, ...]:
    """Return the network types of projects' networks, the preferred one first."""
    return split_list(context["CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"]) or (
        "geneve" if context.uses_ovn else "vxlan",
    )


def bridge_mappings(context: NodeContext) -> Dict[str, str]:
    """Map each physical network to its bridge on this node."""
    return {network: bridge for network, _, bridge in (pair.partition(":") for pair in bridge_mapping_pairs(context))}


def bridge_mapping_pairs(context: NodeContext) -> Tuple[str, ...]:
    """Return the bridge mappings that apply to this node, as NETWORK:BRIDGE."""
    if context.l2_agent != "linuxbridge":
        return tuple(
            pair
            for pair in split_list(agent_answer(context, "BRIDGE_MAPPINGS"))
            if _is_on_node(context, pair.partition(":")[2])
        )
    physnet = str(agent_answer(context, "EXTERNAL_PHYSNET"))
    return () if physnet in interface_mappings(context) else (f"{physnet}:{context.external_bridge}",)


def interface_mappings(context: NodeContext) -> Dict[str, str]:
    """Map physical networks to the interfaces that Neutron puts into bridges.

    Only with Linux bridges; empty otherwise.
    """
    answer = context.answers.get("CONFIG_NEUTRON_LB_INTERFACE_MAPPINGS") if context.l2_agent == "linuxbridge" else ()
    return {network: interface for network, _, interface in (pair.partition(":") for pair in split_list(answer))}


def node_bridges(context: NodeContext) -> List[str]:
    """List this node's bridges, the external one first.

    The others are mapped to a physical network, take an interface, or belong to compute nodes.
    """
    compute_bridges = (
        split_list(context.answers.get(agent_parameter_name(context, "BRIDGES_COMPUTE")))
        if context.has_role("compute")
        else ()
    )
    external = [] if interface_mappings(context).get(external_physnet(context)) else [context.external_bridge]
    names = [*external, *bridge_mappings(context).values(), *bridges_with_interface(context), *compute_bridges]
    return [name for name in dict.fromkeys(names) if _is_on_node(context, name)]


def bridge_interfaces(context: NodeContext) -> List[Tuple[str, str]]:
    """List (bridge, interface) for each bridge that takes an interface of this node."""
    answer = context.answers.get(agent_parameter_name(context, "BRIDGE_IFACES"))
    pairs = ((bridge, interface) for bridge, _, interface in (pair.partition(":") for pair in split_list(answer)))
    return [(bridge, interface) for bridge, interface in pairs if _is_on_node(context, bridge)]


def _is_on_node(context: NodeContext, bridge: str) -> bool:
    """Return whether this node has a bridge.

    Network nodes have every bridge, other nodes those of BRIDGES_COMPUTE and the one of TUNNEL_IF.
    """
    return context.has_role("network") or bridge in (
        *split_list(context.answers.get(agent_parameter_name(context, "BRIDGES_COMPUTE"))),
        agent_answer(context, "TUNNEL_IF"),
    )


def bridges_with_interface(context: NodeContext) -> List[str]:
    """List the bridges with an interface of this node.

    They lead to a physical network.
    """
    return list(dict.fromkeys(bridge for bridge, _ in bridge_interfaces(context)))


def external_physnet(context: NodeContext) -> str:
    """Return the external network's physical network.

    The answer, otherwise the first mapped one.
    """
    return str(agent_answer(context, "EXTERNAL_PHYSNET") or next(iter(bridge_mappings(context)), ""))


def tunnel_address(context: NodeContext) -> str:
    """Return the local end of tunnels: TUNNEL_IF's address, otherwise the node's.

    Raises UsageError if TUNNEL_IF has no address.
    """
    interface = _tunnel_interface(context)
    return interface.addresses[0].split("/")[0] if interface else context.node_address


def tunnel_mtu(context: NodeContext) -> int:
    """Return the MTU of the network that carries tunnels, in bytes."""
    interface = _tunnel_interface(context)
    return interface.mtu if interface else physical_mtu(context)


def physical_mtu(context: NodeContext) -> int:
    """Return the MTU of the default interface; 1500 if the facts lack it."""
    mtus = [
        interface.mtu
        for interface in context.facts.network.interfaces
        if interface.name == context.facts.network.default_interface and interface.mtu
    ]
    return mtus[0] if mtus else DEFAULT_MTU


def physnet_mtus(context: NodeContext) -> Dict[str, int]:
    """Map each physical network to its MTU: that of its interface.

    A bridge without an interface has 1500, or less if the node's own network has less.
    """
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
    """Return the MTU for ``global_physnet_mtu``: the largest of all networks.

    Neutron gets smaller ones by name.
    """
    return max(physical_mtu(context), tunnel_mtu(context), *physnet_mtus(context).values())


def _tunnel_interface(context: NodeContext) -> Optional[Interface]:
    """Return the interface of TUNNEL_IF; None if the answer is empty.

    Raises UsageError if it has no address.
    """
    name = str(agent_answer(context, "TUNNEL_IF") or "")
    if not name:
        return None
    # Until apply moves it, the address of a bridge is still on its interface.
    names = [name, *(interface for bridge, interface in bridge_interfaces(context) if bridge == name)]
    matches = [
        interface
        for candidate in names
        for interface in context.facts.network.interfaces
        if interface.name == candidate and interface.addresses
    ]
    if not matches:
        raise UsageError(
            f"{agent_parameter_name(context, 'TUNNEL_IF')}={name}: {context.facts.system.hostname}"
            " has no such interface with an address",
            "choose one of: "
            + ", ".join(interface.name for interface in context.facts.network.interfaces if interface.addresses),
        )
    return matches[0]


def name_servers(context: NodeContext) -> Tuple[str, ...]:
    """Return the name servers for instances.

    The answer, otherwise those of this node that instances can use too.
    """
    network = context.facts.network
    return split_list(context["CONFIG_NEUTRON_DNS_SERVERS"]) or usable_resolvers(
        network.resolvers, network.upstream_resolvers
    )


def ovn_name_servers(context: NodeContext) -> Tuple[str, ...]:
    """Return OVN's ``dns_servers``, of both IP versions.

    Where a version has no server, Neutron repeats what /etc/resolv.conf has, 127.0.0.53 or ::1 included. The
    unspecified address stands for none (Zed's neutron/common/ovn/utils.py, get_dhcp_dns_servers). Train announces the
    whole list for IPv4.
    """
    servers = name_servers(context)
    ipv4 = tuple(server for server in servers if ":" not in server) or ("0.0.0.0",)
    ipv6 = tuple(server for server in servers if ":" in server) or ("::",)
    return ipv4 if "ovn-dns-ipv4-only" in context.profile.quirks else (*ipv4, *ipv6)


def declare_agent_alive(context: NodeContext, binary: str, hostname: str, needs: Sequence[str] = ()) -> ApiObject:
    """Declare that Neutron reports an agent as alive.

    A port that is bound before that fails.
    """
    return ApiObject(
        type="network_agent",
        name=f"{binary}@{hostname}",
        body={"alive": True},
        credentials=context.admin_credentials,
        phase=Phase.SERVICES,
        tags=make_tags("neutron"),
        needs=(*needs, context.unit_id("neutron-api")),
    )
