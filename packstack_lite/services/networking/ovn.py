"""OVN on a host with instances or routers: the controller that programs the switch, and Neutron's metadata agent.
Routers, DHCP and security groups are flows of the switch, not processes."""

from __future__ import annotations

from typing import Dict, List

from packstack_lite.resources import OvsManager, OvsSetting
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services.networking import network_settings, neutron, ovn_central

# Where the switch's own database listens besides its socket: os-vif's default, in Nova, is to ask there.
OVSDB_LISTEN = "ptcp:6640:127.0.0.1"
# The same as those who ask there write it.
OVSDB_ADDRESS = "tcp:127.0.0.1:6640"


def declare(context: NodeContext) -> List[Resource]:
    """The switch told of OVN's databases, the controller, then the metadata agent."""
    switch = context.unit_id("openvswitch")
    settings = _ovs_settings(context, switch)
    manager = OvsManager(target=OVSDB_LISTEN, phase=Phase.PLATFORM, tags=make_tags("ovn"), needs=(switch,))
    resources = [
        manager,
        *settings,
        *_controller_units(context, settings),
        *_chassis_unit(context),
        *_metadata_agent(context),
    ]
    return [*resources, *(_agents_alive(context, context, resources) if context.has_role("controller") else [])]


def declare_delegated(controller: NodeContext, node: NodeContext) -> List[Resource]:
    """What the controller sees of another host's agents."""
    return _agents_alive(controller, node, [])


def _chassis_options(context: NodeContext) -> Dict[str, str]:
    """The physical networks that a host leads to, and whether it takes routers."""
    return {
        "ovn-bridge-mappings": ",".join(
            f"{name}:{bridge}" for name, bridge in network_settings.bridge_mappings(context).items()
        ),
        "ovn-cms-options": "enable-chassis-as-gw" if context.has_role("network") else "",
    }


def _agents_alive(context: NodeContext, node: NodeContext, local_resources: List[Resource]) -> List[Resource]:
    """Neutron knows the metadata agent by its program's name, which is that of its unit."""
    names = {"ovn-controller": "ovn-controller"}
    if node.has_role("compute"):
        names["neutron-ovn-metadata-agent"] = node.profile.unit("neutron-ovn-metadata-agent")
    local_ids = {resource.id for resource in local_resources}
    needs = {role: [need for need in (node.unit_id(role),) if need in local_ids] for role in names}
    return [
        network_settings.declare_agent_alive(context, binary, node.facts.system.hostname, needs[role])
        for role, binary in names.items()
    ]


def _ovs_settings(context: NodeContext, switch: str) -> List[Resource]:
    """What the controller reads from the switch's database, as it changes: it needs no restart."""
    external_ids = {
        # Neutron binds a port to the host that Nova names, and Nova names it so.
        "hostname": context.facts.system.hostname,
        "ovn-remote": ovn_central.database_urls(context)["sb"],
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": network_settings.tunnel_address(context),
        "ovn-bridge-datapath-type": context.ovs_datapath,
        **_chassis_options(context),
    }
    return [
        OvsSetting(
            column=f"external_ids:{name}", value=value, phase=Phase.PLATFORM, tags=make_tags("ovn"), needs=(switch,)
        )
        for name, value in external_ids.items()
        if value
    ]


def _chassis_unit(context: NodeContext) -> List[Resource]:
    """The same where Neutron looks for it, if that is not where OVN puts it; again whenever the controller has begun
    anew, which makes the chassis anew."""
    chassis_settings = {
        name: value
        for name, value in {**_chassis_options(context), "datapath-type": context.ovs_datapath}.items()
        if value
    }
    databases = ovn_central.database_urls(context)
    files = context.render_optional_files(
        "ovn", "ovn-chassis-unit", phase=Phase.PLATFORM, databases=databases, told=chassis_settings
    )
    needs = [context.unit_id("ovn-controller")]
    return [*files, *[context.declare_unit("ovn-chassis", "ovn", files, needs, phase=Phase.PLATFORM) for _ in files]]


def _controller_units(context: NodeContext, settings: List[Resource]) -> List[Resource]:
    setting_ids = [setting.id for setting in settings]
    host_unit = context.declare_unit("ovn-host", "ovn", needs=setting_ids, phase=Phase.PLATFORM)
    ready = "[ $(ovn-appctl -t ovn-controller connection-status) = connected ] && ovs-vsctl br-exists br-int"
    central_needs = [context.unit_id("ovn-sb")] if context.has_role("controller") else []
    needs = [host_unit.id, *central_needs, *setting_ids]
    controller = context.declare_unit("ovn-controller", "ovn", needs=needs, ready=ready, phase=Phase.PLATFORM)
    return [host_unit, controller]


def _metadata_agent(context: NodeContext) -> List[Resource]:
    """On the hosts with instances, which ask their own host."""
    if not context.has_role("compute"):
        return []
    common = neutron.declare_config(context)
    config = context.render_file(
        "neutron",
        "ovn-metadata-agent",
        group=context.profile.user("neutron"),
        databases=ovn_central.database_urls(context),
        switch=_ovsdb_address(context),
    )
    role = "neutron-ovn-metadata-agent"
    unit = context.declare_unit(role, "neutron", [common, config], needs=[context.unit_id("ovn-controller")])
    return [common, config, unit]


def _ovsdb_address(context: NodeContext) -> str:
    """The switch's own database, for the agent: its socket where the agent may open that, else its port."""
    if "ovs-database" in context.profile.paths:
        return f"unix:{context.profile.path('ovs-database')}"
    return OVSDB_ADDRESS
