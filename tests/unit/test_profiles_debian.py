"""Debian's profiles name what Debian packages: checked against facts read from its binary packages.

The facts are Debian 12's. Debian 13's packages have the same names where the profiles share a family.
"""

from __future__ import annotations

import json
import re

from tests.clouds import profile_of
from tests.conftest import PROJECT

FACTS = json.loads((PROJECT / "tests" / "facts" / "debian-packages.json").read_text())["debian12-zed"]
PROFILE = profile_of("debian12-zed")
PACKAGES = [package for service in FACTS.values() for package in service["packages"]]
# Packages of Debian 12 that the facts do not cover; the end-to-end tests install all but the agents and VPNaaS.
# The services' clients, python3-NAMEclient, are not in the facts either.
OTHER_PACKAGES = {
    *("nftables", "nfs-common", "lsscsi", "strongswan"),
    *("ceph-common", "ceph-mon", "ceph-mgr", "ceph-osd", "python3-rados", "python3-rbd"),
    *("neutron-metering-agent", "neutron-sriov-agent", "neutron-vpnaas-common"),
}
OTHER_UNITS = {"ceph-mon", "ceph-mgr", "ceph-osd", "neutron-metering-agent", "neutron-sriov-agent"}
# Accounts that a package's script makes in a way that the facts do not show.
OTHER_USERS = {"libvirt"}


def test_every_package_exists_in_debian():
    known = {name for package in PACKAGES for name in (package["name"], *package.get("requires", ()))}
    requested = {name for group in PROFILE.packages.values() for name in group}
    unknown = {name for name in requested - known if not re.fullmatch(r"python3-\w+client", name)}
    assert unknown == OTHER_PACKAGES, "not in tests/facts/debian-packages.json: is the name right?"


def test_every_unit_exists_in_debian():
    known = {unit for package in PACKAGES for unit in package.get("units", ())}
    requested = {unit if "." in unit else f"{unit}.service" for unit in PROFILE.units.values()}
    unknown = {unit.partition(".")[0] for unit in requested - known if not unit.startswith("packstack-lite")}
    assert unknown == OTHER_UNITS, "not in tests/facts/debian-packages.json: is the name right?"


def test_every_user_is_created_by_a_debian_package():
    known = {user for package in PACKAGES for user in package.get("users", ())}
    assert set(PROFILE.users.values()) - known == OTHER_USERS
