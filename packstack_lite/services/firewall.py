"""The ports that users of the cloud reach, opened in the firewall that the host has."""

from __future__ import annotations

from typing import List, Mapping, Tuple

from packstack_lite.resources import FirewalldPorts, IptablesPorts
from packstack_lite.resources.base import Phase, Resource
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
    """The open ports of ``services``; nothing where no firewall runs, or where the user keeps it to himself."""
    ports = _ports(services)
    if not cloud.says("CONFIG_FIREWALL") or not ports:
        return []
    if cloud.facts.firewall == "firewalld":
        interface = cloud.facts.default_interface
        return [FirewalldPorts(ports=ports, interface=interface, phase=Phase.PLATFORM, tags=tags("host"))]
    if cloud.facts.firewall == "iptables":
        return [IptablesPorts(ports=ports, phase=Phase.PLATFORM, tags=tags("host"))]
    return []


def _ports(services: List[str]) -> Tuple[int, ...]:
    apis = [api for service in services for api in PUBLIC.get(service, ()) if api in PORTS]
    dashboard = [DASHBOARD] if "horizon" in services else []
    return tuple(sorted({*dashboard, *(PORTS[api] for api in apis)}))
