"""API objects that are no longer declared go: accounts, endpoints with their region, services and agents."""

# A test's parameter has the name of an imported fixture.
# ruff: noqa: F811, F401

from __future__ import annotations

from typing import Any, Dict, Optional

import pytest

from packstack_lite.engine.diff import diff_resources
from packstack_lite.engine.verify import verify
from packstack_lite.resources import ApiObject
from packstack_lite.secret import Masker
from tests.unit.fake_cloud import FakeCloud
from tests.unit.test_engine import ShNode
from tests.unit.test_resources_api_object import cloud, dash, every_python, make

REASON = "packstack-lite: no longer a compute node in the answers"


def add_services(fake: FakeCloud, **state: str) -> None:
    """Add two hypervisors, old and new, with their conductor; ``state`` is the old one's."""
    fake.objects("compute/servers")
    fake.objects("compute/os-services").extend(
        {"id": f"{binary}-{host}", "binary": binary, "host": host, "state": "up", "status": "enabled", **more}
        for binary, host, more in (
            ("nova-compute", "old", state),
            ("nova-compute", "new", {}),
            ("nova-conductor", "new", {}),
        )
    )


def absent(make: Any, type_: str, name: str, body: Optional[Dict[str, Any]] = None) -> ApiObject:
    """Return an object that shall not exist."""
    made: ApiObject = make(type_, name, body, absent=True)
    return made


def differing(dash: Any, *objects: ApiObject) -> list:
    """Return the ids of the objects that are not as desired."""
    return [diff.resource.id for diff in diff_resources(objects, dash.probe(*objects))]


def fix(dash: Any, *objects: ApiObject) -> list:
    """Fix what differs; return the replies."""
    diffs = diff_resources(objects, dash.probe(*objects))
    return [dash.run(action) for action in ApiObject.fix(diffs)] if diffs else []


@every_python
def test_an_old_account_is_deleted_and_others_stay(cloud, dash, make):
    cloud.objects("identity/users").append({"id": "u1", "name": "former", "password": "x", "domain_id": "default"})
    user = absent(make, "user", "former")
    assert differing(dash, user) == ["removed_user:former"]
    assert all(reply.ok for reply in fix(dash, user))
    assert [item["name"] for item in cloud.objects("identity/users")] == ["admin"]
    assert differing(dash, user) == []


@every_python
def test_the_endpoints_of_an_old_region_go_and_the_region_with_the_last(cloud, dash, make):
    cloud.objects("identity/services").append({"id": "s", "name": "nova"})
    cloud.objects("identity/regions").extend({"id": name} for name in ("Old", "R"))
    for region in ("Old", "R"):
        for interface in ("public", "internal"):
            row = {"id": f"{region}-{interface}", "service_id": "s", "interface": interface, "region_id": region}
            cloud.objects("identity/endpoints").append({**row, "url": "http://x"})
    endpoints = [
        absent(make, "endpoint", f"nova-{interface}", {"service": "nova", "interface": interface, "region": "Old"})
        for interface in ("public", "internal")
    ]
    assert differing(dash, *endpoints) == [f"removed_endpoint:nova-{name}@Old" for name in ("public", "internal")]
    assert all(reply.ok for reply in fix(dash, *endpoints))
    assert {item["region_id"] for item in cloud.objects("identity/endpoints")} == {"R"}
    assert cloud.objects("identity/regions") == [{"id": "R"}]
    assert differing(dash, *endpoints) == []


def test_a_region_with_endpoints_of_others_stays(cloud, dash, make):
    cloud.objects("identity/services").append({"id": "s", "name": "nova"})
    cloud.objects("identity/regions").append({"id": "Old"})
    for number, service in enumerate(("s", "theirs")):
        row = {"id": str(number), "service_id": service, "interface": "public", "region_id": "Old", "url": "http://x"}
        cloud.objects("identity/endpoints").append(row)
    body = {"service": "nova", "interface": "public", "region": "Old"}
    assert all(reply.ok for reply in fix(dash, absent(make, "endpoint", "nova-public", body)))
    assert [item["service_id"] for item in cloud.objects("identity/endpoints")] == ["theirs"]
    assert cloud.objects("identity/regions") == [{"id": "Old"}]


