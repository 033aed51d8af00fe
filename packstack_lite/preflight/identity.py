"""Check that what stored data depends on is as it was deployed.

Keys and the L2 agent have checks of their own (``keys``, ``agent``).
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from packstack_lite.counts import format_count
from packstack_lite.ip_addresses import LOOPBACK_NAMES
from packstack_lite.nodes.facts import Facts
from packstack_lite.nodes.facts.fields import parse_number
from packstack_lite.preflight import node_commands
from packstack_lite.preflight.check import CheckContext, Findings, error, own_addresses, warning
from packstack_lite.services import NodeContext
from packstack_lite.services.networking import network_settings

_HOST_NAME, _SWITCH, _REGION = "host name", "Open vSwitch's system-id", "CONFIG_KEYSTONE_REGION"
_DATABASE_SERVER, _EXPORTS = "CONFIG_MARIADB_HOST", "CONFIG_CINDER_NFS_MOUNTS"
# The identity of a database server on the controller itself, whose address may change.
_THIS_NODE = "this node"
_CEPH_CREATE, _CEPH_CONF = "CONFIG_CINDER_CEPH_CREATE", "CONFIG_CINDER_CEPH_CONF"
# Cinder's back end -> the parameters that name where it keeps volumes.
_VOLUME_STORES = {
    "lvm": ("CONFIG_CINDER_VOLUME_NAME",),
    "ceph": ("CONFIG_CINDER_CEPH_POOL", _CEPH_CREATE, _CEPH_CONF),
    "nfs": (_EXPORTS,),
}
_IGNORE = "; or go on, and lose what depends on it: --ignore identity"
# Networks of these types leave through a physical network.
_PHYSICAL_TYPES = ("flat", "vlan")
# The demo's networks -> the parameters of their ranges.
_RANGES = {"public": "CONFIG_PROVISION_DEMO_FLOATRANGE", "private": "CONFIG_PROVISION_DEMO_PRIVATE_RANGE"}


def identity_of(answers: Mapping[str, Any], facts: Facts, roles: Sequence[str]) -> Dict[str, str]:
    """Return what stored data on a node depends on, for the manifest.

    What is not there, or not known, is left out.
    """
    identity = {_HOST_NAME: facts.system.hostname, _SWITCH: facts.cloud.ovs_system_id}
    if "controller" in roles:
        identity[_REGION] = str(answers.get(_REGION) or "")
        identity[_DATABASE_SERVER] = _database_server(answers, facts, roles)
    if "storage" in roles and answers.get("CONFIG_CINDER_INSTALL"):
        backends = answers.get("CONFIG_CINDER_BACKEND") or ()
        names = [name for backend, names in _VOLUME_STORES.items() if backend in backends for name in names]
        identity.update({name: _answer_text(answers, name) for name in names})
        # A cluster of our own has no configuration file of the user's.
        if identity.get(_CEPH_CREATE) == "y":
            del identity[_CEPH_CONF]
    return {key: value for key, value in identity.items() if value}


def _answer_text(answers: Mapping[str, Any], name: str) -> str:
    """Return a typed answer as an answer file has it, "" for none."""
    value = answers.get(name)
    if isinstance(value, bool):
        return "y" if value else "n"
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value or "")


def _database_server(answers: Mapping[str, Any], facts: Facts, roles: Sequence[str]) -> str:
    """Return where the controller's databases are: a server, or ``_THIS_NODE``.

    CONFIG_MARIADB_HOST names an existing server, whose node need not have the role; a loopback name there means the
    controller, which has it then.
    """
    server = str(answers.get(_DATABASE_SERVER) or "")
    if answers.get("CONFIG_MARIADB_INSTALL", True) or server in LOOPBACK_NAMES:
        return _THIS_NODE if "database" in roles else server
    return _THIS_NODE if server in {*own_addresses(facts), facts.system.hostname} else server


def check_identity(context: CheckContext) -> Findings:
    """Check that names, databases, back ends and networks of stored data stay.

    With each error goes the way back.
    """
    manifest = context.facts.cloud.manifest
    if manifest.is_damaged:
        yield warning(
            "/var/lib/packstack-lite/manifest.json cannot be read: what earlier runs made is not known",
            "nothing of theirs is removed; the next apply writes it anew",
        )
    yield from _check_recorded_identity(context)
    yield from _check_databases(context)
    yield from _check_instances(context)
    yield from _check_volumes(context)
    yield from _check_images(context)
    if context.profile is not None and context.facts.cloud.networks:
        yield from _check_networks(context, NodeContext(context.answers, context.facts, context.profile))


def _check_recorded_identity(context: CheckContext) -> Findings:
    """Compare the manifest's identity with the node's and the answers'."""
    current = identity_of(context.answers, context.facts, context.roles)
    for key, recorded in context.facts.cloud.manifest.identity.items():
        value = current.get(key, recorded)
        if value == recorded:
            continue
        if key == _REGION:
            yield warning(
                f"the region {recorded} becomes {value}: its endpoints are removed, and clients that ask for it fail",
                f"set {_REGION}={recorded} to keep it",
            )
        elif key == _HOST_NAME:
            yield error(
                f"this node was deployed as {recorded} and is called {value} now:"
                f" instances, volumes and agents of {recorded} would be nobody's",
                f"{node_commands.set_hostname(recorded, context.facts.network.address)}{_IGNORE}",
            )
        elif key == _SWITCH:
            yield error(
                f"{key} was {recorded} and is {value} now: OVN would take this node for another one",
                f"{node_commands.set_system_id(recorded)}{_IGNORE}",
            )
        elif key == _DATABASE_SERVER:
            yield from _check_database_server(recorded, value)
        elif key == _EXPORTS:
            yield from _check_exports(recorded, value)
        else:
            yield error(
                f"{key} was {recorded} and is {value} now: the volumes there would not be found",
                f"set {key}={recorded}{_IGNORE}",
            )


