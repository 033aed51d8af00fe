"""Open vSwitch, and its bridges: the one to the outside world has an address and translates addresses."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import List, Mapping, Optional, Tuple

from packstack_lite.resources import Bridge, Nat, OvsSetting
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import uplink
from packstack_lite.services.cloud import Cloud, tags
from packstack_lite.services.network import bridges, interfaces, with_interface

# Who wants the bridges to be there when it starts.
USERS: Mapping[str, Tuple[str, ...]] = {
    "openvswitch": ("neutron-openvswitch-agent", "neutron-l3-agent"),
    "ovn": ("ovn-controller",),
}


def declare(cloud: Cloud) -> List[Resource]:
    """The switch, then the bridges: live, and by a unit of ours after each boot."""
    userspace = cloud.datapath == "netdev"
    offload = "true" if _offloads(cloud) else "false"
    dropin = [cloud.file("openvswitch", "vswitchd", phase=Phase.PLATFORM, offload=offload)] if userspace else []
    switch = cloud.unit("openvswitch", "openvswitch", dropin, phase=Phase.PLATFORM)
    outside = own_range(cloud)
    unit_file = cloud.file(
        "openvswitch",
        "bridge-unit",
        phase=Phase.PLATFORM,
        gateway=gateway(outside),
        translation=[rule for nat in translated(cloud) for rule in nat.rules],
        switch=switch.unit,
        bridges=bridges(cloud),
        interfaces=interfaces(cloud),
        made_elsewhere=uplink.made_elsewhere(cloud),
        users=[f"{cloud.profile.unit(role)}.service" for role in USERS[cloud.l2_agent]],
    )
    return [
        *dropin,
        switch,
        *([_offload(cloud, switch.id, offload)] if userspace else []),
        unit_file,
        cloud.unit("bridge", "openvswitch", [unit_file], needs=[switch.id], phase=Phase.PLATFORM),
        *[_bridge(cloud, name, outside, switch.id) for name in bridges(cloud)],
        *uplink.declare(cloud),
        *([] if cloud.firewalld else translated(cloud)),
    ]


def gateway(outside: Optional[IPv4Network]) -> str:
    """The bridge's own address, the first of the range, with the prefix length; empty without a range."""
    return f"{next(outside.hosts())}/{outside.prefixlen}" if outside else ""


def own_range(cloud: Cloud) -> Optional[IPv4Network]:
    """The floating range, where it lives on this host alone, as Packstack's demo has it: not where the external bridge
    has an interface, so that the range is that network's."""
    alone = (
        cloud.has("network")
        and cloud.external_bridge in bridges(cloud)
        and cloud.external_bridge not in with_interface(cloud)
        and cloud.says("CONFIG_PROVISION_DEMO")
        and cloud.answers.get("CONFIG_PROVISION_OVS_BRIDGE", True) is not False
    )
    return cloud.floating_range if alone else None


def _offloads(cloud: Cloud) -> bool:
    """Whether the switch in user space leaves checksums to whoever takes a packet off it.

    Not where Neutron's own agents make ports for routers and DHCP servers and some of their packets go into tunnels:
    it would drop these (OVS 3.1, netdev_push_header), and nobody tells those ports, as ours, to compute them. Guests
    have to compute theirs then (virtio_net csum=0). OVN answers on each host by itself.
    """
    return cloud.l2_agent == "ovn" or not cloud.others


def _offload(cloud: Cloud, switch: str, offload: str) -> OvsSetting:
    """The drop-in sets it before the switch starts; this sees that it stays so."""
    return OvsSetting(
        column="other_config:userspace-tso-enable",
        value=offload,
        phase=Phase.PLATFORM,
        tags=tags("openvswitch"),
        needs=(switch,),
    )


def _bridge(cloud: Cloud, name: str, outside: Optional[IPv4Network], switch: str) -> Bridge:
    return Bridge(
        name=name,
        address=gateway(outside) if name == cloud.external_bridge else "",
        datapath=cloud.datapath,
        tunnels=bool(cloud.others),
        phase=Phase.PLATFORM,
        tags=tags("openvswitch"),
        needs=(switch,),
    )


def behind_bridges(cloud: Cloud) -> bool:
    """Whether instances are behind bridges of the host's own kernel, whose packets its firewall sees as well."""
    by_iptables = cloud.answers.get("CONFIG_NEUTRON_FIREWALL_DRIVER") == "iptables_hybrid"
    return cloud.l2_agent == "linuxbridge" or (cloud.l2_agent == "openvswitch" and by_iptables)


def translated(cloud: Cloud) -> List[Nat]:
    """The network whose addresses are this host's affair, if there is one. firewalld does it itself where it runs: it
    throws other rules away. None where the kernel cannot (preflight says so)."""
    if own_range(cloud) is None or cloud.facts.nat == "no":
        return []
    return [
        Nat(
            source=str(cloud.floating_range),
            bridge=cloud.external_bridge,
            bridges_pass=behind_bridges(cloud),
            phase=Phase.PLATFORM,
            tags=tags("openvswitch"),
            needs=(cloud.unit_id("bridge"),),
        )
    ]
