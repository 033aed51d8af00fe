"""OVN on a host with instances or routers: the controller that programs the switch, and Neutron's metadata agent.
Routers, DHCP and security groups are flows of the switch, not processes."""

from __future__ import annotations

from typing import Dict, List

from packstack_lite.resources import OvsManager, OvsSetting
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import network, neutron, ovn_central
from packstack_lite.services.cloud import Cloud, tags

# Where the switch's own database listens besides its socket: os-vif's default, in Nova, is to ask there.
SWITCH_DATABASE = "ptcp:6640:127.0.0.1"
# The same as those who ask there write it.
SWITCH = "tcp:127.0.0.1:6640"


def declare(cloud: Cloud) -> List[Resource]:
    """The switch told of OVN's databases, the controller, then the metadata agent."""
    switch = cloud.unit_id("openvswitch")
    settings = _settings(cloud, switch)
    manager = OvsManager(target=SWITCH_DATABASE, phase=Phase.PLATFORM, tags=tags("ovn"), needs=(switch,))
    found = [manager, *settings, *_controller(cloud, settings), *_chassis(cloud), *_metadata(cloud)]
    return [*found, *(_alive(cloud, cloud, found) if cloud.has("controller") else [])]


def joined(controller: Cloud, member: Cloud) -> List[Resource]:
    """What the controller sees of another host's agents."""
    return _alive(controller, member, [])


def _offers(cloud: Cloud) -> Dict[str, str]:
    """The physical networks that a host leads to, and whether it takes routers."""
    return {
        "ovn-bridge-mappings": ",".join(f"{name}:{bridge}" for name, bridge in network.mappings(cloud).items()),
        "ovn-cms-options": "enable-chassis-as-gw" if cloud.has("network") else "",
    }


def _alive(cloud: Cloud, member: Cloud, found: List[Resource]) -> List[Resource]:
    """Neutron knows the metadata agent by its program's name, which is that of its unit."""
    names = {"ovn-controller": "ovn-controller"}
    if member.has("compute"):
        names["neutron-ovn-metadata-agent"] = member.profile.unit("neutron-ovn-metadata-agent")
    here = {resource.id for resource in found}
    needs = {role: [need for need in (member.unit_id(role),) if need in here] for role in names}
    return [network.alive(cloud, binary, member.facts.hostname, needs[role]) for role, binary in names.items()]


def _settings(cloud: Cloud, switch: str) -> List[Resource]:
    """What the controller reads from the switch's database, as it changes: it needs no restart."""
    wanted = {
        # Neutron binds a port to the host that Nova names, and Nova names it so.
        "hostname": cloud.facts.hostname,
        "ovn-remote": ovn_central.databases(cloud)["sb"],
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": network.tunnel_address(cloud),
        "ovn-bridge-datapath-type": cloud.datapath,
        **_offers(cloud),
    }
    return [
        OvsSetting(column=f"external_ids:{name}", value=value, phase=Phase.PLATFORM, tags=tags("ovn"), needs=(switch,))
        for name, value in wanted.items()
        if value
    ]


def _chassis(cloud: Cloud) -> List[Resource]:
    """The same where Neutron looks for it, if that is not where OVN puts it; again whenever the controller has begun
    anew, which makes the chassis anew."""
    told = {name: value for name, value in {**_offers(cloud), "datapath-type": cloud.datapath}.items() if value}
    databases = ovn_central.databases(cloud)
    files = cloud.optional("ovn", "ovn-chassis-unit", phase=Phase.PLATFORM, databases=databases, told=told)
    needs = [cloud.unit_id("ovn-controller")]
    return [*files, *[cloud.unit("ovn-chassis", "ovn", files, needs, phase=Phase.PLATFORM) for _ in files]]


def _controller(cloud: Cloud, settings: List[Resource]) -> List[Resource]:
    told = [setting.id for setting in settings]
    whole = cloud.unit("ovn-host", "ovn", needs=told, phase=Phase.PLATFORM)
    ready = "[ $(ovn-appctl -t ovn-controller connection-status) = connected ] && ovs-vsctl br-exists br-int"
    central = [cloud.unit_id("ovn-sb")] if cloud.has("controller") else []
    needs = [whole.id, *central, *told]
    controller = cloud.unit("ovn-controller", "ovn", needs=needs, ready=ready, phase=Phase.PLATFORM)
    return [whole, controller]


def _metadata(cloud: Cloud) -> List[Resource]:
    """On the hosts with instances, which ask their own host."""
    if not cloud.has("compute"):
        return []
    common = neutron.config(cloud)
    config = cloud.file(
        "neutron",
        "ovn-metadata-agent",
        group=cloud.profile.user("neutron"),
        databases=ovn_central.databases(cloud),
        switch=_switch(cloud),
    )
    role = "neutron-ovn-metadata-agent"
    unit = cloud.unit(role, "neutron", [common, config], needs=[cloud.unit_id("ovn-controller")])
    return [common, config, unit]


def _switch(cloud: Cloud) -> str:
    """The switch's own database, for the agent: its socket where the agent may open that, else its port."""
    if "ovs-database" in cloud.profile.paths:
        return f"unix:{cloud.profile.path('ovs-database')}"
    return SWITCH