@every_python
def test_a_hypervisor_is_disabled_then_its_service_goes(cloud, dash, make):
    add_services(cloud)
    scheduling = make("compute_scheduling", "nova-compute@old", {"status": "disabled"})
    service = absent(make, "compute_service", "nova-compute@old", {"only_dead": False})
    assert differing(dash, scheduling, service) == [scheduling.id, service.id]
    assert all(reply.ok for reply in fix(dash, scheduling))
    row = cloud.objects("compute/os-services")[0]
    assert (row["status"], row["disabled_reason"]) == ("disabled", REASON)
    assert all(reply.ok for reply in fix(dash, service))
    assert [item["host"] for item in cloud.objects("compute/os-services")] == ["new", "new"]
    assert differing(dash, scheduling, service) == [], "without a service there is nothing to disable"


def test_a_hypervisor_with_instances_stays_and_they_are_named(cloud, dash, make):
    add_services(cloud)
    cloud.objects("compute/servers").extend({"id": name, "name": name, "host": "old"} for name in ("web", "db"))
    (reply,) = fix(dash, absent(make, "compute_service", "nova-compute@old", {"only_dead": False}))
    assert not reply.ok and "instances are on this host: db, web; migrate or delete them first" in reply.err
    assert len(cloud.objects("compute/os-services")) == 3


@pytest.mark.parametrize(
    ("state", "servers", "goes"), [("up", (), False), ("down", (), True), ("down", ("web",), False)]
)
def test_a_service_elsewhere_goes_once_it_is_dead_and_has_no_instance(cloud, dash, make, state, servers, goes):
    add_services(cloud, state=state)
    cloud.objects("compute/servers").extend({"id": name, "name": name, "host": "old"} for name in servers)
    service = absent(make, "compute_service", "nova-compute@old", {"only_dead": True})
    assert differing(dash, service) == ([service.id] if goes else [])


@pytest.mark.parametrize(("reason", "status"), [(REASON, "enabled"), ("for repair", "disabled")])
def test_a_hypervisor_that_comes_back_is_enabled_unless_somebody_else_disabled_it(cloud, dash, make, reason, status):
    add_services(cloud, status="disabled", disabled_reason=reason)
    service = make("compute_service", "nova-compute@old", {"alive": True})
    assert differing(dash, service) == ([service.id] if reason == REASON else [])
    assert all(reply.ok for reply in fix(dash, service))
    assert cloud.objects("compute/os-services")[0]["status"] == status


def test_an_agent_goes(cloud, dash, make):
    cloud.objects("network/agents").extend(
        {"id": host, "binary": "neutron-l3-agent", "host": host, "alive": True} for host in ("old", "new")
    )
    agent = absent(make, "network_agent", "neutron-l3-agent@old", {"only_dead": False})
    assert all(reply.ok for reply in fix(dash, agent))
    assert [item["host"] for item in cloud.objects("network/agents")] == ["new"]


def test_services_that_nobody_declared_and_dead_ones_are_named(cloud, dash, make, monkeypatch):
    add_services(cloud, state="down")
    cloud.objects("compute/os-services")[2]["state"] = "down"
    cloud.objects("network/agents").append({"id": "1", "binary": "ovn-controller", "host": "x", "alive": True})
    names = ("nova-compute@new", "nova-conductor@new")
    body = {"declared": names, "watched": names[:1], "undeclared": (), "dead": ()}
    listed = make("service_list", "cloud", body, parents={"apis": "compute,network"})
    monkeypatch.setattr(ShNode, "_sh", staticmethod(dash.run))
    (drift,) = verify(ShNode(), [listed], Masker())
    assert drift.message == (
        "services of the cloud: nova-compute@old is listed, but not in the answers (dead);"
        " ovn-controller@x is listed, but not in the answers (alive: stop it on its node); nova-conductor@new is dead"
    )
