"""What is removed: a table of what manifests list and the answers declare."""

from __future__ import annotations

from typing import Any, List, Mapping, Sequence

import pytest

from packstack_lite import services
from packstack_lite.engine.diff import describe_diff
from packstack_lite.manifest import Manifest, ManifestEntry, format_manifest, merge_entries, parse_manifest
from packstack_lite.nodes.facts import Interface
from packstack_lite.resources.base import Diff, Phase
from packstack_lite.services import NodeContext, removals
from packstack_lite.services.removals import declare_removals, declare_service_list, list_entries
from tests.clouds import ADDRESS, OVN, THREE, cloud, node_context
from tests.rendered import on

ALL_IN_ONE = {"controller": ("controller", "network", "compute", "storage", "queue", "database")}
CINDER = {"CONFIG_CINDER_INSTALL": True}


def entries_of(context: NodeContext) -> Sequence[ManifestEntry]:
    """Return the entries of a node, on a controller with those of its delegates' reports."""
    return list_entries(services.declare(context))


def sentences(
    before: NodeContext, after: NodeContext, more: Sequence[ManifestEntry] = (), knows_all: bool = True
) -> List[str]:
    """Return what plan says of the removals when one declaration follows another."""
    declared = {entry.id for entry in (*entries_of(after), *more)}
    found = declare_removals(after, entries_of(before), declared, knows_all)
    return sorted(describe_diff(Diff(one, {"exists": True, "value": "x"}, ("exists",))) for one in found.resources)


def kept(before: NodeContext, after: NodeContext) -> Sequence[str]:
    """Return what stays when one declaration follows another, and why."""
    declared = {entry.id for entry in entries_of(after)}
    return declare_removals(after, entries_of(before), declared, True).kept


REASON = "(no longer in the answers)"
# Answers before and after, and the beginnings of all that plan says.
RENAMED = [
    ({}, {"CONFIG_AMQP_AUTH_USER": "rabbit"}, [f"remove RabbitMQ user amqp_user {REASON}"]),
    ({}, {"CONFIG_KEYSTONE_ADMIN_USERNAME": "root"}, [f"remove user admin {REASON}"]),
    ({}, {"CONFIG_KEYSTONE_ADMIN_PW": "another"}, []),
    (
        {},
        {"CONFIG_PROVISION_DEMO_FLOATRANGE": "198.18.3.0/24"},
        [f"remove address translation for 198.18.2.0/24 {REASON}"],
    ),
    ({}, {"CONFIG_CONTROLLER_HOST": ADDRESS}, []),
]


@pytest.mark.parametrize(("before", "after", "said"), RENAMED)
def test_what_was_made_under_an_old_name_is_removed(before: Any, after: Any, said: List[str]) -> None:
    assert sentences(cloud(before), cloud(after)) == said


def test_nothing_is_removed_from_a_cloud_that_stays_as_it_is_or_that_nobody_recorded() -> None:
    assert sentences(cloud(), cloud()) == []
    declared = {entry.id for entry in entries_of(cloud())}
    assert declare_removals(cloud(), (), declared, True) == removals.Removals()


def test_the_endpoints_of_an_old_region_are_removed_all_of_them() -> None:
    said = sentences(cloud(), cloud({"CONFIG_KEYSTONE_REGION": "Here"}))
    endpoints = [entry for entry in entries_of(cloud()) if entry.kind == "endpoint"]
    assert len(said) == len(endpoints) >= 15
    assert all(line.endswith(f" of region RegionOne {REASON}") for line in said)
    assert f"remove endpoint nova-internal of region RegionOne {REASON}" in said


def test_accounts_at_an_old_address_of_the_controller_are_removed_and_no_database() -> None:
    moved = cloud({"CONFIG_CONTROLLER_HOST": "198.18.1.99"}, address="198.18.1.99")
    said = sentences(cloud(), moved)
    assert f"remove database account nova@{ADDRESS} {REASON}" in said
    assert not [line for line in said if "database" in line and "account" not in line]


