"""What Neutron's agents have in common: each a configuration, a unit, and that Neutron sees it alive."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from packstack_lite.resources.base import Resource
from packstack_lite.services import neutron
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.network import alive

# Agent -> the name of its configuration. Those that any agent of the switch goes with, OVN aside.
ROUTING: Mapping[str, str] = {
    "neutron-l3-agent": "l3-agent",
    "neutron-dhcp-agent": "dhcp-agent",
    "neutron-metadata-agent": "metadata-agent",
}
METERING: Mapping[str, str] = {"neutron-metering-agent": "metering-agent"}


def routing(cloud: Cloud) -> List[Resource]:
    """The agents that route, lend addresses, pass metadata on and count."""
    tunnels = neutron.tunnels(cloud)
    return [
        resource for role, what in _routing(cloud).items() for resource in agent(cloud, role, what, tunnels=tunnels)
    ]


def _routing(cloud: Cloud) -> Dict[str, str]:
    """Those of them that are for this host: where networks are served."""
    if not cloud.has("network"):
        return {}
    return {**ROUTING, **(METERING if neutron.meters(cloud) else {})}


def agent(cloud: Cloud, role: str, what: str, binary: str = "", **values: Any) -> List[Resource]:
    """One agent, started once the server hears it; what the controller sees of one elsewhere is in ``seen``.
    ``binary`` is how Neutron calls it, if not by its role."""
    common = neutron.config(cloud)
    config = cloud.file("neutron", what, group=cloud.profile.user("neutron"), **values)
    server = [cloud.unit_id("neutron-rpc")] if cloud.has("controller") else []
    unit = cloud.unit(role, "neutron", [common, config], needs=server)
    found = [common, config, unit]
    return [*found, *([alive(cloud, binary or role, cloud.facts.hostname, [unit.id])] if server else [])]


def seen(controller: Cloud, member: Cloud, *others: str) -> List[Resource]:
    """That Neutron sees another host's agents alive: those of networks, and ``others`` of its own."""
    return [alive(controller, role, member.facts.hostname) for role in (*others, *_routing(member))]