def _check_database_server(recorded: str, current: str) -> Findings:
    """Check that the databases of the controller stay on another node or server.

    ``_check_databases`` looks for those on the node itself.
    """
    if recorded != _THIS_NODE:
        yield error(
            f"the cloud's databases are on {recorded}, and the answers name {current}:"
            " the cloud would begin anew, without its users, instances and networks",
            f"set {_DATABASE_SERVER}={recorded}, with CONFIG_MARIADB_INSTALL as it was; if it is the same server under"
            " another name, or the databases were copied: --ignore identity",
        )


def _check_exports(recorded: str, current: str) -> Findings:
    """Check that no NFS export is given up; more may come."""
    lost = [export for export in recorded.split(",") if export not in current.split(",")]
    if lost:
        yield error(
            f"{_EXPORTS} has lost {', '.join(lost)}: the volumes there would not be found",
            f"set {_EXPORTS}={recorded}{_IGNORE}",
        )


def _check_databases(context: CheckContext) -> Findings:
    """Check that the databases stay on the node that holds them."""
    schemas = [name for name in ("keystone", "nova", "neutron") if name in context.facts.cloud.mariadb_databases]
    if schemas and context.facts.cloud.deployed_by_us and not _keeps_databases(context):
        yield error(
            f"the cloud's databases ({', '.join(schemas)} ...) are on this node, and the answers name another server:"
            " the cloud would begin anew, without its users, instances and networks",
            "set CONFIG_MARIADB_HOST to this node; or copy the databases there first, then --ignore identity",
        )


def _keeps_databases(context: CheckContext) -> bool:
    """Return whether the answers leave the databases on this node."""
    return _database_server(context.answers, context.facts, context.roles) == _THIS_NODE


def _check_instances(context: CheckContext) -> Findings:
    """Check that hypervisors with instances stay hypervisors."""
    for host, names in sorted(context.facts.cloud.instances.items()):
        if host in context.hosts:
            if "compute" not in context.hosts[host]:
                yield error(
                    f"{host} is no compute node in the answers any more, and instances are on it: {names}",
                    f"add {host} to CONFIG_COMPUTE_HOSTS again and apply; then migrate them"
                    " (openstack server migrate --live-migration NAME) or delete them, and take it out",
                )
        elif context.knows_all_hosts:
            yield warning(
                f"{host} is not in the answers, and instances are on it: {names}",
                f"add {host} to CONFIG_COMPUTE_HOSTS; or migrate them, or delete them",
            )


def _check_volumes(context: CheckContext) -> Findings:
    """Check that the back ends with volumes stay where they are."""
    if not context.answers.get("CONFIG_CINDER_INSTALL"):
        return
    backends = tuple(context.answers.get("CONFIG_CINDER_BACKEND") or ())
    for place, count in sorted(context.facts.cloud.volumes.items()):
        host, _, rest = place.partition("@")
        backend = rest.partition("#")[0]
        volumes = format_count(parse_number(count), "volume")
        if backend not in backends:
            yield error(
                f"{volumes} on the back end {backend}, which is not in CONFIG_CINDER_BACKEND: nobody would serve them",
                f"add {backend} to CONFIG_CINDER_BACKEND{_IGNORE}",
            )
        elif "storage" not in context.hosts.get(host, () if context.knows_all_hosts else ("storage",)):
            yield error(
                f"{volumes} of {host}@{backend}: {host} is no storage node in the answers, so nobody would serve them",
                f"set CONFIG_STORAGE_HOST to {host}, or give the node that name again{_IGNORE}",
            )


