"""What stored data depends on: each difference is found before anything changes, with the way back."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

import pytest

from packstack_lite.engine.events import Finding
from packstack_lite.manifest import Manifest
from packstack_lite.nodes.node import ROLES
from packstack_lite.preflight import CHECKS
from packstack_lite.preflight.check import CheckContext
from packstack_lite.preflight.identity import identity_of
from tests.clouds import ANSWERS, OVN, facts, profile_of

HOSTS: Mapping[str, Any] = {"aio": ROLES}
SPLIT: Mapping[str, Any] = {
    "aio": ("controller", "network", "queue", "database"),
    "b": ("compute",),
    "c": ("storage",),
}
CINDER = {"CONFIG_CINDER_INSTALL": True, "CONFIG_CINDER_BACKEND": ("lvm",)}
NFS = {
    **CINDER,
    "CONFIG_CINDER_BACKEND": ("nfs",),
    "CONFIG_CINDER_NFS_MOUNTS": ("nas:/c", "nas:/a"),
}
CEPH = {**CINDER, "CONFIG_CINDER_BACKEND": ("ceph",), "CONFIG_CINDER_CEPH_CREATE": False}
NETWORKS = ("flat extnet public", "vxlan - private", "vxlan - my net")


def find(
    answers: Mapping[str, Any] = {},
    hosts: Mapping[str, Any] = HOSTS,
    roles: Any = ROLES,
    **changes: Any,
) -> List[Finding]:
    """Return the findings about a node; ``changes`` are facts."""
    merged: Dict[str, Any] = {**ANSWERS, **answers}
    profile = profile_of("debian12-zed")
    context = CheckContext(facts(**changes), merged, profile, roles=roles, hosts=hosts, knows_all_hosts=True)
    return list(CHECKS["identity"](context))


def recorded(**identity: str) -> Manifest:
    """Return a manifest with an identity; underscores stand for spaces."""
    return Manifest((), {key.replace("_", " "): value for key, value in identity.items()})


def by_name(name: str, value: str) -> Manifest:
    """Return a manifest with one value of the identity."""
    return Manifest((), {name: value})


BAD = [
    # Facts, answers, hosts; level, words of the message, words of the hint.
    (
        {"manifest": recorded(host_name="old")},
        {},
        HOSTS,
        ("error", "was deployed as old and is called aio now", "hostnamectl set-hostname old"),
    ),
    (
        {"manifest": by_name("Open vSwitch's system-id", "1a"), "ovs_system_id": "2b"},
        {},
        HOSTS,
        ("error", "was 1a and is 2b now", "external_ids:system-id=1a"),
    ),
    (
        {"manifest": by_name("CONFIG_KEYSTONE_REGION", "Old")},
        {},
        HOSTS,
        ("warning", "the region Old becomes RegionOne", "set CONFIG_KEYSTONE_REGION=Old"),
    ),
    (
        {"manifest": by_name("CONFIG_CINDER_VOLUME_NAME", "vg0")},
        CINDER,
        HOSTS,
        ("error", "CONFIG_CINDER_VOLUME_NAME was vg0 and is cinder-volumes now", "set CONFIG_CINDER_VOLUME_NAME=vg0"),
    ),
    (
        {"manifest": by_name("CONFIG_MARIADB_HOST", "198.18.1.50")},
        {"CONFIG_MARIADB_INSTALL": False, "CONFIG_MARIADB_HOST": "198.18.1.51"},
        HOSTS,
        (
            "error",
            "databases are on 198.18.1.50, and the answers name 198.18.1.51: the cloud would begin anew",
            "set CONFIG_MARIADB_HOST=198.18.1.50",
        ),
    ),
    (
        {"manifest": by_name("CONFIG_MARIADB_HOST", "198.18.1.50")},
        {},
        HOSTS,
        ("error", "databases are on 198.18.1.50, and the answers name this node", "--ignore identity"),
    ),
    (
        {"manifest": by_name("CONFIG_CINDER_NFS_MOUNTS", "nas:/a,nas:/b")},
        NFS,
        HOSTS,
        (
            "error",
            "CONFIG_CINDER_NFS_MOUNTS has lost nas:/b: the volumes there",
            "set CONFIG_CINDER_NFS_MOUNTS=nas:/a,nas:/b",
        ),
    ),
    (
        {"manifest": by_name("CONFIG_CINDER_CEPH_CONF", "/etc/ceph/old.conf")},
        CEPH,
        HOSTS,
        ("error", "CONFIG_CINDER_CEPH_CONF was /etc/ceph/old.conf and is /etc/ceph/ceph.conf now", "old.conf"),
    ),
    (
        {"manifest": by_name("CONFIG_CINDER_CEPH_CREATE", "y")},
        CEPH,
        HOSTS,
        ("error", "CONFIG_CINDER_CEPH_CREATE was y and is n now: the volumes there", "CONFIG_CINDER_CEPH_CREATE=y"),
    ),
    ({"manifest": Manifest(is_damaged=True)}, {}, HOSTS, ("warning", "manifest.json cannot be read", "anew")),
    (
        {"instances": {"aio": "web, db", "b": "x"}},
        {},
        SPLIT,
        ("error", "aio is no compute node in the answers any more, and instances are on it: web, db", "live-migration"),
    ),
    ({"instances": {"gone": "web"}}, {}, HOSTS, ("warning", "gone is not in the answers", "CONFIG_COMPUTE_HOSTS")),
    (
        {"volumes": {"aio@ceph#ceph": "3"}},
        CINDER,
        HOSTS,
        ("error", "3 volumes on the back end ceph", "add ceph to CONFIG_CINDER_BACKEND"),
    ),
    (
        {"volumes": {"aio@lvm#lvm": "1", "c@lvm#lvm": "1"}},
        CINDER,
        SPLIT,
        ("error", "1 volume of aio@lvm: aio is no storage node", "set CONFIG_STORAGE_HOST to aio"),
    ),
    ({"volumes": {"gone@lvm#lvm": "2"}}, CINDER, HOSTS, ("error", "gone is no storage node", "CONFIG_STORAGE_HOST")),
    (
        {"image_stores": ("file", "swift+config")},
        {},
        HOSTS,
        ("error", "images are in Swift", "CONFIG_GLANCE_BACKEND=swift"),
    ),
    (
        {"networks": NETWORKS},
        {
            "CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET": "lab",
            "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS": ("lab:br-x", "extnet:br-ex"),
        },
        HOSTS,
        ("error", "public is flat on extnet, and the answers want flat on lab: that cannot be changed", "apply again"),
    ),
    (
        {"networks": NETWORKS},
        {
            "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": ("gre",),
            "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": ("gre", "vxlan", "flat"),
        },
        HOSTS,
        ("error", "private is vxlan, and the answers want gre: that cannot be changed", "as it was deployed"),
    ),
    (
        {"networks": ("vlan dc my net", *NETWORKS)},
        {"CONFIG_NEUTRON_ML2_TYPE_DRIVERS": ("vxlan", "vlan", "flat")},
        HOSTS,
        (
            "error",
            "physical network dc any more, which existing networks use: my net",
            "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS",
        ),
    ),
    (
        {"networks": ("gre - theirs",)},
        {},
        HOSTS,
        ("error", "lacks gre, the type of existing networks: theirs", "add gre"),
    ),
    (
        {"networks": NETWORKS, "subnets": ("10.9.0.0/24 private_subnet",)},
        {},
        HOSTS,
        ("error", "network private is 10.9.0.0/24, and CONFIG_PROVISION_DEMO_PRIVATE_RANGE is", "=10.9.0.0/24"),
    ),
    (
        {"networks": NETWORKS, "subnets": ("198.18.7.0/24 public_subnet",)},
        {},
        HOSTS,
        (
            "error",
            "network public is 198.18.7.0/24, and CONFIG_PROVISION_DEMO_FLOATRANGE is 198.18.2.0/24",
            "=198.18.7.0/24",
        ),
    ),
]


@pytest.mark.parametrize(("changes", "answers", "hosts", "said"), BAD)
def test_a_difference_is_one_finding_with_the_way_back(changes: Any, answers: Any, hosts: Any, said: Any) -> None:
    (finding,) = find(answers, hosts, hosts["aio"], **changes)
    level, words, hint = said
    assert finding.level == level
    assert words in finding.message
    assert hint in finding.hint


def test_a_node_whose_databases_would_be_left_behind_is_an_error() -> None:
    left = {"mariadb_databases": ("keystone", "nova"), "deployed_by_us": True}
    (finding,) = find(hosts=SPLIT, roles=("compute",), **left)
    assert "the cloud would begin anew" in finding.message and "CONFIG_MARIADB_HOST" in finding.hint
    assert find(hosts=SPLIT, roles=("database",), **left) == []


@pytest.mark.parametrize(("server", "is_kept"), [("198.18.1.10", True), ("aio", True), ("198.18.1.11", False)])
def test_an_existing_database_server_may_be_a_node_without_the_role(server: str, is_kept: bool) -> None:
    """The controller has the role then, as it makes the schemas."""
    left = {"mariadb_databases": ("keystone", "nova"), "deployed_by_us": True}
    answers = {"CONFIG_MARIADB_INSTALL": False, "CONFIG_MARIADB_HOST": server}
    assert (find(answers, SPLIT, ("storage",), **left) == []) == is_kept


@pytest.mark.parametrize("roles", [("controller", "database"), ("storage",)])
def test_a_loopback_name_of_the_server_means_the_controller(roles: Any) -> None:
    left = {"mariadb_databases": ("keystone", "nova"), "deployed_by_us": True}
    answers = {"CONFIG_MARIADB_INSTALL": False, "CONFIG_MARIADB_HOST": "localhost"}
    assert (find(answers, SPLIT, roles, **left) == []) == ("controller" in roles)
    assert identity_of({**ANSWERS, **answers}, facts(), roles).get("CONFIG_MARIADB_HOST", "this node") == "this node"


GOOD = [
    ({}, {}, HOSTS),
    ({"networks": NETWORKS, "subnets": ("198.18.2.0/24 public_subnet", "10.0.0.0/24 private_subnet")}, {}, HOSTS),
    ({"networks": ("flat old public", "flat extnet public"), "subnets": ()}, {}, HOSTS),
    (
        {"networks": ("flat extnet public", "geneve - private")},
        OVN,
        HOSTS,
    ),
    ({"networks": ("flat extnet public",)}, {"CONFIG_PROVISION_DEMO": False}, HOSTS),
    ({"instances": {"aio": "a"}, "volumes": {"aio@lvm#lvm": "2"}}, CINDER, HOSTS),
    ({"instances": {"b": "a"}, "volumes": {"c@lvm#lvm": "2"}}, CINDER, SPLIT),
    ({"volumes": {"aio@lvm#lvm": "2"}}, {}, SPLIT),
    ({"image_stores": ("file",)}, {}, HOSTS),
    ({"image_stores": ("swift",)}, {"CONFIG_GLANCE_BACKEND": "swift"}, HOSTS),
    ({"manifest": by_name("CONFIG_MARIADB_HOST", "this node")}, {"CONFIG_MARIADB_HOST": "198.18.1.99"}, HOSTS),
    ({"manifest": by_name("CONFIG_CINDER_NFS_MOUNTS", "nas:/a")}, NFS, HOSTS),
]


@pytest.mark.parametrize(("changes", "answers", "hosts"), GOOD)
def test_a_cloud_that_stays_what_it_is_gives_no_finding(changes: Any, answers: Any, hosts: Any) -> None:
    found = find(answers, hosts, hosts["aio"], **changes)
    assert [finding.message for finding in found if "physical network old" not in finding.message] == []


def test_the_recorded_identity_is_that_of_the_node_and_gives_no_finding() -> None:
    identity = identity_of({**ANSWERS, **CINDER}, facts(ovs_system_id="1a"), ROLES)
    assert identity == {
        "host name": "aio",
        "Open vSwitch's system-id": "1a",
        "CONFIG_KEYSTONE_REGION": "RegionOne",
        "CONFIG_MARIADB_HOST": "this node",
        "CONFIG_CINDER_VOLUME_NAME": "cinder-volumes",
    }
    assert find(CINDER, ovs_system_id="1a", manifest=Manifest((), identity)) == []
    assert identity_of(ANSWERS, facts(), ("compute",)) == {"host name": "aio"}
    assert find(manifest=Manifest((), identity)) == [], "Open vSwitch is not installed, and Cinder is switched off"
