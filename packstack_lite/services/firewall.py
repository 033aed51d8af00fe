"""The ports that users of the cloud reach, opened in the firewall that the host has."""

from __future__ import annotations

from typing import List, Mapping, Tuple

from packstack_lite.resources import FirewalldForward, FirewalldPorts, IptablesPorts, Nat
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import openvswitch
from packstack_lite.services.cloud import PORTS, Cloud, tags

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


def declare(cloud: Cloud, services: List[str]) -> List[Resource]:
    """The open ports of ``services``, and floating addresses let through; nothing where no firewall runs, or where the
    user keeps it to himself."""
    ports, behind = _ports(services), openvswitch.translated(cloud)
    if not cloud.says("CONFIG_FIREWALL"):
        return []
    if cloud.firewalld:
        interface = cloud.facts.default_interface
        opened = FirewalldPorts(ports=ports, interface=interface, phase=Phase.PLATFORM, tags=tags("host"))
        return [opened, *[_let_through(nat, opened.id) for nat in behind]]
    if cloud.facts.firewall == "iptables":
        networks = tuple(nat.source for nat in behind)
        return [IptablesPorts(ports=ports, forward=networks, phase=Phase.PLATFORM, tags=tags("host"))]
    return []


def _let_through(nat: Nat, ports: str) -> Resource:
    """After the ports: it may reload firewalld."""
    return FirewalldForward(
        source=nat.source, bridge=nat.bridge, phase=Phase.PLATFORM, tags=tags("host"), needs=(ports,)
    )


def _ports(services: List[str]) -> Tuple[int, ...]:
    apis = [api for service in services for api in PUBLIC.get(service, ()) if api in PORTS]
    dashboard = [DASHBOARD] if "horizon" in services else []
    return tuple(sorted({*dashboard, *(PORTS[api] for api in apis)}))
