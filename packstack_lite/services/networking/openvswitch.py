"""Open vSwitch and its bridges.

The external bridge may have an address and translate floating addresses.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import List, Mapping, Optional, Tuple

from packstack_lite.host_setup import uplink
from packstack_lite.resources import Nat, OvsBridge, OvsSetting
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.spec import ServiceSpec
from packstack_lite.services.networking.network_settings import bridge_interfaces, bridges_with_interface, node_bridges

SPEC = ServiceSpec(
    name="openvswitch",
    after=("memcached",),
    roles=("compute", "network"),
    l2_agents=("openvswitch", "ovn"),
    units=("openvswitch", "bridge"),
    template_dir="openvswitch",
    smoke_cases=("network", "floating_ip"),
)
# Layer 2 agent -> units that need the bridges when they start.
BRIDGE_USERS: Mapping[str, Tuple[str, ...]] = {
    "openvswitch": ("neutron-openvswitch-agent", "neutron-l3-agent"),
    "ovn": ("ovn-controller",),
}


def declare(context: NodeContext) -> List[Resource]:
    """Declare the switch, its bridges and uplinks, and the translation of addresses.

    The bridges are declared twice: as resources, and in a unit of ours that creates them after each boot.
    """
    userspace = context.ovs_datapath == "netdev"
    offload = "true" if _uses_checksum_offload(context) else "false"
    dropins = (
        [context.render_file("openvswitch", "vswitchd", phase=Phase.PLATFORM, offload=offload)] if userspace else []
    )
    switch = context.declare_unit("openvswitch", "openvswitch", dropins, phase=Phase.PLATFORM)
    floating_range = local_floating_range(context)
    unit_file = context.render_file(
        "openvswitch",
        "bridge-unit",
        phase=Phase.PLATFORM,
        gateway=bridge_address(floating_range),
        translation=[rule for nat in nat_rules(context) for rule in nat.rules],
        switch=switch.full_name,
        bridges=node_bridges(context),
        interfaces=bridge_interfaces(context),
        network_manager_bridges=uplink.network_manager_bridges(context),
        users=[f"{context.profile.unit(role)}.service" for role in BRIDGE_USERS[context.l2_agent]],
    )
    return [
        *dropins,
        switch,
        *([_offload_setting(context, switch.id, offload)] if userspace else []),
        unit_file,
        context.declare_unit("bridge", "openvswitch", [unit_file], needs=[switch.id], phase=Phase.PLATFORM),
        *[_declare_bridge(context, name, floating_range, switch.id) for name in node_bridges(context)],
        *uplink.declare(context),
        *([] if context.manages_firewalld else nat_rules(context)),
    ]


def bridge_address(floating_range: Optional[IPv4Network]) -> str:
    """Return the external bridge's address with prefix length.

    It is the first of the range; empty without a range.
    """
    return f"{next(floating_range.hosts())}/{floating_range.prefixlen}" if floating_range else ""


def local_floating_range(context: NodeContext) -> Optional[IPv4Network]:
    """Return the floating range if it exists on this node only; otherwise None.

    Packstack's demo is such a range.

    Where the external bridge has an interface, the range belongs to the network behind it.
    """
    is_local = (
        context.has_role("network")
        and context.external_bridge in node_bridges(context)
        and context.external_bridge not in bridges_with_interface(context)
        and context.is_enabled("CONFIG_PROVISION_DEMO")
        and context.answers.get("CONFIG_PROVISION_OVS_BRIDGE", True) is not False
    )
    return context.floating_range if is_local else None


def _uses_checksum_offload(context: NodeContext) -> bool:
    """Return whether the user space switch leaves checksums to the receiver.

    Not where Neutron's agents create ports for routers and DHCP and packets enter tunnels: the switch would drop
    packets without a checksum (OVS 3.1, netdev_push_header), and those ports do not compute one. Guests then have to
    compute theirs (virtio_net csum=0). OVN has no such ports.
    """
    return context.l2_agent == "ovn" or not context.other_nodes


def _offload_setting(context: NodeContext, switch: str, offload: str) -> OvsSetting:
    """Declare the setting that lets the user space switch offload TCP segments.

    ``offload`` is "true" or "false". The drop-in sets it too, before the switch starts. ``switch`` is the id of the
    switch's unit.
    """
    return OvsSetting(
        column="other_config:userspace-tso-enable",
        value=offload,
        phase=Phase.PLATFORM,
        tags=make_tags("openvswitch"),
        needs=(switch,),
    )


def _declare_bridge(context: NodeContext, name: str, floating_range: Optional[IPv4Network], switch: str) -> OvsBridge:
    """Declare one bridge after the unit with the id ``switch``.

    The external bridge gets the first address of the floating range.
    """
    return OvsBridge(
        name=name,
        address=bridge_address(floating_range) if name == context.external_bridge else "",
        datapath=context.ovs_datapath,
        has_tunnels=bool(context.other_nodes),
        phase=Phase.PLATFORM,
        tags=make_tags("openvswitch"),
        needs=(switch,),
    )


def uses_kernel_bridges(context: NodeContext) -> bool:
    """Return whether instances are connected through bridges of the kernel.

    The node's firewall sees their packets too.
    """
    by_iptables = context.answers.get("CONFIG_NEUTRON_FIREWALL_DRIVER") == "iptables_hybrid"
    return context.l2_agent == "linuxbridge" or (context.l2_agent == "openvswitch" and by_iptables)


def nat_rules(context: NodeContext) -> List[Nat]:
    """Declare the address translation for a local floating range.

    Empty without such a range, or where the kernel has no NAT (preflight reports it). Callers leave the rules to
    firewalld where it runs, because it discards others.
    """
    if local_floating_range(context) is None or context.facts.security.nat_support == "no":
        return []
    return [
        Nat(
            source_cidr=str(context.floating_range),
            bridge=context.external_bridge,
            exempt_bridged=uses_kernel_bridges(context),
            phase=Phase.PLATFORM,
            tags=make_tags("openvswitch"),
            needs=(context.unit_id("bridge"),),
        )
    ]
