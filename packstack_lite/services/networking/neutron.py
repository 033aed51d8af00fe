"""Neutron's server, and the configuration that it shares with the agents."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence

import packstack_lite.answers.l2_agents as l2_agents
from packstack_lite.resources import File, Symlink
from packstack_lite.resources.base import Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import PORTS, NodeContext, make_tags
from packstack_lite.services._base.schema import database_account, declare_databases, declare_schema_sync
from packstack_lite.services._base.spec import Api, ServiceDatabase, ServiceSpec
from packstack_lite.services.networking import network_settings, ovn_central
from packstack_lite.services.networking.network_settings import split_list

SPEC = ServiceSpec(
    name="neutron",
    after=("nova-compute",),
    answer="CONFIG_NEUTRON_INSTALL",
    is_required=True,
    apis=(Api("network", "neutron", 9696, description="OpenStack Networking", units=("neutron-api",)),),
    units=("neutron-api", "neutron-rpc"),
    user="neutron",
    package_groups=("neutron-metering", "neutron-vpnaas"),
    databases=(ServiceDatabase("neutron", "neutron", "CONFIG_NEUTRON_DB_PW"),),
    account_parameter="CONFIG_NEUTRON_KS_PW",
    template_dir="neutron",
    smoke_cases=("network", "agents"),
)
# Geneve with OVN's own option: 8 bytes of UDP, 8 of Geneve, 8 of the option, 14 of Ethernet. Neutron's OVN driver
# refuses less (Zed, mech_driver.py, _validate_geneve_header_size); the outer IP header comes on top.
GENEVE_HEADER_BYTES = 38
# Layer 2 agent -> Packstack's service plugins, without those that the agent cannot serve.
SERVICE_PLUGINS: Mapping[str, Sequence[str]] = {
    "openvswitch": ("router",),
    "linuxbridge": ("router",),
    "ovn": ("qos", "trunk", "ovn-router"),
}
EXTENSION_DRIVERS: Mapping[str, Sequence[str]] = {
    "openvswitch": ("port_security",),
    "linuxbridge": ("port_security",),
    "ovn": ("port_security", "qos"),
}
# Created by VPNaaS's own migration, in every release (neutron_vpnaas/db/migration).
VPN_MARKER_TABLE = "neutron.alembic_version_vpnaas"


def declare(context: NodeContext) -> List[Resource]:
    """Declare Neutron's server: configuration, databases, catalog entries and unit.

    ml2_conf.ini has the mechanism drivers of the answers. Agents and OVN have modules of their own.
    """
    configuration, ml2 = declare_config(context), _declare_ml2_config(context)
    return [
        configuration,
        ml2,
        *_plugin_link(context, ml2),
        *declare_databases(context, SPEC),
        *_declare_schemas(context),
        *catalog.declare_catalog(context, SPEC),
        *_declare_server(context, configuration, ml2),
    ]


def has_metering(context: NodeContext) -> bool:
    """Return whether the metering agent counts routers' traffic."""
    return l2_agents.router_feature_is_enabled(context.answers, l2_agents.METERING_AGENT)


def has_vpn(context: NodeContext) -> bool:
    """Return whether routers offer IPsec tunnels (VPNaaS)."""
    return l2_agents.router_feature_is_enabled(context.answers, l2_agents.VPNAAS)


def package_groups(context: NodeContext) -> List[str]:
    """List the package groups of the network features that the answers ask for.

    Empty unless this is a network node.
    """
    if not context.has_role("network"):
        return []
    return [group for group, _, _ in l2_agents.requested_package_groups(context.answers)]


def _plugins(context: NodeContext) -> List[str]:
    """List the service plugins of the layer 2 agent and of the answers."""
    optional_plugins = {"metering": has_metering(context), "vpnaas": has_vpn(context)}
    return [
        *SERVICE_PLUGINS[context.l2_agent],
        *[plugin for plugin, is_wanted in optional_plugins.items() if is_wanted],
    ]


def declare_config(context: NodeContext) -> File:
    """Declare neutron.conf, which the server and every agent read.

    Only the controller's has the database URL.
    """
    return context.render_file(
        "neutron",
        "neutron",
        group=context.profile.user("neutron"),
        serves=context.has_role("controller"),
        connection=context.database_url(database_account(context, SPEC.databases[0])),
        plugins=_plugins(context),
        tunnels=has_vpn(context),
        mtu=network_settings.largest_mtu(context),
    )


