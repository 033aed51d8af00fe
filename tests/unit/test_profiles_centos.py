"""What the profiles of CentOS name is what RDO packages, held against facts read from its spec and unit files."""

from __future__ import annotations

import json

import pytest

from packstack_lite import profiles
from packstack_lite.profiles.host_setup import load_host_setup
from tests.clouds import profile_of
from tests.conftest import PROJECT

FACTS = json.loads((PROJECT / "tests" / "facts" / "rdo-packages.json").read_text())
RELEASES = {"centos7-train": "train-el7", "centos9s-epoxy": "epoxy-el9"}
# Packages that are there and that the facts do not list, as they are neither OpenStack's nor anything's that it needs.
OF_THE_SYSTEM = {
    "curl": "the base system's",
    "ethtool": "the base system's",
    "iptables": "the base system's",
    "nfs-utils": "the base system's",
    "lsscsi": "the base system's, run by os-brick, whose package asks for none",
    "cryptsetup": "the base system's on EL7; Cinder's own requirement on EL9",
    "libreswan": "the base system's",
    "openstack-neutron-vpnaas": "of RDO's neutron-vpnaas-distgit, of which the facts hold nothing",
    "ceph-common": "of the repository of Ceph that the release's own package brings along",
    "ceph-mon": "the same",
    "ceph-mgr": "the same",
    "ceph-osd": "the same",
    "python-rbd": "the same",
    "python-rados": "the same",
    "python3-rbd": "the same",
    "python3-rados": "the same",
}
UNITS = {"ceph-mon": "Ceph's, see its packages", "ceph-mgr": "the same", "ceph-osd": "the same"}
# Places that are not in any package: why they are right.
PATHS = {
    "/etc/neutron/plugin.ini": "named by neutron-server's unit, made by us",
    "/etc/nova/nova-compute.conf": "oslo.config looks for PROJECT/PROGRAM.conf; a file of the package from Epoxy on",
    "/etc/keystone/fernet-keys": "keystone-manage's default, made by us",
    "/etc/keystone/credential-keys": "keystone-manage's default, made by us",
    "/var/lib/glance/images": "set by the package's dist.conf, made by us",
    "/var/lib/neutron/lock": "set by the package's dist.conf, made by neutron",
    "/etc/sysconfig/ovn-northd": "read by the unit of the versioned OVN packages (puppet-ovn writes it)",
    "/etc/cinder/nfs_shares": "Cinder's default",
    "/etc/ceph/ceph.conf": "Ceph's",
    "/srv/node": "Swift's default",
    "/srv/loopback-device": "Packstack's",
    "/etc/systemd/system": "systemd's",
    "/dashboard": "a part of Horizon's address, not a file",
}
# ovn-ctl's default.
OVN_LOGS = "/var/log/ovn"
LOGS = {
    "/var/log/httpd/error_log": "the web server's default",
    "/var/log/rabbitmq/rabbit@localhost.log": "called by the name of the node, which is ours",
}


@pytest.fixture(params=RELEASES)
def profile(request):
    return profile_of(request.param)


def facts_of(profile):
    return FACTS[RELEASES[profile.name]]


def packages(facts):
    return [package for service in facts.values() for package in service["packages"]]


def known_paths(facts):
    paths = {path for package in packages(facts) for path in package.get("paths", ())}
    for service in facts.values():
        paths |= {*service.get("httpd", {}).values(), *service.get("started_with", ())}
    return {path.rstrip("/") for path in paths}


def ours(path):
    return "packstack-lite" in path or "packstack_lite" in path


def under(path, known):
    """Within a directory that a package has for files of this kind, such as its logs."""
    homes = [directory for directory in known if directory.startswith(("/var/", "/usr/share/"))]
    return any(path.startswith(f"{directory}/") for directory in homes)


def test_every_package_is_one_that_rdo_has(profile):
    facts = facts_of(profile)
    known = {package["name"] for package in packages(facts)}
    known |= {name for package in packages(facts) for key in ("provides", "requires") for name in package.get(key, ())}
    asked = {name for names in profile.packages.values() for name in names}
    assert asked - known - set(OF_THE_SYSTEM) == set()


def test_every_package_of_a_role_is_asked_for(profile):
    """What the facts say a role needs is what the profile installs for it; agents of other switches, Heat and etcd
    are no part of this."""
    release = RELEASES[profile.name]
    asked = {name for names in profile.packages.values() for name in names}
    asked |= set(load_host_setup(profile.name).selinux_packages)
    left_out = {"neutron-linuxbridge", "heat", "etcd", "nova-migration"}
    for role, by_release in FACTS["_roles"].items():
        if role not in left_out and by_release[release]:
            assert set(by_release[release]["packages"]) <= asked, role


def test_every_unit_is_one_that_rdo_has(profile):
    known = {unit for package in packages(facts_of(profile)) for unit in package.get("units", ())}
    asked = {unit if "." in unit else f"{unit}.service" for unit in (*profile.units.values(), *profile.masked_units)}
    exceptions = {f"{unit}.service" for unit in UNITS}
    assert {unit for unit in asked - known - exceptions if not ours(unit)} == set()


def test_every_user_is_one_that_rdo_makes(profile):
    known = {user for package in packages(facts_of(profile)) for user in package.get("users", ())}
    assert set(profile.users.values()) - known == set()


def test_every_path_is_one_that_rdo_knows(profile):
    known = known_paths(facts_of(profile))
    asked = {path for path in profile.paths.values() if not ours(path)}
    wrong = {path for path in asked - known - set(PATHS) if not under(path, known)}
    assert wrong == set()


def test_every_log_is_where_a_package_has_its_logs(profile):
    known = {*known_paths(facts_of(profile)), OVN_LOGS}
    logs = {log for role, log in profile.logs.items() if role != "otherwise"}
    logs |= {host.log_path for host in profile.mod_wsgi.values()}
    assert {log for log in logs - known - set(LOGS) if not under(log, known)} == set()


def test_the_web_server_runs_scripts_that_rdo_has(profile):
    scripts = {host.app for host in profile.mod_wsgi.values()}
    assert scripts and scripts <= known_paths(facts_of(profile))


def test_each_exception_is_needed():
    """So that the lists do not outlive what they excuse."""
    found = [profile_of(name) for name in RELEASES]
    names = {name for profile in found for group in profile.packages.values() for name in group}
    assert set(OF_THE_SYSTEM) <= names
    assert set(UNITS) <= {unit for profile in found for unit in profile.units.values()}
    assert set(PATHS) <= {path for profile in found for path in profile.paths.values()}
    assert set(LOGS) <= {log for profile in found for log in profile.logs.values()}


def test_each_profile_of_centos_tells_the_same_things_in_the_same_order():
    """So that diff shows what differs between the releases."""
    first, second = (profile_of(name) for name in RELEASES)
    for table in ("packages", "units", "markers", "drivers", "users", "paths", "logs", "commands", "mod_wsgi"):
        one, other = getattr(first, table), getattr(second, table)
        assert [row for row in one if row in other] == [row for row in other if row in one], table


@pytest.mark.parametrize(("version", "name"), [("7", "centos7-train"), ("9", "centos9s-epoxy")])
def test_centos_is_detected_by_its_version(version, name):
    assert profiles.detect("centos", version).name == name
