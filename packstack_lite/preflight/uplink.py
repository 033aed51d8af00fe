"""Checks of uplinks, the interfaces of CONFIG_NEUTRON_*_BRIDGE_IFACES."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, List, Tuple

from packstack_lite.answers import l2_agents
from packstack_lite.counts import format_count
from packstack_lite.engine.events import Finding
from packstack_lite.nodes.facts import Facts, UplinkFacts
from packstack_lite.preflight import node_commands
from packstack_lite.preflight.check import CheckContext, Findings, error, info, list_interfaces, warning
from packstack_lite.services.demo import parse_allocation_pools


def bridge_interfaces(context: CheckContext) -> List[Tuple[str, str]]:
    """Return (bridge, interface) pairs of the chosen agent for this node."""
    pairs = [str(pair).partition(":") for pair in context.answers.get(parameter_name(context)) or ()]
    compute_bridges = {context.answers.get(parameter_name(context, "TUNNEL_IF"))}
    compute_bridges |= set(context.answers.get(parameter_name(context, "BRIDGES_COMPUTE")) or ())
    return [
        (bridge, interface)
        for bridge, _, interface in pairs
        if context.has_role("network") or bridge in compute_bridges
    ]


def parameter_name(context: CheckContext, suffix: str = "BRIDGE_IFACES") -> str:
    """Return the parameter of the chosen agent that ends in ``suffix``."""
    return l2_agents.agent_parameter(context.answers, suffix)


def check_uplinks(context: CheckContext) -> Findings:
    """Check that each uplink exists, is unused, and can move into its bridge.

    Its addresses move to the bridge, now and at each boot, so what configures it must support that.
    """
    for bridge, interface in bridge_interfaces(context):
        yield from _check_interface(context, bridge, interface)
    yield from _check_floating_range(context)


def _check_interface(context: CheckContext, bridge: str, interface: str) -> Findings:
    """Check one interface that the answers put into a bridge; a move is announced."""
    uplink = context.facts.network.uplinks.get(interface)
    if interface not in {known.name for known in context.facts.network.interfaces}:
        yield error(
            f"there is no interface {interface} ({parameter_name(context)})",
            list_interfaces(context),
        )
    elif uplink:
        yield from _check_uplink_is_free(context, bridge, interface, uplink)
        yield from _check_config_can_move(context, bridge, interface, uplink)
        yield from _announce_move(context, bridge, interface, uplink)


def _check_uplink_is_free(context: CheckContext, bridge: str, interface: str, uplink: UplinkFacts) -> Findings:
    """Check that the interface is free, wired and with a carrier.

    No other bridge, bond or VLAN may use it, and the bridge may have no other uplink.
    """
    others = [
        port for port in context.facts.network.uplinks.get(bridge, UplinkFacts()).bridge_ports if port != interface
    ]
    # ovs-system is how the kernel's own datapath shows that the interface is a port of a bridge.
    master = "" if uplink.master == "ovs-system" else uplink.master
    if uplink.bridge and uplink.bridge != bridge:
        yield error(
            f"{interface} is a port of the bridge {uplink.bridge} already, not of {bridge}",
            f"set {parameter_name(context)}={uplink.bridge}:{interface}, or:"
            f" {node_commands.remove_port(uplink.bridge, interface)}",
        )
    if master:
        yield error(f"{interface} is a member of {master}", f"set {parameter_name(context)}={bridge}:{master}")
    if uplink.upper_interfaces:
        yield error(
            f"{', '.join(uplink.upper_interfaces)} is on top of {interface} and would get no more packets",
            f"remove it first, or use another interface than {interface}",
        )
    if others:
        yield error(
            f"{bridge} has another interface of the node already: {', '.join(others)}; two could make a loop",
            f"{node_commands.remove_port(bridge, others[0])}, or use another bridge",
        )
    if uplink.is_wireless:
        yield error(
            f"{interface} is wireless: access points do not forward packets of bridges", "use a wired interface"
        )
    elif not uplink.has_carrier:
        yield error(
            f"{interface} has no carrier", f"plug in its cable; {node_commands.show_link(interface)} must say LOWER_UP"
        )


def _check_config_can_move(context: CheckContext, bridge: str, interface: str, uplink: UplinkFacts) -> Findings:
    """Check that what configures the interface can configure the bridge instead."""
    holder = context.facts.network.uplinks.get(bridge, UplinkFacts()) if uplink.bridge == bridge else uplink
    manager = uplink.managed_by or holder.managed_by
    if manager == "NetworkManager" and not context.facts.network.nm_has_ovs_plugin:
        yield error(
            f"NetworkManager manages {interface}, and its plug-in for Open vSwitch is not installed",
            node_commands.install_ovs_plugin()
            if context.facts.system.os_id not in ("debian", "ubuntu")
            else f"Debian has no such plug-in: let systemd-networkd or ifupdown configure {interface}",
        )
    elif manager == "NetworkManager" and not uplink.config_path:
        yield error(
            f"NetworkManager has no connection profile for {interface} that could move to the bridge",
            f"nmcli connection add type ethernet ifname {interface}, and set its addresses",
        )
    elif manager == "NetworkManager" and not uplink.config_path.endswith(".nmconnection"):
        yield error(
            f"NetworkManager keeps {interface} in {uplink.config_path}, a format without Open vSwitch bridges",
            node_commands.move_connections_to_keyfiles(),
        )
    elif not manager and (holder.addresses or holder.has_dhcp):
        yield error(
            f"nothing that packstack-lite supports configures {interface}: its addresses would be lost at a reboot",
            "let systemd-networkd, NetworkManager, ifupdown or network-scripts configure it",
        )


def _announce_move(context: CheckContext, bridge: str, interface: str, uplink: UplinkFacts) -> Findings:
    """Report that apply will move the interface, or undo an interrupted move first."""
    if uplink.is_move_pending:
        yield warning(
            f"a move of {interface} into {bridge} was interrupted",
            "nothing to do: apply undoes it first, then moves it again",
        )
    if uplink.bridge != bridge and interface == context.facts.network.default_interface:
        seconds = context.answers.get("CONFIG_NEUTRON_BRIDGE_IFACES_TIMEOUT", 60)
        yield info(
            f"apply puts {interface} into {bridge}, and this connection uses it: addresses, routes and name servers"
            f" move to {bridge}; if no new connection succeeds within {format_count(seconds, 'second')}, the node"
            " undoes the move"
        )


def _check_floating_range(context: CheckContext) -> Findings:
    """Check that the floating range is in the external bridge's network."""
    answers, facts = context.answers, context.facts
    external_bridge = str(answers.get("CONFIG_NEUTRON_L3_EXT_BRIDGE") or "br-ex")
    float_range = str(answers.get("CONFIG_PROVISION_DEMO_FLOATRANGE") or "")
    names = {name for pair in bridge_interfaces(context) if pair[0] == external_bridge for name in pair}
    if not names or not float_range or not answers.get("CONFIG_PROVISION_DEMO"):
        return
    addresses = [
        ip_interface(address)
        for interface in facts.network.interfaces
        if interface.name in names
        for address in interface.addresses
    ]
    networks = [address.network for address in addresses if address.version == 4]
    float_network = ip_network(float_range, strict=False)
    parts_of = [network for network in networks if _is_part_without_router(float_network, network, facts)]
    if parts_of:
        yield _part_of_network(context, float_network, parts_of[0], external_bridge)
    elif networks and not any(float_network.version == 4 and float_network.overlaps(network) for network in networks):
        yield warning(
            f"CONFIG_PROVISION_DEMO_FLOATRANGE {float_range} is not in the network behind {external_bridge}"
            f" ({networks[0]}): no host there has a route to the floating addresses",
            f"set CONFIG_PROVISION_DEMO_FLOATRANGE={networks[0]}, and CONFIG_PROVISION_DEMO_ALLOCATION_POOLS to"
            " addresses of it that are free",
        )
    elif networks and not parse_allocation_pools(answers.get("CONFIG_PROVISION_DEMO_ALLOCATION_POOLS")):
        yield warning(
            f"floating addresses are taken from all of {float_range}, the network behind {external_bridge}, including"
            " addresses of other hosts",
            'set CONFIG_PROVISION_DEMO_ALLOCATION_POOLS=["start=ADDRESS,end=ADDRESS"] to addresses that are free',
        )


