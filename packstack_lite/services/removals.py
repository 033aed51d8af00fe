"""Declare the removal of what the manifest lists and nobody declares any more.

Called by ``deployment``. See docs/decisions/0025.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Collection, Dict, FrozenSet, Iterable, List, Mapping, Sequence, Tuple

import packstack_lite.answers.l2_agents as l2_agents
from packstack_lite.counts import format_count
from packstack_lite.manifest import ManifestEntry
from packstack_lite.resources import (
    ApiObject,
    File,
    OvsSetting,
    RemovedDatabaseUser,
    RemovedFile,
    RemovedMetadataAgent,
    RemovedNat,
    RemovedRabbitmqUser,
    Unit,
    UserFiles,
)
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import DATABASE_CLIENT_CONFIG, NodeContext, make_tags
from packstack_lite.services.networking import neutron_agents, neutron_openvswitch, ovn_central
from packstack_lite.services.registry import SPECS

COMPUTE_UNIT, METADATA_AGENT = "nova-compute", "neutron-ovn-metadata-agent"
# Roles of units that report themselves to Neutron under the role's name.
_AGENTS = (
    *("ovn-controller", METADATA_AGENT, neutron_openvswitch.L2_AGENT, "neutron-linuxbridge-agent"),
    *(*neutron_agents.ROUTING_AGENTS, *neutron_agents.METERING_AGENTS),
)
# Entries that name nodes: they can be judged only if every node of the cloud is known.
HOST_KINDS = ("compute_service", "network_agent", "volume_service", "database_user")
# Entries whose thing may outlive a run that wants to remove it, on a node that the run does not reach.
LASTING_KINDS = ("compute_service", "network_agent", "volume_service")
# What the host's own set-up made depends on facts too, and the host may need it without us.
_HOST_TAG = "host"
_DEMO = "CONFIG_PROVISION_DEMO"
_NOUNS = {"unit": "unit", "file": "file", "endpoint": "endpoint", "user": "account", "database_user": "account"}


@dataclass(frozen=True)
class Removals:
    """The things that are no longer declared on a node.

    ``resources`` remove it. ``kept`` says in sentences what stays, and why. ``kept_ids`` are its entries.
    """

    resources: Tuple[Resource, ...] = ()
    kept: Tuple[str, ...] = ()
    kept_ids: FrozenSet[str] = frozenset()


def list_entries(resources: Iterable[Resource]) -> Tuple[ManifestEntry, ...]:
    """Return the manifest's entries of declared resources.

    Without the user's own files, which have a record of their own (``UserFiles``).
    """
    resources = list(resources)
    user_paths = {path for resource in resources if isinstance(resource, UserFiles) for path in resource.paths}
    return tuple(
        ManifestEntry(id_, resource.phase.value, resource.tags)
        for resource in resources
        if not (isinstance(resource, File) and resource.path in user_paths)
        for id_ in resource.manifest_entries
    )


def entries_of_lost_roles(context: NodeContext, recorded: Sequence[ManifestEntry]) -> Tuple[ManifestEntry, ...]:
    """Return entries for the services that units report to the APIs.

    ``recorded`` are entries that a node no longer declares. The controller's manifest lists services of other nodes
    since version 2 only.
    """
    host = context.facts.system.hostname
    recorded_ids = {entry.id for entry in recorded}
    agents = [role for role in _AGENTS if role in context.profile.units and context.unit_id(role) in recorded_ids]
    ids = [f"network_agent:{_agent_binary(context, role)}@{host}" for role in agents]
    if context.unit_id(COMPUTE_UNIT) in recorded_ids:
        ids.append(f"compute_service:nova-compute@{host}")
    return tuple(ManifestEntry(id_, Phase.REMOVE.value, make_tags("nova", "neutron")) for id_ in ids)


def _agent_binary(context: NodeContext, role: str) -> str:
    """Return Neutron's name for an agent: its role, for OVN's metadata agent its unit."""
    return context.profile.unit(role) if role == METADATA_AGENT else role


def declare_removals(
    context: NodeContext, recorded: Sequence[ManifestEntry], declared: Collection[str], knows_all_nodes: bool
) -> Removals:
    """Declare the removal of each recorded entry that is not among the declared ids.

    ``knows_all_nodes``: facts of every node of the cloud are known. What belongs to a service that is switched off, or
    serves stored data, is kept.
    """
    obsolete = [
        entry
        for entry in (_with_unit_tags(context, entry) for entry in recorded)
        if entry.id not in declared and not _belongs_to_host(entry) and (knows_all_nodes or _is_known(context, entry))
    ]
    switched_off = {entry.id: answer for entry in obsolete for answer in _switched_off_answers(context, entry)[:1]}
    serving = [entry for entry in obsolete if entry.id not in switched_off and _serves_data(entry)]
    bridges = [entry for entry in obsolete if entry.kind == "bridge" and entry.id not in switched_off]
    kept_ids = frozenset({*switched_off, *(entry.id for entry in (*serving, *bridges))})
    resources: List[Resource] = []
    for entry in obsolete:
        if entry.id not in kept_ids and entry.kind in _DECLARE:
            resources += _DECLARE[entry.kind](context, entry, declared)
    return Removals(
        tuple({resource.id: resource for resource in resources}.values()),
        (*_describe_switched_off(switched_off), *_describe_serving(serving), *_describe_bridges(context, bridges)),
        kept_ids,
    )


def _is_known(context: NodeContext, entry: ManifestEntry) -> bool:
    """Return whether an entry can be judged although a node of the cloud is unknown.

    It names no node, or one whose facts are known.
    """
    if entry.kind not in HOST_KINDS:
        return True
    return entry.kind in LASTING_KINDS and _is_node_of_cloud(context, entry.name.split("@")[1])


def _belongs_to_host(entry: ManifestEntry) -> bool:
    """Return whether the host's own set-up made the entry, or a unit of no service.

    Version 1 of the manifest has no tags.
    """
    return _HOST_TAG in entry.tags or (entry.kind == "unit" and not entry.tags)


def _with_unit_tags(context: NodeContext, entry: ManifestEntry) -> ManifestEntry:
    """Return a unit's entry with the names of the services that have the unit.

    Other entries are returned as they are.
    """
    if entry.kind != "unit":
        return entry
    owners = [spec.name for spec in SPECS if entry.name in _unit_names(context, (*spec.units, *spec.optional_units))]
    return ManifestEntry(entry.id, entry.phase, entry.tags | frozenset(owners))


def _unit_names(context: NodeContext, roles: Iterable[str]) -> List[str]:
    """Return the names of those units that the profile has."""
    return [context.profile.unit(role) for role in roles if role in context.profile.units]


def _switched_off_answers(context: NodeContext, entry: ManifestEntry) -> List[str]:
    """Return the y/n parameters that were answered with n since the entry was made."""
    answers = [
        spec.answer
        for spec in SPECS
        if spec.name in entry.tags and spec.answer and not spec.is_required and _is_off(context, spec.answer)
    ]
    features = {api.answer: api.units for spec in SPECS for api in spec.apis if api.answer}
    features[l2_agents.METERING_AGENT] = tuple(neutron_agents.METERING_AGENTS)
    answers += [
        answer
        for answer, roles in features.items()
        if _is_off(context, answer)
        and (entry.name in _unit_names(context, roles) or entry.name.split(" ")[0] in _catalog_names(answer))
    ]
    return answers + ([_DEMO] if "demo" in entry.tags and _is_off(context, _DEMO) else [])


def _is_off(context: NodeContext, answer: str) -> bool:
    """Return whether a y/n parameter is answered with n."""
    return context.answers.get(answer) is False


def _catalog_names(answer: str) -> List[str]:
    """Return the catalog's names of the APIs that a y/n parameter switches."""
    return [api.catalog_name or api.name for spec in SPECS for api in spec.apis if api.answer == answer]


