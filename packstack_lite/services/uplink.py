"""Bridges that take an interface of the host, its addresses, routes and name servers with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, List, Mapping, Sequence, Set, Tuple

from packstack_lite.errors import UsageFault
from packstack_lite.hosts.facts import Wiring
from packstack_lite.resources import NetFile, Unit, Uplink
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.resources.uplink import SECONDS
from packstack_lite.services.cloud import Cloud, tags
from packstack_lite.services.network import interfaces, name_of
from packstack_lite.services.uplink_ini import Move, network_manager, networkd
from packstack_lite.services.uplink_scripts import ifupdown, network_scripts

# What makes the bridge keep the addresses over a reboot, by who configures the interface (facts name them so).
FILES: Mapping[str, Callable[[Move], Tuple[NetFile, ...]]] = {
    "networkd": networkd,
    "ifupdown": ifupdown,
    "NetworkManager": network_manager,
    "network-scripts": network_scripts,
}


def declare(cloud: Cloud) -> List[Resource]:
    """One move for each interface that the answers put into a bridge."""
    return [_uplink(cloud, bridge, interface) for bridge, interface in interfaces(cloud)]


def _uplink(cloud: Cloud, bridge: str, interface: str) -> Uplink:
    wiring = cloud.facts.wiring
    card = wiring.get(interface, Wiring())
    # Before the move the interface has them, afterwards the bridge.
    holder = wiring.get(bridge, Wiring()) if card.bridge == bridge else card
    system = card.system or holder.system
    if (card.addresses or card.dynamic) and system not in FILES:
        raise UsageFault(
            f"{name_of(cloud, 'BRIDGE_IFACES')}={bridge}:{interface}: nobody knows who configures {interface} on"
            f" {cloud.facts.hostname}",
            f"let one of {', '.join(FILES)} configure it",
        )
    move = Move(bridge, interface, cloud.datapath, wiring, cloud.facts.network_files)
    return Uplink(
        bridge=bridge,
        interface=interface,
        system=system,
        files=FILES[system](move) if system else (),
        addresses=holder.addresses,
        dynamic=holder.dynamic,
        datapath=cloud.datapath,
        seconds=int(cloud.answers.get("CONFIG_NEUTRON_BRIDGE_IFACES_TIMEOUT", SECONDS)),
        phase=Phase.PLATFORM,
        tags=tags("openvswitch"),
        needs=(f"bridge:{bridge}",),
    )


def made_elsewhere(cloud: Cloud) -> List[str]:
    """The bridges that NetworkManager makes at boot: it refuses one that is there already."""
    return [move.bridge for move in declare(cloud) if isinstance(move, Uplink) and move.system == "NetworkManager"]


def first(resources: Sequence[Resource]) -> List[Resource]:
    """The same with every unit of the platform waiting for the moves: while one is under way, the host's address is
    nowhere for a moment, and nothing can bind to it."""
    moves = tuple(resource.id for resource in resources if isinstance(resource, Uplink))
    before = _needed(resources, moves)
    return [
        replace(resource, needs=(*resource.needs, *moves))
        if moves and isinstance(resource, Unit) and resource.phase == Phase.PLATFORM and resource.id not in before
        else resource
        for resource in resources
    ]


def _needed(resources: Sequence[Resource], ids: Sequence[str]) -> Set[str]:
    """What these need, and what that needs in turn."""
    needs = {resource.id: resource.needs for resource in resources}
    found: Set[str] = set()
    open_ids = list(ids)
    while open_ids:
        new = set(needs.get(open_ids.pop(), ())) - found
        found |= new
        open_ids += new
    return found
