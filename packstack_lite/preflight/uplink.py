"""Checks of the interfaces that are to go into bridges."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from typing import List, Tuple

from packstack_lite.answers import agents
from packstack_lite.hosts.facts import Wiring
from packstack_lite.preflight.subject import Remarks, Subject, error, info, warning


def pairs(subject: Subject) -> List[Tuple[str, str]]:
    """Bridge and interface, for the agent that is deployed."""
    found = [str(pair).partition(":") for pair in subject.answers.get(parameter(subject)) or ()]
    return [(bridge, interface) for bridge, _, interface in found]


def parameter(subject: Subject) -> str:
    """The answer that names them."""
    return agents.parameter(subject.answers, "BRIDGE_IFACES")


def uplink(subject: Subject) -> Remarks:
    """An interface that goes into a bridge is there, free and connected, and the bridge can keep its addresses."""
    for bridge, interface in pairs(subject):
        yield from _there(subject, bridge, interface)
    yield from _floating(subject)


def _there(subject: Subject, bridge: str, interface: str) -> Remarks:
    card = subject.facts.wiring.get(interface)
    if interface not in {one.name for one in subject.facts.interfaces}:
        yield error(
            f"there is no interface {interface} ({parameter(subject)})", "ip -brief link shows those that there are"
        )
    elif card:
        yield from _free(subject, bridge, interface, card)
        yield from _kept(subject, bridge, interface, card)
        yield from _told(subject, bridge, interface, card)


def _free(subject: Subject, bridge: str, interface: str, card: Wiring) -> Remarks:
    others = [port for port in subject.facts.wiring.get(bridge, Wiring()).ports if port != interface]
    # ovs-system is how the kernel's own datapath shows that the interface is a port of a bridge.
    master = "" if card.master == "ovs-system" else card.master
    if card.bridge and card.bridge != bridge:
        yield error(
            f"{interface} is a port of the bridge {card.bridge} already, not of {bridge}",
            f"set {parameter(subject)}={card.bridge}:{interface}, or: ovs-vsctl del-port {card.bridge} {interface}",
        )
    if master:
        yield error(f"{interface} is a part of {master}", f"set {parameter(subject)}={bridge}:{master}")
    if card.uppers:
        yield error(
            f"{', '.join(card.uppers)} is made on top of {interface} and would get no packets any more",
            f"remove it first, or take another interface than {interface}",
        )
    if others:
        yield error(
            f"{bridge} has another interface of the host already: {', '.join(others)}; two could make a loop",
            f"ovs-vsctl del-port {bridge} {others[0]}, or take another bridge",
        )
    if card.wireless:
        yield error(f"{interface} is wireless: access points pass no packets of bridges", "take a wired interface")
    elif not card.carrier:
        yield error(f"{interface} has no carrier", f"plug its cable in; ip link show {interface} must say LOWER_UP")


def _kept(subject: Subject, bridge: str, interface: str, card: Wiring) -> Remarks:
    holder = subject.facts.wiring.get(bridge, Wiring()) if card.bridge == bridge else card
    system = card.system or holder.system
    if system == "NetworkManager" and not subject.facts.nm_ovs:
        yield error(
            f"{interface} is configured by NetworkManager, which is without its plug-in for Open vSwitch",
            "dnf install NetworkManager-ovs && systemctl restart NetworkManager"
            if subject.facts.os_id not in ("debian", "ubuntu")
            else f"Debian's has none: let systemd-networkd or ifupdown configure {interface}",
        )
    elif system == "NetworkManager" and not card.path:
        yield error(
            f"NetworkManager has no profile for {interface} that could be carried over",
            f"nmcli connection add type ethernet ifname {interface}, and give it the addresses",
        )
    elif system == "NetworkManager" and not card.path.endswith(".nmconnection"):
        yield error(
            f"NetworkManager keeps {interface} in {card.path}, a format that knows no bridge of Open vSwitch",
            "nmcli connection migrate",
        )
    elif not system and (holder.addresses or holder.dynamic):
        yield error(
            f"nobody that packstack-lite knows configures {interface}: its addresses would be gone after a reboot",
            "let systemd-networkd, NetworkManager, ifupdown or network-scripts configure it",
        )


def _told(subject: Subject, bridge: str, interface: str, card: Wiring) -> Remarks:
    if card.armed:
        yield warning(
            f"a move of {interface} into {bridge} was cut off here",
            "nothing to do: apply takes it back first, then moves",
        )
    if card.bridge != bridge and interface == subject.facts.default_interface:
        seconds = subject.answers.get("CONFIG_NEUTRON_BRIDGE_IFACES_TIMEOUT", 60)
        yield info(
            f"{interface} goes into {bridge}, and this connection goes over it: addresses, routes and name servers"
            f" move to {bridge}; if you do not get back to the host within {seconds} seconds, it puts everything back"
        )


def _floating(subject: Subject) -> Remarks:
    """With an interface the floating addresses are of that network; a range of the host's own leads nowhere."""
    answers, facts = subject.answers, subject.facts
    outside = str(answers.get("CONFIG_NEUTRON_L3_EXT_BRIDGE") or "br-ex")
    asked = str(answers.get("CONFIG_PROVISION_DEMO_FLOATRANGE") or "")
    names = {name for pair in pairs(subject) if pair[0] == outside for name in pair}
    if not names or not asked or not answers.get("CONFIG_PROVISION_DEMO"):
        return
    own = [ip_interface(address) for one in facts.interfaces if one.name in names for address in one.addresses]
    networks = [address.network for address in own if address.version == 4]
    wanted = ip_network(asked, strict=False)
    if networks and not any(wanted.version == 4 and wanted.overlaps(network) for network in networks):
        yield warning(
            f"CONFIG_PROVISION_DEMO_FLOATRANGE {asked} is not of the network behind {outside} ({networks[0]}): nobody"
            " there knows the way to the floating addresses",
            f"set CONFIG_PROVISION_DEMO_FLOATRANGE={networks[0]}, and CONFIG_PROVISION_DEMO_ALLOCATION_POOLS to"
            " addresses of it that nobody has",
        )
    elif networks and not answers.get("CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"):
        yield warning(
            f"floating addresses are taken from all of {asked}, the network behind {outside}, others' addresses too",
            'set CONFIG_PROVISION_DEMO_ALLOCATION_POOLS=["start=ADDRESS,end=ADDRESS"] to addresses that nobody has',
        )