def _serves_data(entry: ManifestEntry) -> bool:
    """Return whether the entry is a unit or file of a service that stores data."""
    return entry.kind in ("unit", "file") and any(spec.stores_data and spec.name in entry.tags for spec in SPECS)


def _describe_switched_off(answers: Mapping[str, str]) -> List[str]:
    """Describe what stays of services that are switched off, in a sentence for each."""
    counts: Dict[str, Dict[str, int]] = {}
    for id_, answer in answers.items():
        noun = _NOUNS.get(id_.split(":")[0], "setting")
        nouns = counts.setdefault(answer, {})
        nouns[noun] = nouns.get(noun, 0) + 1
    return [
        f"{answer}=n: what an earlier run made for it stays ("
        + ", ".join(format_count(count, noun) for noun, count in sorted(nouns.items()))
        + ")"
        for answer, nouns in sorted(counts.items())
    ]


def _describe_serving(entries: Sequence[ManifestEntry]) -> List[str]:
    """Describe the units that stay because stored data needs them."""
    units = [entry.name for entry in entries if entry.kind == "unit"]
    return [f"no longer in the answers, but needed for stored data, so it stays: {', '.join(units)}"] if units else []


def _describe_bridges(context: NodeContext, entries: Sequence[ManifestEntry]) -> List[str]:
    """Describe the bridges that are no longer declared and exist on the node."""
    existing = {interface.name for interface in context.facts.network.interfaces}
    command = "ip link delete" if context.l2_agent == "linuxbridge" else "ovs-vsctl del-br"
    return [
        f"bridge {entry.name} is no longer in the answers and stays, as it may carry traffic;"
        f" to remove it: {command} {entry.name}"
        for entry in entries
        if entry.name in existing
    ]


