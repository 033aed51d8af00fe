"""Neutron: its configuration, and the server for API and agents. The agents have modules of their own."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence

import packstack_lite.answers.agents as agents
from packstack_lite.resources import File, Link
from packstack_lite.resources.base import Resource
from packstack_lite.services import catalog, network
from packstack_lite.services.cloud import PORTS, Account, Cloud, tags
from packstack_lite.services.network import words
from packstack_lite.services.schema import database, sync

# Geneve with OVN's own option: 8 bytes of UDP, 8 of Geneve, 8 of the option, 14 of Ethernet. Neutron's OVN driver
# refuses less (Zed, mech_driver.py, _validate_geneve_header_size); the outer IP header comes on top.
GENEVE_HEADER = 38
# Packstack's, as far as the agents of each take part.
PLUGINS: Mapping[str, Sequence[str]] = {
    "openvswitch": ("router",),
    "linuxbridge": ("router",),
    "ovn": ("qos", "trunk", "ovn-router"),
}
EXTENSIONS: Mapping[str, Sequence[str]] = {
    "openvswitch": ("port_security",),
    "linuxbridge": ("port_security",),
    "ovn": ("port_security", "qos"),
}
# What VPNaaS's own migration leaves behind; the same in every release (neutron_vpnaas/db/migration).
VPN_MARKER = "neutron.alembic_version_vpnaas"


def declare(cloud: Cloud) -> List[Resource]:
    """The server with ML2 and the mechanism that the answers choose."""
    configuration, ml2 = config(cloud), _ml2(cloud)
    return [
        configuration,
        ml2,
        *_plugin(cloud, ml2),
        database(cloud, "neutron", _account(cloud)),
        *_schemas(cloud),
        catalog.account(cloud, "neutron", cloud["CONFIG_NEUTRON_KS_PW"]),
        *catalog.service(cloud, "neutron", "network", cloud.endpoint("neutron"), "OpenStack Networking"),
        *_server(cloud, configuration, ml2),
    ]


def meters(cloud: Cloud) -> bool:
    """Whether the traffic of routers is counted."""
    return agents.routed(cloud.answers, agents.METERING)


def tunnels(cloud: Cloud) -> bool:
    """Whether routers have IPsec tunnels."""
    return agents.routed(cloud.answers, agents.VPN)


def groups(cloud: Cloud) -> List[str]:
    """The groups of packages that not every cloud's network needs."""
    return [group for group, _, _ in agents.groups(cloud.answers)]


def _plugins(cloud: Cloud) -> List[str]:
    more = {"metering": meters(cloud), "vpnaas": tunnels(cloud)}
    return [*PLUGINS[cloud.l2_agent], *[plugin for plugin, wanted in more.items() if wanted]]


def _account(cloud: Cloud) -> Account:
    return Account("neutron", cloud["CONFIG_NEUTRON_DB_PW"], "neutron")


def config(cloud: Cloud) -> File:
    """neutron.conf, which the server and every agent read."""
    return cloud.file(
        "neutron",
        "neutron",
        group=cloud.profile.user("neutron"),
        connection=cloud.db_url(_account(cloud)),
        plugins=_plugins(cloud),
        tunnels=tunnels(cloud),
        mtu=network.greatest_mtu(cloud),
    )


def _ml2(cloud: Cloud) -> File:
    return cloud.file(
        "neutron",
        "ml2",
        group=cloud.profile.user("neutron"),
        type_drivers=words(cloud["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"]),
        tenant_types=network.tenant_types(cloud),
        extensions=EXTENSIONS[cloud.l2_agent],
        mechanisms=words(cloud["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"]),
        flat_networks=words(cloud["CONFIG_NEUTRON_ML2_FLAT_NETWORKS"]),
        vlan_ranges=words(cloud["CONFIG_NEUTRON_ML2_VLAN_RANGES"]),
        gre_ranges=words(cloud["CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES"]),
        vni_ranges=words(cloud["CONFIG_NEUTRON_ML2_VNI_RANGES"]),
        vxlan_group=str(cloud["CONFIG_NEUTRON_ML2_VXLAN_GROUP"] or ""),
        path_mtu=network.tunnel_mtu(cloud),
        smaller=_smaller(cloud),
        geneve_header=GENEVE_HEADER,
        databases=network.OVN_DATABASES,
    )


def _plugin(cloud: Cloud, ml2: File) -> List[Link]:
    """The name under which the distribution's server reads the plugin's configuration, where it has one of its own."""
    if "neutron-plugin" not in cloud.profile.paths:
        return []
    return [Link(path=cloud.profile.path("neutron-plugin"), target=ml2.path, tags=tags("neutron"))]


def _smaller(cloud: Cloud) -> Dict[str, int]:
    """Physical networks that carry less than others. Neutron takes the least of what it is told of a network (Zed,
    type_flat.py, get_mtu)."""
    most = network.greatest_mtu(cloud)
    return {name: mtu for name, mtu in network.network_mtus(cloud).items() if mtu < most}


def _migrate(cloud: Cloud, which: str = "") -> str:
    """Neutron's own migration reads its URL from the first file, the plugin's models from the second."""
    files = " ".join(f"--config-file {cloud.profile.path(what)}" for what in ("neutron", "ml2"))
    return cloud.as_user("neutron", f"neutron-db-manage {files} {which}upgrade heads")


def _schemas(cloud: Cloud) -> List[Resource]:
    """The plug-in for tunnels has tables of its own, also where it comes later."""
    own = sync(cloud, "neutron", _migrate(cloud))
    tables = _migrate(cloud, "--subproject neutron-vpnaas ")
    more = sync(cloud, "neutron-vpnaas", tables, VPN_MARKER, needs=[own.id])
    return [own, *([more] if tunnels(cloud) else [])]


def _server(cloud: Cloud, config: File, ml2: File) -> List[Resource]:
    """The unit that serves the API and the agents."""
    own = _server_unit(cloud)
    ready = f"{cloud.http_ready(cloud.endpoint('neutron', '/'))} && {_consumes()}"
    read = [config, ml2, *_plugin(cloud, ml2), *own]
    return [*own, cloud.unit("neutron-api", "neutron", read, ready=ready)]


def _server_unit(cloud: Cloud) -> List[Resource]:
    """What makes the packaged unit run the whole server, where the distribution's own does not."""
    return [*cloud.optional("neutron", "neutron-server-unit", log=cloud.profile.log("neutron-api", "neutron"))]


def _consumes() -> str:
    """The server consumes its queue: an agent that calls earlier waits 60 s for nothing.

    Asking RabbitMQ costs an Erlang start of 1 to 2 s, so only once the server is connected.
    """
    connected = f"ss -Hntp state established 'dport = :{PORTS['rabbitmq']}' | grep -q '\"neutron-'"
    return f"{connected} && rabbitmqctl -q list_consumers queue_name | grep -qx q-plugin"
