"""OVN: its two databases, northd that translates between them, the controller that programs the switch, and
Neutron's metadata agent. Routers, DHCP and security groups are flows of the switch, not processes."""

from __future__ import annotations

from typing import Dict, List

from packstack_lite.resources import OvsManager, OvsSetting
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import network, neutron
from packstack_lite.services.cloud import Cloud, tags

# Where the switch's own database listens besides its socket: os-vif's default, in Nova, is to ask there.
SWITCH_DATABASE = "ptcp:6640:127.0.0.1"
# The same as those who ask there write it.
SWITCH = "tcp:127.0.0.1:6640"


def declare(cloud: Cloud) -> List[Resource]:
    """Databases and northd, the switch told of them, the controller, then the metadata agent."""
    switch = cloud.unit_id("openvswitch")
    settings = _settings(cloud, switch)
    manager = OvsManager(target=SWITCH_DATABASE, phase=Phase.PLATFORM, tags=tags("ovn"), needs=(switch,))
    return [*_central(cloud), manager, *settings, *_controller(cloud, settings), *_chassis(cloud), *_metadata(cloud)]


def _central(cloud: Cloud) -> List[Resource]:
    options = cloud.file("ovn", "ovn-central", phase=Phase.PLATFORM, databases=network.OVN_DATABASES)
    files = [options, *cloud.optional("ovn", "ovn-northd-unit", phase=Phase.PLATFORM)]
    # Restarting this one restarts the others with it: so it goes first.
    whole = cloud.unit("ovn-central", "ovn", needs=[file.id for file in files], phase=Phase.PLATFORM)
    stores = [
        cloud.unit(f"ovn-{which}", "ovn", [options], [whole.id], _answers(which), Phase.PLATFORM)
        for which in network.OVN_DATABASES
    ]
    northd = cloud.unit("ovn-northd", "ovn", files, [store.id for store in stores], phase=Phase.PLATFORM)
    return [*files, whole, *stores, northd]


def _answers(which: str) -> str:
    return f"ovn-{which}ctl --timeout=5 --no-leader-only --db={network.OVN_DATABASES[which]} show"


def _settings(cloud: Cloud, switch: str) -> List[Resource]:
    """What the controller reads from the switch's database, as it changes: it needs no restart."""
    wanted = {
        # Neutron binds a port to the host that Nova names, and Nova names it so.
        "hostname": cloud.facts.hostname,
        "ovn-remote": network.OVN_DATABASES["sb"],
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": network.tunnel_address(cloud),
        "ovn-bridge-datapath-type": cloud.datapath,
        **_told(cloud),
    }
    return [
        OvsSetting(column=f"external_ids:{name}", value=value, phase=Phase.PLATFORM, tags=tags("ovn"), needs=(switch,))
        for name, value in wanted.items()
        if value
    ]


def _told(cloud: Cloud) -> Dict[str, str]:
    """What the controller passes on to Neutron."""
    mappings = ",".join(f"{name}:{bridge}" for name, bridge in network.mappings(cloud).items())
    return {"ovn-bridge-mappings": mappings, "ovn-cms-options": "enable-chassis-as-gw"}


def _chassis(cloud: Cloud) -> List[Resource]:
    """The same where Neutron looks for it, if that is not where OVN puts it; again whenever the controller has begun
    anew, which makes the chassis anew."""
    told = {**_told(cloud), "datapath-type": cloud.datapath}
    files = cloud.optional("ovn", "ovn-chassis-unit", phase=Phase.PLATFORM, databases=network.OVN_DATABASES, told=told)
    needs = [cloud.unit_id("ovn-controller")]
    return [*files, *[cloud.unit("ovn-chassis", "ovn", files, needs, phase=Phase.PLATFORM) for _ in files]]


def _controller(cloud: Cloud, settings: List[Resource]) -> List[Resource]:
    told = [setting.id for setting in settings]
    whole = cloud.unit("ovn-host", "ovn", needs=told, phase=Phase.PLATFORM)
    ready = "[ $(ovn-appctl -t ovn-controller connection-status) = connected ] && ovs-vsctl br-exists br-int"
    needs = [whole.id, cloud.unit_id("ovn-sb"), *told]
    controller = cloud.unit("ovn-controller", "ovn", needs=needs, ready=ready, phase=Phase.PLATFORM)
    return [whole, controller, network.alive(cloud, "ovn-controller", controller)]


def _metadata(cloud: Cloud) -> List[Resource]:
    common = neutron.config(cloud)
    config = cloud.file(
        "neutron",
        "ovn-metadata-agent",
        group=cloud.profile.user("neutron"),
        databases=network.OVN_DATABASES,
        switch=_switch(cloud),
    )
    role = "neutron-ovn-metadata-agent"
    unit = cloud.unit(role, "neutron", [common, config], needs=[cloud.unit_id("ovn-controller")])
    # Neutron knows the agent by its program's name, which is that of its unit.
    return [config, unit, network.alive(cloud, cloud.profile.unit(role), unit)]


def _switch(cloud: Cloud) -> str:
    """The switch's own database, for the agent: its socket where the agent may open that, else its port."""
    if "ovs-database" in cloud.profile.paths:
        return f"unix:{cloud.profile.path('ovs-database')}"
    return SWITCH