Declare = Callable[[NodeContext, ManifestEntry, Collection[str]], List[Resource]]


def _remove_unit(context: NodeContext, entry: ManifestEntry, declared: Collection[str]) -> List[Resource]:
    """Declare that a unit is stopped and disabled."""
    return [Unit(name=entry.name, state="removed", phase=Phase.REMOVE, tags=entry.tags)]


def _remove_file(context: NodeContext, entry: ManifestEntry, declared: Collection[str]) -> List[Resource]:
    """Declare that a file is gone, in the phase in which it was written.

    Units that read it restart after that, as their set of files differs.
    """
    return [RemovedFile(path=entry.name, phase=Phase(entry.phase), tags=entry.tags)]


def _remove_message_user(context: NodeContext, entry: ManifestEntry, declared: Collection[str]) -> List[Resource]:
    """Declare that a user of RabbitMQ is gone."""
    return [RemovedRabbitmqUser(name=entry.name, tags=entry.tags)]


def _remove_database_user(context: NodeContext, entry: ManifestEntry, declared: Collection[str]) -> List[Resource]:
    """Declare that an account of the database is gone; root's own login stays."""
    user, _, host = entry.name.rpartition("@")
    if host == "localhost":
        return []
    option_file = "" if context.has_local_database else DATABASE_CLIENT_CONFIG
    return [RemovedDatabaseUser(user=user, host=host, option_file=option_file, tags=entry.tags)]


def _remove_ovs_setting(context: NodeContext, entry: ManifestEntry, declared: Collection[str]) -> List[Resource]:
    """Declare that a setting of Open vSwitch is not set."""
    return [OvsSetting(column=entry.name, value="", phase=Phase.REMOVE, tags=entry.tags)]


def _remove_nat(context: NodeContext, entry: ManifestEntry, declared: Collection[str]) -> List[Resource]:
    """Declare that the addresses of a former floating range are not translated."""
    source_cidr, _, bridge = entry.name.partition(" ")
    if any(id_.startswith(f"nat:{source_cidr} ") for id_ in declared):
        return []
    return [RemovedNat(source_cidr=source_cidr, bridge=bridge, tags=entry.tags)]


def _absent_object(
    context: NodeContext, entry: ManifestEntry, name: str, body: Mapping[str, object], needs: Sequence[str] = ()
) -> ApiObject:
    """Declare that an object of the entry's kind is not in the APIs."""
    return ApiObject(
        type=entry.kind,
        name=name,
        body=body,
        absent=True,
        credentials=context.admin_credentials,
        phase=Phase.REMOVE,
        tags=entry.tags,
        needs=tuple(needs),
    )