def _check_images(context: CheckContext) -> Findings:
    """Check that Glance keeps the store that its images are in."""
    stores = {store.partition("+")[0] for store in context.facts.cloud.image_stores}
    if "swift" in stores and context.answers.get("CONFIG_GLANCE_BACKEND") != "swift":
        yield error(
            "images are in Swift, and CONFIG_GLANCE_BACKEND is another store: they could not be read",
            f"set CONFIG_GLANCE_BACKEND=swift{_IGNORE}",
        )


def _check_networks(context: CheckContext, settings: NodeContext) -> Findings:
    """Check what Neutron cannot change: networks' types and physical networks, ranges."""
    networks = [tuple(line.split(" ", 2)) for line in context.facts.cloud.networks]
    yield from _check_network_types(context, [(kind, physnet, name) for kind, physnet, name in networks], settings)
    if not context.answers.get("CONFIG_PROVISION_DEMO"):
        return
    wanted = {
        "public": ("flat", network_settings.external_physnet(settings)),
        "private": (network_settings.tenant_network_types(settings)[0], "-"),
    }
    for name, (kind, physnet) in wanted.items():
        existing = [network for network in networks if network[2] == name]
        if existing and (kind, physnet) not in [
            (network[0], network[1] if kind in _PHYSICAL_TYPES else "-") for network in existing
        ]:
            yield error(
                f"the network {name} is {_describe_network(existing[0][0], existing[0][1])}, and the answers want"
                f" {_describe_network(kind, physnet)}: that cannot be changed",
                f"answer as it was deployed; or delete the network {name} with all that uses it, and apply again",
            )
    yield from _check_ranges(context)


def _describe_network(kind: str, physnet: str) -> str:
    """Describe a network's type and its physical network, "-" for none."""
    return kind if physnet == "-" else f"{kind} on {physnet}"


def _check_network_types(
    context: CheckContext, networks: Sequence[Tuple[str, str, str]], settings: NodeContext
) -> Findings:
    """Check that the types and physical networks of existing networks stay served."""
    type_drivers = network_settings.split_list(context.answers.get("CONFIG_NEUTRON_ML2_TYPE_DRIVERS"))
    physnets = set(_mapped_physnets(settings))
    for kind in sorted({kind for kind, _, _ in networks} - set(type_drivers)):
        names = _names(network for network in networks if network[0] == kind)
        yield error(
            f"CONFIG_NEUTRON_ML2_TYPE_DRIVERS lacks {kind}, the type of existing networks: {names}",
            f"add {kind} to CONFIG_NEUTRON_ML2_TYPE_DRIVERS{_IGNORE}",
        )
    for physnet in sorted({physnet for kind, physnet, _ in networks if kind in _PHYSICAL_TYPES} - physnets):
        names = _names(network for network in networks if network[1] == physnet)
        parameter = network_settings.agent_parameter_name(settings, "BRIDGE_MAPPINGS") or "the interface mappings"
        yield error(
            f"no bridge is mapped to the physical network {physnet} any more, which existing networks use: {names}",
            f"add {physnet}:BRIDGE to {parameter}{_IGNORE}",
        )


def _mapped_physnets(settings: NodeContext) -> List[str]:
    """Return the physical networks that the answers map to bridges or interfaces."""
    sriov_pairs = network_settings.split_list(settings.answers.get("CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS"))
    return [
        *network_settings.bridge_mappings(settings),
        *network_settings.interface_mappings(settings),
        *(pair.partition(":")[0] for pair in sriov_pairs),
    ]


def _names(networks: Iterator[Tuple[str, str, str]]) -> str:
    """Return the names of networks, sorted and joined."""
    return ", ".join(sorted(network[2] for network in networks))


def _check_ranges(context: CheckContext) -> Findings:
    """Check that the ranges of the demo's networks are those of their subnets."""
    subnets = [line.partition(" ") for line in context.facts.cloud.subnets]
    for network, parameter in _RANGES.items():
        ranges = [cidr for cidr, _, name in subnets if name == f"{network}_subnet"]
        wanted = str(IPv4Network(str(context.answers.get(parameter) or "0.0.0.0/0"), strict=False))
        if ranges and wanted not in ranges:
            yield error(
                f"the range of the network {network} is {ranges[0]}, and {parameter} is {wanted}:"
                " that cannot be changed",
                f"set {parameter}={ranges[0]}; or delete the network {network} with all that uses it, and apply again",
            )
