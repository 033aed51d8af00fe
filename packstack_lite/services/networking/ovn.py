"""OVN on compute and network nodes: ovn-controller and the metadata agent.

Routers, DHCP and security groups are flows of the switch, not processes.
"""

from __future__ import annotations

from typing import Dict, List

from packstack_lite.resources import OvsManager, OvsSetting
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.spec import ServiceSpec
from packstack_lite.services.networking import network_settings, neutron, ovn_central

SPEC = ServiceSpec(
    name="ovn",
    after=("ovn-central",),
    roles=("compute", "network"),
    l2_agents=("ovn",),
    internal_ports=ovn_central.INTERNAL_PORTS,
    units=("ovn-host", "ovn-controller", "neutron-ovn-metadata-agent"),
    optional_units=("ovn-chassis",),
    user="neutron",
    template_dir="ovn",
    smoke_cases=("network", "floating_ip", "metadata"),
)
# Where the switch's own database listens besides its socket: os-vif's default in Nova.
OVSDB_LISTEN = "ptcp:6640:127.0.0.1"
# The same address as clients write it.
OVSDB_ADDRESS = "tcp:127.0.0.1:6640"


def declare(context: NodeContext) -> List[Resource]:
    """Declare the switch's settings for OVN, ovn-controller, then the metadata agent."""
    switch = context.unit_id("openvswitch")
    settings = _declare_ovs_settings(context, switch)
    manager = OvsManager(target=OVSDB_LISTEN, phase=Phase.PLATFORM, tags=make_tags("ovn"), needs=(switch,))
    resources = [
        manager,
        *settings,
        *_declare_controller_units(context, settings),
        *_declare_chassis_unit(context),
        *_declare_metadata_agent(context),
    ]
    return [*resources, *(_declare_agents_alive(context, context, resources) if context.has_role("controller") else [])]


def declare_delegated(controller: NodeContext, node: NodeContext) -> List[Resource]:
    """Declare that another node's agents report themselves to Neutron's API.

    The controller waits for that on the node's behalf.
    """
    return _declare_agents_alive(controller, node, [])


def _chassis_options(context: NodeContext) -> Dict[str, str]:
    """Return the chassis options: physical networks, and whether it hosts routers."""
    return {
        "ovn-bridge-mappings": ",".join(
            f"{name}:{bridge}" for name, bridge in network_settings.bridge_mappings(context).items()
        ),
        "ovn-cms-options": "enable-chassis-as-gw" if context.has_role("network") else "",
    }


def _declare_agents_alive(context: NodeContext, node: NodeContext, local_resources: List[Resource]) -> List[Resource]:
    """Declare that Neutron reports the agents of ``node`` as alive.

    The metadata agent has its unit's name there.
    """
    names = {"ovn-controller": "ovn-controller"}
    if node.has_role("compute"):
        names["neutron-ovn-metadata-agent"] = node.profile.unit("neutron-ovn-metadata-agent")
    local_ids = {resource.id for resource in local_resources}
    needs = {role: [need for need in (node.unit_id(role),) if need in local_ids] for role in names}
    return [
        network_settings.declare_agent_alive(context, binary, node.facts.system.hostname, needs[role])
        for role, binary in names.items()
    ]


def _declare_ovs_settings(context: NodeContext, switch: str) -> List[Resource]:
    """Declare the settings that ovn-controller reads from the switch's database.

    It notices changes without a restart.
    """
    external_ids = {
        # Neutron binds a port to the host name that Nova sends, which is this one.
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


def _declare_chassis_unit(context: NodeContext) -> List[Resource]:
    """Declare the unit that copies the chassis options to where Neutron reads them.

    Only for releases whose OVN writes them elsewhere.

    It runs after each start of ovn-controller, which creates the chassis anew. See docs/decisions/0018.
    """
    chassis_settings = {
        name: value
        for name, value in {**_chassis_options(context), "datapath-type": context.ovs_datapath}.items()
        if value
    }
    databases = ovn_central.database_urls(context)
    files = context.render_optional_files(
        "ovn", "ovn-chassis-unit", phase=Phase.PLATFORM, databases=databases, settings=chassis_settings
    )
    needs = [context.unit_id("ovn-controller")]
    return [*files, *[context.declare_unit("ovn-chassis", "ovn", files, needs, phase=Phase.PLATFORM) for _ in files]]


def _declare_controller_units(context: NodeContext, settings: List[Resource]) -> List[Resource]:
    """Declare ovn-controller, and the unit that starts it at boot."""
    setting_ids = [setting.id for setting in settings]
    host_unit = context.declare_unit("ovn-host", "ovn", needs=setting_ids, phase=Phase.PLATFORM)
    ready = "[ $(ovn-appctl -t ovn-controller connection-status) = connected ] && ovs-vsctl br-exists br-int"
    central_needs = [context.unit_id("ovn-sb")] if context.has_role("controller") else []
    needs = [host_unit.id, *central_needs, *setting_ids]
    controller = context.declare_unit("ovn-controller", "ovn", needs=needs, ready=ready, phase=Phase.PLATFORM)
    return [host_unit, controller]


def _declare_metadata_agent(context: NodeContext) -> List[Resource]:
    """Declare the metadata agent, on compute nodes."""
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
    """Return the switch database's address for the metadata agent.

    The socket if the agent may open it, otherwise the port.
    """
    if "ovs-database" in context.profile.paths:
        return f"unix:{context.profile.path('ovs-database')}"
    return OVSDB_ADDRESS
