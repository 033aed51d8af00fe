"""Neutron with Linux bridges: the bridge to the outside world, and the agents."""

from __future__ import annotations

from typing import Any, Dict, List

from packstack_lite.resources import LinuxBridge
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import network, openvswitch
from packstack_lite.services.cloud import Cloud, tags
from packstack_lite.services.neutron_agents import agent, routing

TAG = "neutron-linuxbridge"
# Who wants the bridges to be there when it starts.
USERS = ("neutron-linuxbridge-agent", "neutron-l3-agent")


def declare(cloud: Cloud) -> List[Resource]:
    """The host's own bridges, live and after each boot, then the agents."""
    return [
        *_bridges(cloud),
        *agent(cloud, "neutron-linuxbridge-agent", "linuxbridge-agent", **_told(cloud)),
        *routing(cloud),
    ]


def _bridges(cloud: Cloud) -> List[Resource]:
    names = network.bridges(cloud)
    if not names:
        return []
    gateway, translated = openvswitch.gateway(openvswitch.own_range(cloud)), openvswitch.translated(cloud)
    unit_file = cloud.file(
        "linuxbridge",
        "bridge-unit",
        phase=Phase.PLATFORM,
        gateway=gateway,
        translation=[rule for nat in translated for rule in nat.rules],
        bridges=names,
        users=[f"{cloud.profile.unit(role)}.service" for role in USERS],
    )
    unit = cloud.unit("bridge", "linuxbridge", [unit_file], phase=Phase.PLATFORM)
    made = [
        LinuxBridge(
            name=name,
            address=gateway if name == cloud.external_bridge else "",
            phase=Phase.PLATFORM,
            tags=tags(TAG),
            needs=(unit.id,),
        )
        for name in names
    ]
    return [unit_file, unit, *made, *([] if cloud.firewalld else translated)]


def _told(cloud: Cloud) -> Dict[str, Any]:
    return {
        "interfaces": [f"{name}:{card}" for name, card in network.cards(cloud).items()],
        "bridges": [f"{name}:{bridge}" for name, bridge in network.mappings(cloud).items()],
        "vxlan": "vxlan" in network.words(cloud["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"]),
        "vxlan_port": network.own(cloud, "VXLAN_UDP_PORT"),
        "vxlan_group": str(cloud["CONFIG_NEUTRON_ML2_VXLAN_GROUP"] or ""),
        "tunnel_address": network.tunnel_address(cloud),
        "l2population": "l2population" in network.words(cloud["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"]),
    }