def test_what_belongs_to_a_switched_off_service_stays_and_is_told() -> None:
    """--remove-services of issue 22 will remove it."""
    before, after = cloud({**CINDER, "CONFIG_BARBICAN_INSTALL": True}), cloud()
    assert sentences(before, after) == []
    barbican, cinder = kept(before, after)
    assert barbican.startswith("CONFIG_BARBICAN_INSTALL=n: what an earlier run made for it stays (")
    assert cinder.startswith("CONFIG_CINDER_INSTALL=n: ") and "3 endpoints" in cinder and "units" in cinder


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        ("CONFIG_PROVISION_DEMO", {}),
        ("CONFIG_HORIZON_INSTALL", {}),
        ("CONFIG_NEUTRON_METERING_AGENT_INSTALL", {}),
        ("CONFIG_SWIFT_INSTALL", {}),
    ],
)
def test_every_switch_leaves_what_it_switched(answer: str, more: Mapping[str, Any]) -> None:
    before, after = cloud({answer: True, **more}), cloud({answer: False, **more})
    stopped = [line for line in sentences(before, after) if "stop" in line or "user" in line or "endpoint" in line]
    assert stopped == []
    assert [line for line in kept(before, after) if line.startswith(f"{answer}=n: ")]


def test_a_bridge_stays_and_is_told_while_it_exists() -> None:
    after = {"CONFIG_NEUTRON_L3_EXT_BRIDGE": "br-new", "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS": ("extnet:br-new",)}
    exists = (Interface("host0", True, 1500, (f"{ADDRESS}/24",)), Interface("br-ex", True, 1500, ()))
    assert [line for line in kept(cloud(), cloud(after)) if "bridge" in line] == []
    (told,) = kept(cloud(), cloud(after, interfaces=exists))
    assert told == (
        "bridge br-ex is no longer in the answers and stays, as it may carry traffic;"
        " to remove it: ovs-vsctl del-br br-ex"
    )


def test_a_controller_that_was_an_all_in_one_loses_its_hypervisor() -> None:
    """Row D6: units are stopped, the scheduler is told first, and API entries go last."""
    before, after = node_context("controller", OVN, ALL_IN_ONE), node_context("controller", OVN, THREE)
    after_ids = {entry.id for entry in entries_of(after)}
    declared = after_ids | {"network_agent:ovn-controller@controller"}
    found = declare_removals(after, entries_of(before), declared, True)
    by_id = {one.id: one for one in found.resources}
    units = {id_ for id_ in by_id if id_.startswith("unit:")}
    assert units == {"unit:libvirtd", "unit:nova-compute", "unit:neutron-ovn-metadata-agent"}
    scheduling = by_id["compute_scheduling:nova-compute@controller"]
    service = by_id["removed_compute_service:nova-compute@controller"]
    agent = by_id["removed_metadata_agent:controller"]
    assert (scheduling.phase, service.phase) == (Phase.SERVICES, Phase.REMOVE)
    assert service.needs == ("unit:nova-compute",) and agent.needs == ("unit:neutron-ovn-metadata-agent",)
    assert service.body == {"only_dead": False}
    assert not [id_ for id_ in by_id if "ovn-controller" in id_ or "nova-api" in id_]
    files = {one.path for one in found.resources if one.kind == "removed_file"}
    assert "/etc/neutron/neutron_ovn_metadata_agent.ini" in files and "/etc/nova/nova.conf" not in files


def test_a_manifest_of_version_1_is_enough_to_stop_a_former_hypervisor() -> None:
    ids = [f"unit:{name}" for name in ("nova-compute", "neutron-ovn-metadata-agent", "nova-api", "chrony")]
    old = parse_manifest('{"schema": 1, "resources": [%s]}' % ", ".join(f'{{"id": "{id_}"}}' for id_ in ids))
    after = node_context("controller", OVN, THREE)
    declared_ids = {resource.id for resource in services.declare(after)}
    lost = removals.entries_of_lost_roles(after, [entry for entry in old.entries if entry.id not in declared_ids])
    assert [entry.id for entry in lost] == [
        "network_agent:neutron-ovn-metadata-agent@controller",
        "compute_service:nova-compute@controller",
    ]
    declared = {entry.id for entry in entries_of(after)} | {"network_agent:ovn-controller@controller"}
    found = declare_removals(after, merge_entries(old.entries, lost), declared, True)
    ids_found = {one.id for one in found.resources}
    assert {"unit:nova-compute", "removed_compute_service:nova-compute@controller"} <= ids_found
    assert not ids_found & {"unit:nova-api", "unit:chrony"}


