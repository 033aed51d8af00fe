"""Open vSwitch, and its bridges: the one to the outside world has an address and translates addresses."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import List, Mapping, Optional, Tuple

from packstack_lite.host_setup import uplink
from packstack_lite.resources import Nat, OvsBridge, OvsSetting
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services.networking.network_settings import bridge_interfaces, bridges_with_interface, node_bridges

# Who wants the bridges to be there when it starts.
BRIDGE_USERS: Mapping[str, Tuple[str, ...]] = {
    "openvswitch": ("neutron-openvswitch-agent", "neutron-l3-agent"),
    "ovn": ("ovn-controller",),
}


def declare(context: NodeContext) -> List[Resource]:
    """The switch, then the bridges: live, and by a unit of ours after each boot."""
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
        made_elsewhere=uplink.network_manager_bridges(context),
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
    """The bridge's own address, the first of the range, with the prefix length; empty without a range."""
    return f"{next(floating_range.hosts())}/{floating_range.prefixlen}" if floating_range else ""


def local_floating_range(context: NodeContext) -> Optional[IPv4Network]:
    """The floating range, where it lives on this host alone, as Packstack's demo has it: not where the external bridge
    has an interface, so that the range is that network's."""
    is_local = (
        context.has_role("network")
        and context.external_bridge in node_bridges(context)
        and context.external_bridge not in bridges_with_interface(context)
        and context.is_enabled("CONFIG_PROVISION_DEMO")
        and context.answers.get("CONFIG_PROVISION_OVS_BRIDGE", True) is not False
    )
    return context.floating_range if is_local else None


def _uses_checksum_offload(context: NodeContext) -> bool:
    """Whether the switch in user space leaves checksums to whoever takes a packet off it.

    Not where Neutron's own agents make ports for routers and DHCP servers and some of their packets go into tunnels:
    it would drop these (OVS 3.1, netdev_push_header), and nobody tells those ports, as ours, to compute them. Guests
    have to compute theirs then (virtio_net csum=0). OVN answers on each host by itself.
    """
    return context.l2_agent == "ovn" or not context.other_nodes


def _offload_setting(context: NodeContext, switch: str, offload: str) -> OvsSetting:
    """The drop-in sets it before the switch starts; this sees that it stays so."""
    return OvsSetting(
        column="other_config:userspace-tso-enable",
        value=offload,
        phase=Phase.PLATFORM,
        tags=make_tags("openvswitch"),
        needs=(switch,),
    )


def _declare_bridge(context: NodeContext, name: str, floating_range: Optional[IPv4Network], switch: str) -> OvsBridge:
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
    """Whether instances are behind bridges of the host's own kernel, whose packets its firewall sees as well."""
    by_iptables = context.answers.get("CONFIG_NEUTRON_FIREWALL_DRIVER") == "iptables_hybrid"
    return context.l2_agent == "linuxbridge" or (context.l2_agent == "openvswitch" and by_iptables)


def nat_rules(context: NodeContext) -> List[Nat]:
    """The network whose addresses are this host's affair, if there is one. firewalld does it itself where it runs: it
    throws other rules away. None where the kernel cannot (preflight says so)."""
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
