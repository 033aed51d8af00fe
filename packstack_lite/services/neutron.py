"""Neutron: the API, its RPC server, and the agents for switching, routing, DHCP and metadata."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

from packstack_lite.errors import UsageFault
from packstack_lite.resources import Entity, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import catalog
from packstack_lite.services.cloud import PORTS, Account, Cloud, tags
from packstack_lite.services.schema import database, sync

TUNNELS = ("vxlan", "gre", "geneve")
AGENTS = {
    "neutron-openvswitch-agent": "openvswitch-agent",
    "neutron-l3-agent": "l3-agent",
    "neutron-dhcp-agent": "dhcp-agent",
    "neutron-metadata-agent": "metadata-agent",
}


def declare(cloud: Cloud) -> List[Resource]:
    """Neutron with ML2 and the Open vSwitch agent."""
    account = Account("neutron", cloud["CONFIG_NEUTRON_DB_PW"], "neutron")
    config, ml2 = _config(cloud, account), _ml2(cloud)
    server = _server(cloud, config, ml2)
    return [
        config,
        ml2,
        database(cloud, "neutron", account),
        sync(cloud, "neutron", _migrate(cloud), "neutron.alembic_version"),
        catalog.account(cloud, "neutron", cloud["CONFIG_NEUTRON_KS_PW"]),
        *catalog.service(cloud, "neutron", "network", cloud.endpoint("neutron"), "OpenStack Networking"),
        *server,
        *_agents(cloud, config),
    ]


def _config(cloud: Cloud, account: Account) -> Resource:
    return cloud.file("neutron", "neutron", group=cloud.profile.user("neutron"), connection=cloud.db_url(account))


def words(answer: object) -> Tuple[str, ...]:
    """A list answer, whether it came as text or as a tuple."""
    parts = answer.split(",") if isinstance(answer, str) else tuple(answer or ())  # type: ignore[arg-type]
    return tuple(part.strip() for part in map(str, parts) if part.strip())


def tenant_types(cloud: Cloud) -> Tuple[str, ...]:
    """The kinds of network that projects get."""
    return words(cloud["CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"]) or ("vxlan",)


def _ml2(cloud: Cloud) -> Resource:
    return cloud.file(
        "neutron",
        "ml2",
        group=cloud.profile.user("neutron"),
        type_drivers=words(cloud["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"]),
        tenant_types=tenant_types(cloud),
        mechanisms=words(cloud["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"]),
        flat_networks=words(cloud["CONFIG_NEUTRON_ML2_FLAT_NETWORKS"]),
        vlan_ranges=words(cloud["CONFIG_NEUTRON_ML2_VLAN_RANGES"]),
        gre_ranges=words(cloud["CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES"]),
        vni_ranges=words(cloud["CONFIG_NEUTRON_ML2_VNI_RANGES"]),
        vxlan_group=str(cloud["CONFIG_NEUTRON_ML2_VXLAN_GROUP"] or ""),
    )


def _migrate(cloud: Cloud) -> str:
    """Neutron's own migration reads its URL from the first file, the plugin's models from the second."""
    files = " ".join(f"--config-file {cloud.profile.path(what)}" for what in ("neutron", "ml2"))
    return cloud.as_user("neutron", f"neutron-db-manage {files} upgrade heads")


def _server(cloud: Cloud, config: Resource, ml2: Resource) -> List[Resource]:
    """The unit that serves the API and the agents."""
    own = _server_unit(cloud)
    ready = f"{cloud.http_ready(cloud.endpoint('neutron', '/'))} && {_consumes()}"
    return [*own, cloud.unit("neutron-api", "neutron", [config, ml2, *own], ready=ready)]


def _server_unit(cloud: Cloud) -> List[Resource]:
    """What makes the packaged unit run the whole server, where the distribution's own does not."""
    if "neutron-server-unit" not in cloud.profile.paths:
        return []
    return [cloud.file("neutron", "neutron-server-unit", log=cloud.profile.log("neutron-api", "neutron"))]


def _consumes() -> str:
    """The server consumes its queue: an agent that calls earlier waits 60 s for nothing.

    Asking RabbitMQ costs an Erlang start of 1 to 2 s, so only once the server is connected.
    """
    connected = f"ss -Hntp state established 'dport = :{PORTS['rabbitmq']}' | grep -q '\"neutron-'"
    return f"{connected} && rabbitmqctl -q list_consumers queue_name | grep -qx q-plugin"


def _agents(cloud: Cloud, config: Resource) -> List[Resource]:
    """The agents, and that neutron sees them alive: ports bound before that would fail."""
    rpc = cloud.unit_id("neutron-rpc")
    found: List[Resource] = []
    for role, what in AGENTS.items():
        own = cloud.file("neutron", what, group=cloud.profile.user("neutron"), **_of_agent(cloud, what))
        unit = cloud.unit(role, "neutron", [config, own], needs=[rpc])
        found += [own, unit, _alive(cloud, role, unit)]
    return found


def _of_agent(cloud: Cloud, what: str) -> Dict[str, Any]:
    if what != "openvswitch-agent":
        return {}
    return {
        "mappings": words(cloud["CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS"]),
        "tunnel_types": tuple(kind for kind in tenant_types(cloud) if kind in TUNNELS),
        "tunnel_address": _tunnel_address(cloud),
        "vxlan_port": cloud["CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT"],
    }


def _tunnel_address(cloud: Cloud) -> str:
    """The address on the interface for tunnels; the controller's own when none is named."""
    name = str(cloud["CONFIG_NEUTRON_OVS_TUNNEL_IF"] or "")
    if not name:
        return cloud.address
    found = [card.addresses[0] for card in cloud.facts.interfaces if card.name == name and card.addresses]
    if not found:
        raise UsageFault(
            f"CONFIG_NEUTRON_OVS_TUNNEL_IF={name}: {cloud.facts.hostname} has no such interface with an address",
            f"choose one of: {', '.join(card.name for card in cloud.facts.interfaces if card.addresses)}",
        )
    return found[0].split("/")[0]


def _alive(cloud: Cloud, binary: str, unit: Unit) -> Entity:
    return Entity(
        type="network_agent",
        name=f"{binary}@{cloud.facts.hostname}",
        body={"alive": True},
        api=cloud.api,
        phase=Phase.SERVICES,
        tags=tags("neutron"),
        needs=(unit.id, cloud.unit_id("neutron-api")),
    )


def physical_networks(cloud: Cloud) -> Sequence[str]:
    """The names of the physical networks that the answers map to bridges."""
    return [mapping.split(":", 1)[0] for mapping in words(cloud["CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS"])]
