"""CentOS profiles name what RDO packages: checked against facts read from its spec and unit files."""

from __future__ import annotations

import json

import pytest

from packstack_lite import profiles
from packstack_lite.answers import PARAMETERS_BY_NAME
from packstack_lite.profiles.host_setup import load_host_setup
from tests.clouds import profile_of
from tests.conftest import PROJECT

FACTS = json.loads((PROJECT / "tests" / "facts" / "rdo-packages.json").read_text())
RELEASES = {"centos7-train": "train-el7", "centos9s-epoxy": "epoxy-el9"}
# Packages that exist but are not in the facts, which list OpenStack and its dependencies: where they come from.
OTHER_PACKAGES = {
    "curl": "the base system's",
    "ethtool": "the base system's",
    "iptables": "the base system's",
    "nfs-utils": "the base system's",
    "lsscsi": "the base system's, run by os-brick, whose package asks for none",
    "cryptsetup": "the base system's on EL7; Cinder's own requirement on EL9",
    "libreswan": "the base system's",
    "openstack-neutron-vpnaas": "from RDO's neutron-vpnaas-distgit, which the facts do not cover",
    "ceph-common": "from the Ceph repository that the release's own package brings",
    "ceph-mon": "the same",
    "ceph-mgr": "the same",
    "ceph-osd": "the same",
    "python-rbd": "the same",
    "python-rados": "the same",
    "python3-rbd": "the same",
    "python3-rados": "the same",
}
UNITS = {"ceph-mon": "Ceph's: see its packages", "ceph-mgr": "the same", "ceph-osd": "the same"}
# Paths that are in no package, each with the reason why it is right.
PATHS = {
    "/etc/neutron/plugin.ini": "named by neutron-server's unit, created by us",
    "/etc/nova/nova-compute.conf": "oslo.config looks for PROJECT/PROGRAM.conf; a file of the package from Epoxy on",
    "/etc/keystone/fernet-keys": "keystone-manage's default, created by us",
    "/etc/keystone/credential-keys": "keystone-manage's default, created by us",
    "/var/lib/glance/images": "set by the package's dist.conf, created by us",
    "/var/lib/neutron/lock": "set by the package's dist.conf, created by neutron",
    "/etc/sysconfig/ovn-northd": "read by the unit of the versioned OVN packages (puppet-ovn writes it)",
    "/etc/cinder/nfs_shares": "Cinder's default",
    "/etc/ceph/ceph.conf": "Ceph's",
    "/srv/node": "Swift's default",
    "/srv/loopback-device": "Packstack's",
    "/etc/systemd/system": "systemd's",
    "/dashboard": "part of Horizon's URL, not a file",
}
# ovn-ctl's default.
OVN_LOGS = "/var/log/ovn"
LOGS = {
    "/var/log/httpd/error_log": "the web server's default",
    "/var/log/rabbitmq/rabbit@localhost.log": "named after the Erlang node, whose name we choose",
}


@pytest.fixture(params=RELEASES)
def profile(request):
    return profile_of(request.param)


def facts_of(profile):
    return FACTS[RELEASES[profile.name]]


def all_packages(facts):
    return [package for service in facts.values() for package in service["packages"]]


def known_paths(facts):
    paths = {path for package in all_packages(facts) for path in package.get("paths", ())}
    for service in facts.values():
        paths |= {*service.get("httpd", {}).values(), *service.get("started_with", ())}
    return {path.rstrip("/") for path in paths}


def is_ours(path):
    return "packstack-lite" in path or "packstack_lite" in path


def is_below_known_directory(path, known):
    """Whether a package owns a directory above ``path`` for such files, for instance for logs."""
    directories = [directory for directory in known if directory.startswith(("/var/", "/usr/share/"))]
    return any(path.startswith(f"{directory}/") for directory in directories)


def test_every_package_exists_in_rdo(profile):
    facts = facts_of(profile)
    known = {package["name"] for package in all_packages(facts)}
    known |= {
        name for package in all_packages(facts) for key in ("provides", "requires") for name in package.get(key, ())
    }
    requested = {name for names in profile.packages.values() for name in names}
    assert requested - known - set(OTHER_PACKAGES) == set()


def test_every_package_of_a_role_is_installed(profile):
    """The profile installs what the facts name for a role, without other agents and what is not deployed."""
    release = RELEASES[profile.name]
    requested = {name for names in profile.packages.values() for name in names}
    requested |= set(load_host_setup(profile.name).selinux_packages)
    refused = {name for name, parameter in PARAMETERS_BY_NAME.items() if parameter.supported_values == ("n",)}
    excluded_roles = {role for role in FACTS["_roles"] if f"CONFIG_{role.upper()}_INSTALL" in refused}
    excluded_roles |= {"neutron-linuxbridge", "etcd", "nova-migration"}
    for role, by_release in FACTS["_roles"].items():
        if role not in excluded_roles and by_release[release]:
            assert set(by_release[release]["packages"]) <= requested, role


def test_every_unit_exists_in_rdo(profile):
    known = {unit for package in all_packages(facts_of(profile)) for unit in package.get("units", ())}
    requested = {
        unit if "." in unit else f"{unit}.service"
        for unit in (*profile.units.values(), *profile.masked_units_for(profile.masked_units))
    }
    exceptions = {f"{unit}.service" for unit in UNITS}
    assert {unit for unit in requested - known - exceptions if not is_ours(unit)} == set()


def test_every_user_is_created_by_an_rdo_package(profile):
    known = {user for package in all_packages(facts_of(profile)) for user in package.get("users", ())}
    assert set(profile.users.values()) - known == set()


def test_every_path_belongs_to_an_rdo_package(profile):
    known = known_paths(facts_of(profile))
    requested = {path for path in profile.paths.values() if not is_ours(path)}
    wrong = {path for path in requested - known - set(PATHS) if not is_below_known_directory(path, known)}
    assert wrong == set()


def test_every_log_is_in_a_directory_of_a_package(profile):
    known = {*known_paths(facts_of(profile)), OVN_LOGS}
    logs = set(profile.logs.values())
    logs |= {api.log_path for api in profile.mod_wsgi.values()}
    assert {log for log in logs - known - set(LOGS) if not is_below_known_directory(log, known)} == set()


def test_the_web_server_runs_scripts_that_exist_in_rdo(profile):
    scripts = {api.app for api in profile.mod_wsgi.values()}
    assert scripts and scripts <= known_paths(facts_of(profile))


def test_each_exception_is_needed():
    """An exception that no profile needs any more has to be removed."""
    centos_profiles = [profile_of(name) for name in RELEASES]
    names = {name for profile in centos_profiles for group in profile.packages.values() for name in group}
    assert set(OTHER_PACKAGES) <= names
    assert set(UNITS) <= {unit for profile in centos_profiles for unit in profile.units.values()}
    assert set(PATHS) <= {path for profile in centos_profiles for path in profile.paths.values()}
    assert set(LOGS) <= {log for profile in centos_profiles for log in profile.logs.values()}


@pytest.mark.parametrize(("version", "name"), [("7", "centos7-train"), ("9", "centos9s-epoxy")])
def test_centos_is_detected_by_its_version(version, name):
    assert profiles.detect("centos", version).name == name
