"""Resources that move an interface of the node into a bridge.

Addresses, routes and name servers move along. Used by the network services and by ``services.declare``. See
docs/decisions/0010.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, List, Mapping, Sequence, Set, Tuple

from packstack_lite.errors import UsageError
from packstack_lite.host_setup.uplink_ini import UplinkMove, network_manager_files, networkd_files
from packstack_lite.host_setup.uplink_scripts import ifupdown_files, network_scripts_files
from packstack_lite.nodes.facts import UplinkFacts
from packstack_lite.resources import NetworkFile, Unit, Uplink
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.resources.uplink import CONFIRM_TIMEOUT
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services.networking.network_settings import agent_parameter_name, bridge_interfaces

# Writers of the files that keep the addresses on the bridge after a reboot, by the network system that configures the
# interface, as ``UplinkFacts.managed_by`` names it.
CONFIG_WRITERS: Mapping[str, Callable[[UplinkMove], Tuple[NetworkFile, ...]]] = {
    "networkd": networkd_files,
    "ifupdown": ifupdown_files,
    "NetworkManager": network_manager_files,
    "network-scripts": network_scripts_files,
}


def declare(context: NodeContext) -> List[Resource]:
    """Declare an Uplink for each interface that the answers put into a bridge."""
    return [_declare_uplink(context, bridge, interface) for bridge, interface in bridge_interfaces(context)]


def _declare_uplink(context: NodeContext, bridge: str, interface: str) -> Uplink:
    """Declare the move of one interface into a bridge.

    Raises UsageError when the interface has addresses and no known network system configures it.
    """
    uplinks = context.facts.network.uplinks
    interface_facts = uplinks.get(interface, UplinkFacts())
    # Before the move the interface has the addresses, afterwards the bridge.
    address_holder = uplinks.get(bridge, UplinkFacts()) if interface_facts.bridge == bridge else interface_facts
    managed_by = interface_facts.managed_by or address_holder.managed_by
    if (interface_facts.addresses or interface_facts.has_dhcp) and managed_by not in CONFIG_WRITERS:
        raise UsageError(
            f"{agent_parameter_name(context, 'BRIDGE_IFACES')}={bridge}:{interface}: no known network system configures"
            f" {interface} on {context.facts.system.hostname}",
            f"configure it with one of: {', '.join(CONFIG_WRITERS)}",
        )
    move = UplinkMove(bridge, interface, context.ovs_datapath, uplinks, context.facts.network.network_files)
    return Uplink(
        bridge=bridge,
        interface=interface,
        managed_by=managed_by,
        files=CONFIG_WRITERS[managed_by](move) if managed_by else (),
        addresses=address_holder.addresses,
        has_dhcp=address_holder.has_dhcp,
        datapath=context.ovs_datapath,
        confirm_timeout=int(context.answers.get("CONFIG_NEUTRON_BRIDGE_IFACES_TIMEOUT", CONFIRM_TIMEOUT)),
        phase=Phase.PLATFORM,
        tags=make_tags("openvswitch"),
        needs=(f"bridge:{bridge}",),
    )


def network_manager_bridges(context: NodeContext) -> List[str]:
    """List the declared bridges whose interface NetworkManager configures.

    At each boot NetworkManager creates them from our connection profiles, and it refuses a bridge that exists already.
    The unit that creates the other bridges only waits for these.
    """
    return [
        uplink.bridge
        for uplink in declare(context)
        if isinstance(uplink, Uplink) and uplink.managed_by == "NetworkManager"
    ]


def order_units_after_uplinks(resources: Sequence[Resource]) -> List[Resource]:
    """Return the resources with the Platform phase's units ordered after the uplinks.

    During a move the node's address is on no interface for a moment, and nothing can bind to it. Units that a move
    itself needs are left as they are.
    """
    uplink_ids = tuple(resource.id for resource in resources if isinstance(resource, Uplink))
    needed_ids = _transitive_needs(resources, uplink_ids)
    return [
        replace(resource, needs=(*resource.needs, *uplink_ids))
        if uplink_ids
        and isinstance(resource, Unit)
        and resource.phase == Phase.PLATFORM
        and resource.id not in needed_ids
        else resource
        for resource in resources
    ]


def _transitive_needs(resources: Sequence[Resource], ids: Sequence[str]) -> Set[str]:
    """Return the ids of all that ``ids`` need, directly or through others.

    A needed id that no resource has is among them. One of ``ids`` is only if another needs it.
    """
    needs = {resource.id: resource.needs for resource in resources}
    needed: Set[str] = set()
    pending = list(ids)
    while pending:
        unseen = set(needs.get(pending.pop(), ())) - needed
        needed |= unseen
        pending += unseen
    return needed