def _declare_ml2_config(context: NodeContext) -> File:
    """Declare ml2_conf.ini."""
    return context.render_file(
        "neutron",
        "ml2",
        group=context.profile.user("neutron"),
        type_drivers=split_list(context["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"]),
        tenant_types=network_settings.tenant_network_types(context),
        extensions=EXTENSION_DRIVERS[context.l2_agent],
        mechanisms=split_list(context["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"]),
        flat_networks=split_list(context["CONFIG_NEUTRON_ML2_FLAT_NETWORKS"]),
        vlan_ranges=split_list(context["CONFIG_NEUTRON_ML2_VLAN_RANGES"]),
        gre_ranges=split_list(context["CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES"]),
        vni_ranges=split_list(context["CONFIG_NEUTRON_ML2_VNI_RANGES"]),
        vxlan_group=str(context["CONFIG_NEUTRON_ML2_VXLAN_GROUP"] or ""),
        path_mtu=network_settings.tunnel_mtu(context),
        smaller=_smaller_mtus(context),
        geneve_header=GENEVE_HEADER_BYTES,
        name_servers=network_settings.ovn_name_servers(context),
        databases=ovn_central.database_urls(context),
    )


def _plugin_link(context: NodeContext, ml2: File) -> List[Symlink]:
    """Declare the link by which the server finds the plugin's configuration.

    Empty where the distribution does not need one.
    """
    if "neutron-plugin" not in context.profile.paths:
        return []
    return [Symlink(path=context.profile.path("neutron-plugin"), target=ml2.path, tags=make_tags("neutron"))]


def _smaller_mtus(context: NodeContext) -> Dict[str, int]:
    """Return the physical networks whose MTU is below the largest one.

    Neutron takes the least of the values that it has for a network (Zed, type_flat.py, get_mtu).
    """
    largest = network_settings.largest_mtu(context)
    return {name: mtu for name, mtu in network_settings.physnet_mtus(context).items() if mtu < largest}


def _migrate_command(context: NodeContext, subproject_option: str = "") -> str:
    """Return the shell command that migrates Neutron's schema to the release.

    It reads the database's URL from neutron.conf and the plugin's models from ml2_conf.ini. ``subproject_option`` is ""
    or an option with a space at its end: ``--subproject neutron-vpnaas ``.
    """
    files = " ".join(f"--config-file {context.profile.path(path_key)}" for path_key in ("neutron", "ml2"))
    return context.run_as("neutron", f"neutron-db-manage {files} {subproject_option}upgrade heads")


def _declare_schemas(context: NodeContext) -> List[Resource]:
    """Declare the schema jobs of Neutron and VPNaaS.

    VPNaaS may be added to an existing cloud.
    """
    core_sync = declare_schema_sync(context, "neutron", _migrate_command(context))
    vpn_command = _migrate_command(context, "--subproject neutron-vpnaas ")
    vpn_sync = declare_schema_sync(context, "neutron-vpnaas", vpn_command, VPN_MARKER_TABLE, needs=[core_sync.id])
    return [core_sync, *([vpn_sync] if has_vpn(context) else [])]


def _declare_server(context: NodeContext, config: File, ml2: File) -> List[Resource]:
    """Declare the unit that serves the API and the agents."""
    unit_files = _declare_server_unit(context)
    ready = f"{context.http_check(context.endpoint_url('neutron', '/'))} && {_queue_consumer_check(context)}"
    restart_triggers = [config, ml2, *_plugin_link(context, ml2), *unit_files]
    return [*unit_files, context.declare_unit("neutron-api", "neutron", restart_triggers, ready=ready)]


def _declare_server_unit(context: NodeContext) -> List[Resource]:
    """Declare the drop-in that makes the packaged unit run the whole server.

    Empty where the unit does so by itself.
    """
    return [
        *context.render_optional_files(
            "neutron", "neutron-server-unit", log=context.profile.log_path("neutron-api", "neutron")
        )
    ]


def _queue_consumer_check(context: NodeContext) -> str:
    """Return a shell command that exits 0 once the server consumes its queue.

    An agent that calls earlier waits 60 s in vain. ``rabbitmqctl`` starts Erlang for 1 to 2 s, so it runs only once
    the server is connected, and only on the queue's own node.
    """
    connected = f"ss -Hntp state established 'dport = :{PORTS['rabbitmq']}' | grep -q '\"neutron-'"
    if not context.has_role("queue"):
        return connected
    return f"{connected} && rabbitmqctl -q list_consumers queue_name | grep -qx q-plugin"