def _is_part_without_router(float_network: Any, network: Any, facts: Facts) -> bool:
    """Return whether the floating range is a part of a network that lacks its router."""
    router = facts.network.default_gateway
    is_part = float_network.version == network.version == 4 and float_network != network
    return is_part and float_network.subnet_of(network) and not (router and ip_address(router) in float_network)


def _part_of_network(context: CheckContext, part: Any, network: Any, bridge: str) -> Finding:
    """Report a floating range that is a part of a network.

    Its first address would be the gateway, and no host has it. An error, unless the network exists already.
    """
    router = context.facts.network.default_gateway
    addresses = [address for address in (part[0], part[-1]) if address not in (network[0], network[-1])]
    start, end = (addresses[0], addresses[-1]) if len(addresses) == 2 else (part[1], part[-2])
    make_finding = warning if context.facts.cloud.deployed_by_us else error
    return make_finding(
        f"CONFIG_PROVISION_DEMO_FLOATRANGE {part} is only a part of {network}, the network behind {bridge}, and"
        f" {f'its router {router} is' if router else 'a router is'} not in that part: floating addresses would have"
        f" {part[1]} for a gateway, which no host has",
        f"say the whole network, and the part as pool: CONFIG_PROVISION_DEMO_FLOATRANGE={network}"
        f""" CONFIG_PROVISION_DEMO_ALLOCATION_POOLS='["start={start},end={end}"]'""",
    )
