"""The ports that users of the cloud reach, opened in the firewall that the host has, and those that only the cloud's
own hosts may reach, guarded where it has none (docs/decisions/0015)."""

from __future__ import annotations

from dataclasses import replace
from typing import Collection, List, Mapping, Tuple

from packstack_lite.resources import (
    Absent,
    FirewalldForward,
    FirewalldPorts,
    Guard,
    IptablesPorts,
    Nat,
    NoOtherPeer,
    Peer,
    peer,
)
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import openvswitch
from packstack_lite.services.cloud import PORTS, Cloud, tags
from packstack_lite.services.placing import addresses

# Service -> its APIs that the catalog names, and the console. Databases, queue, cache and metadata are asked on the
# host itself only.
PUBLIC: Mapping[str, Tuple[str, ...]] = {
    "keystone": ("keystone",),
    "glance": ("glance",),
    "placement": ("placement",),
    "nova": ("nova", "novnc"),
    "neutron": ("neutron",),
    "barbican": ("barbican",),
    "swift": ("swift",),
    "cinder": ("cinder",),
    "heat": ("heat", "heat-cfn"),
}
DASHBOARD = 80
# Service -> ports that hosts of the cloud alone have to reach; "A-B" is a range. What listens on loopback alone by our
# configuration is here too where a package's own would have it elsewhere. Libvirt's are the display, its own TCP and
# TLS port and migration (qemu.conf: 49152 to 49215), Ceph's the monitors and ms_bind_port_min to _max.
INTERNAL: Mapping[str, Tuple[str, ...]] = {
    "mariadb": ("3306",),
    "rabbitmq": ("4369", "5672", "25672"),
    "memcached": ("11211",),
    "nova": ("8775", "5900-6079", "16509", "16514", "49152-49215"),
    "nova-compute": ("5900-6079", "16509", "16514", "49152-49215"),
    "ovn": ("6641-6644",),
    "ovn-central": ("6641-6644",),
    "swift": ("873", "6200-6202"),
    "cinder-lvm": ("3260",),
    "ceph": ("3300", "6789", "6800-7568"),
}


def declare(cloud: Cloud, services: List[str]) -> List[Resource]:
    """The open ports of ``services``, and floating addresses let through; the guard of the rest where no firewall of
    ours to tell is in force. Neither where the user keeps it to himself."""
    ports, behind = _ports(services), openvswitch.translated(cloud)
    if cloud.firewalld:
        interface = cloud.facts.default_interface
        opened = FirewalldPorts(ports=ports, interface=interface, phase=Phase.PLATFORM, tags=tags("host"))
        peers = [replace(opened, ports=(), peers=told, concerns=name) for name, told in _others(cloud)]
        return [*_unguarded(cloud), opened, *peers, *[_let_through(nat, opened.id) for nat in behind]]
    if cloud.facts.firewall == "iptables" and cloud.says("CONFIG_FIREWALL"):
        networks = tuple(nat.source for nat in behind)
        opened_by_rules = IptablesPorts(ports=ports, forward=networks, phase=Phase.PLATFORM, tags=tags("host"))
        others = [
            replace(opened_by_rules, ports=(), forward=(), peers=told, concerns=name) for name, told in _others(cloud)
        ]
        return [*_unguarded(cloud), opened_by_rules, *others]
    closed = {port for service in services for port in INTERNAL.get(service, ())}
    return _guarded(cloud, closed) if closed and guards(cloud) else _unguarded(cloud)


def guards(cloud: Cloud) -> bool:
    """Whether ports are guarded by rules of our own: they may be, and the kernel takes them."""
    able = cloud.profile.command("guard") != "nft" or cloud.facts.nft != "no"
    return able and cloud.says("CONFIG_FIREWALL")


def _guarded(cloud: Cloud, closed: Collection[str]) -> List[Resource]:
    script = cloud.file(
        "host",
        "guard",
        mode=0o755,
        phase=Phase.PLATFORM,
        tool=cloud.profile.command("guard"),
        ports=sorted(closed, key=lambda port: int(port.partition("-")[0])),
        peers=peer.DIRECTORY,
    )
    unit = cloud.file("host", "guard-unit", phase=Phase.PLATFORM, script=script.path)
    peers = [
        Peer(told, script.path, concerns=name, phase=Phase.PLATFORM, tags=tags("host")) for name, told in _others(cloud)
    ]
    guard = _guard(cloud, files=(script, unit))
    # Before the guard, which else would shut them out for a moment.
    guard = replace(guard, needs=(*guard.needs, *(one.id for one in peers)))
    # Of a host that could not be asked nobody knows every address.
    all_known = all(other.hostname for other in cloud.others)
    return [script, unit, *peers, guard, *([_nobody_but(cloud.peers, guard)] if all_known else [])]


def _nobody_but(peers: Tuple[str, ...], guard: Guard) -> NoOtherPeer:
    return NoOtherPeer(peers, guard.script, phase=Phase.PLATFORM, tags=tags("host"), needs=(guard.id,))


def _others(cloud: Cloud) -> List[Tuple[str, Tuple[str, ...]]]:
    """The cloud's other hosts, one by one, as the answers call them, and their addresses: a change is laid to the host
    that comes, not to those that let it in."""
    return [(other.name, addresses(other)) for other in cloud.others if addresses(other)]


def _guard(cloud: Cloud, files: Tuple[Resource, ...] = (), wanted: bool = True) -> Guard:
    return Guard(
        unit=f"{cloud.profile.unit('guard')}.service",
        script=cloud.profile.path("guard"),
        files=files,
        wanted=wanted,
        phase=Phase.PLATFORM,
        tags=tags("host"),
        needs=tuple(file.id for file in files),
    )


def _unguarded(cloud: Cloud) -> List[Resource]:
    """What an earlier run has guarded is no longer: the rules go before the files that take them back."""
    guard = _guard(cloud, wanted=False)
    return [
        guard,
        _nobody_but((), guard),
        *[_gone(cloud.profile.path(name), guard.id) for name in ("guard", "guard-unit")],
    ]


def _gone(path: str, guard: str) -> Absent:
    return Absent(path, ours=True, phase=Phase.PLATFORM, tags=tags("host"), needs=(guard,))


def _let_through(nat: Nat, ports: str) -> Resource:
    """After the ports: it may reload firewalld."""
    return FirewalldForward(
        source=nat.source, bridge=nat.bridge, phase=Phase.PLATFORM, tags=tags("host"), needs=(ports,)
    )


def _ports(services: List[str]) -> Tuple[int, ...]:
    apis = [api for service in services for api in PUBLIC.get(service, ()) if api in PORTS]
    dashboard = [DASHBOARD] if "horizon" in services else []
    return tuple(sorted({*dashboard, *(PORTS[api] for api in apis)}))