def _remove_user(context: NodeContext, entry: ManifestEntry, declared: Collection[str]) -> List[Resource]:
    """Declare that an account of Keystone is gone."""
    return [_absent_object(context, entry, entry.name, {})]


def _remove_endpoint(context: NodeContext, entry: ManifestEntry, declared: Collection[str]) -> List[Resource]:
    """Declare that an endpoint is gone."""
    service, interface, region = entry.name.split(" ", 2)
    body = {"service": service, "interface": interface, "region": region}
    return [_absent_object(context, entry, f"{service}-{interface}", body)]


def _is_node_of_cloud(context: NodeContext, host: str) -> bool:
    """Return whether a host name is that of a node in the answers."""
    return host in (context.facts.system.hostname, *(node.hostname for node in context.other_nodes))


def _remove_compute_service(context: NodeContext, entry: ManifestEntry, declared: Collection[str]) -> List[Resource]:
    """Declare that a hypervisor gets no more instances, then that its service is gone.

    Its unit is stopped in between. Of a node that is not in the answers, the service goes once it is dead.
    """
    host = entry.name.split("@", 1)[1]
    scheduling = ApiObject(
        type="compute_scheduling",
        name=entry.name,
        body={"status": "disabled"},
        credentials=context.admin_credentials,
        phase=Phase.SERVICES,
        tags=entry.tags,
        needs=(context.unit_id("nova-api"),),
    )
    body = {"only_dead": not _is_node_of_cloud(context, host)}
    return [scheduling, _absent_object(context, entry, entry.name, body, _own_unit(context, host, COMPUTE_UNIT))]


def _own_unit(context: NodeContext, host: str, role: str) -> List[str]:
    """Return the id of a role's unit if the host is this node; otherwise nothing."""
    return [context.unit_id(role)] if host == context.facts.system.hostname and role in context.profile.units else []


def _remove_network_agent(context: NodeContext, entry: ManifestEntry, declared: Collection[str]) -> List[Resource]:
    """Declare that an agent is gone from Neutron's API."""
    binary, host = entry.name.split("@", 1)
    is_metadata_agent = context.uses_ovn and binary == context.profile.unit(METADATA_AGENT)
    if is_metadata_agent and f"network_agent:ovn-controller@{host}" in declared:
        database = ovn_central.database_urls(context)["sb"]
        needs = tuple(_own_unit(context, host, METADATA_AGENT))
        return [RemovedMetadataAgent(hostname=host, database=database, tags=entry.tags, needs=needs)]
    body = {"only_dead": not _is_node_of_cloud(context, host)}
    return [_absent_object(context, entry, entry.name, body, _own_unit(context, host, binary))]


_DECLARE: Mapping[str, Declare] = {
    "unit": _remove_unit,
    "file": _remove_file,
    "message_user": _remove_message_user,
    "database_user": _remove_database_user,
    "ovs_setting": _remove_ovs_setting,
    "nat": _remove_nat,
    "user": _remove_user,
    "endpoint": _remove_endpoint,
    "compute_service": _remove_compute_service,
    "network_agent": _remove_network_agent,
}


def declare_service_list(context: NodeContext, declared: Collection[str]) -> ApiObject:
    """Declare that the APIs list only the services and agents that are declared.

    ``declared`` are the ids of all declared entries of the cloud. For verify only: what
    nobody recorded is not removed.
    """
    host = context.facts.system.hostname
    reporting = [id_.split(":", 1)[1] for id_ in declared if id_.split(":")[0] in LASTING_KINDS]
    names = [*reporting, f"nova-conductor@{host}", f"nova-scheduler@{host}"]
    apis = ["compute", "network", *(["volumev3"] if context.is_enabled("CONFIG_CINDER_INSTALL") else [])]
    return ApiObject(
        type="service_list",
        name="cloud",
        body={"declared": names, "watched": reporting, "undeclared": (), "dead": ()},
        parents={"apis": ",".join(apis)},
        credentials=context.admin_credentials,
        phase=Phase.VERIFY,
        tags=make_tags("nova", "neutron"),
    )