@pytest.mark.parametrize("profile", ["debian12-zed", "debian13-epoxy", "centos9s-epoxy", "centos7-train"])
def test_a_network_node_that_becomes_a_compute_node_is_no_gateway_any_more(profile: str) -> None:
    roles = {**THREE, "controller": ("controller", "storage", "queue", "database")}
    before = on(profile, node_context("compute-1", OVN, {**roles, "compute-1": ("network", "compute")}))
    after = on(profile, node_context("compute-1", OVN, {**roles, "compute-2": ("network", "compute")}))
    said = sentences(before, after)
    assert "unset Open vSwitch's external_ids:ovn-cms-options (was x)" in said


def test_stored_data_is_served_on() -> None:
    before = node_context("controller", {**OVN, **CINDER}, THREE)
    elsewhere = {**THREE, "controller": ("controller", "network", "queue"), "db": ("database", "storage")}
    after = node_context("controller", {**OVN, **CINDER}, elsewhere)
    stopped = [line for line in sentences(before, after) if line.startswith("stop")]
    assert stopped == []
    told = [line for line in kept(before, after) if "needed for stored data" in line]
    assert len(told) == 1 and "mariadb" in told[0] and "cinder-volume" in told[0]


@pytest.mark.parametrize("knows_all", [True, False])
def test_nodes_that_nobody_asked_are_not_taken_for_gone(knows_all: bool) -> None:
    """An excluded node has no facts: its services have no name in this run."""
    context = node_context("controller", OVN, THREE)
    recorded = [ManifestEntry(f"{kind}@compute-9") for kind in ("compute_service:nova-compute", "database_user:nova")]
    found = declare_removals(context, recorded, set(), knows_all)
    assert bool(found.resources) is knows_all
    if knows_all:
        (service,) = [one for one in found.resources if one.id.startswith("removed_compute")]
        assert service.body == {"only_dead": True}, "this run cannot stop a node that is not in the answers"


def test_a_known_node_loses_its_role_although_another_one_is_excluded() -> None:
    context = node_context("controller", OVN, THREE)
    recorded = [ManifestEntry("compute_service:nova-compute@controller"), ManifestEntry("network_agent:x@compute-9")]
    found = declare_removals(context, recorded, set(), False)
    assert {one.id for one in found.resources} == {
        "compute_scheduling:nova-compute@controller",
        "removed_compute_service:nova-compute@controller",
    }


def test_what_the_host_needs_without_us_is_never_removed() -> None:
    entries = [entry for entry in entries_of(cloud()) if "host" in entry.tags]
    assert entries
    assert declare_removals(cloud(), entries, set(), True) == removals.Removals()


def test_every_kind_of_entry_is_removed_or_told() -> None:
    kinds = {
        entry.kind
        for context in (cloud(CINDER), cloud(OVN), node_context("controller", OVN, ALL_IN_ONE))
        for entry in entries_of(context)
    }
    told = {"bridge", "volume_service"}
    assert kinds - told == set(removals._DECLARE)


def test_the_users_own_files_have_a_record_of_their_own() -> None:
    from packstack_lite.resources import File, UserFiles

    resources = [File(path="/etc/nova/policy.yaml"), File(path="/etc/x"), UserFiles(("/etc/nova/policy.yaml",))]
    assert [entry.id for entry in list_entries(resources)] == ["file:/etc/x"]


def test_verify_asks_for_services_of_every_api_that_there_is() -> None:
    declared = {"compute_service:nova-compute@aio", "network_agent:ovn-controller@aio", "unit:nova-api"}
    listed = declare_service_list(cloud({**OVN, **CINDER}), declared)
    assert listed.parents == {"apis": "compute,network,volumev3"}
    assert {"nova-compute@aio", "nova-conductor@aio", "ovn-controller@aio"} <= set(listed.body["declared"])
    assert declare_service_list(cloud(OVN), declared).parents == {"apis": "compute,network"}


def test_a_manifest_is_read_as_it_was_written_and_holds_no_secret() -> None:
    entries = tuple(entries_of(cloud()))
    manifest = Manifest(entries, {"host name": "aio"})
    text = format_manifest(manifest, "debian12-zed", [{"id": "a:b"}])
    assert "\n" not in text and parse_manifest(text) == manifest
    assert "-pw" not in text


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema": 2}', '{"schema": 2, "identity": {}, "entries": [{"id": "x"}]}', "null", "5", '"a"']
)
def test_a_damaged_manifest_has_no_entries(text: str) -> None:
    assert parse_manifest(text) == Manifest(is_damaged=True)
    assert parse_manifest("") == Manifest()
