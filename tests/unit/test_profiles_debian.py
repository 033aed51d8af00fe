"""Debian's profiles name what Debian packages: checked against facts read from its binary packages.

The facts are Debian 12's. Debian 13's packages have the same names where the profiles share a family.
"""

from __future__ import annotations

import json
import re

import pytest

from packstack_lite import services
from packstack_lite.resources import File, Packages, Phase, PortFilter, Unit, UnitHolds
from tests.clouds import MACHINE, OVN, cloud, profile_of
from tests.conftest import PROJECT
from tests.rendered import DISKS

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


ENABLED = json.loads((PROJECT / "tests" / "facts" / "debian-enabled-units.json").read_text())
# Units that packages enable and that may start at a boot before anything is configured: none accepts connections from
# another machine with its package's configuration.
HARMLESS = {
    # Sockets below /run only.
    *("libvirtd-admin.socket", "libvirtd-ro.socket", "libvirtd.socket", "virtlockd-admin.socket", "virtlockd.service"),
    *("virtlockd.socket", "virtlogd-admin.socket", "virtlogd.service", "virtlogd.socket", "dm-event.socket"),
    *("lvm2-lvmpolld.socket", "uuidd.service", "uuidd.socket", "iscsid.socket", "rsyslog.service"),
    # Clients of storage, and what ends with the machine.
    *("blk-availability.service", "lvm2-monitor.service", "libvirt-guests.service", "nfs-client.target"),
    *("nfs-blkmap.service", "nvmefc-boot-connections.service", "open-iscsi.service", "rtslib-fb-targetctl.service"),
    *("rbdmap.service", "ceph.target", "smartmontools.service", "system-xfs_scrub.slice", "xfs_scrub_all.timer"),
    *("ovs-record-hostname.service", "apache-htcacheclean.service"),
    # Without a configuration that names an address they do not start, or listen nowhere.
    *("haproxy.service", "keepalived.service", "radvd.service"),
}
# Sockets that listen on loopback by a drop-in that is there before their package.
CONFINED = {
    "epmd.socket": "epmd.service",
    "rpcbind.socket": "rpcbind.service",
}


@pytest.mark.parametrize("name", ["debian12-zed", "debian13-epoxy"])
@pytest.mark.parametrize("agent", ["ovn", "openvswitch"])
def test_no_unit_that_a_package_enables_can_start_unconfigured(name, agent):
    """Each is held until it is configured, is masked, or can be reached from this machine only."""
    network = OVN if agent == "ovn" else {"CONFIG_NEUTRON_METERING_AGENT_INSTALL": True, "CONFIG_NEUTRON_VPNAAS": True}
    resources = services.declare(cloud({**DISKS, **network}, profile=name, **MACHINE))
    before_packages = [r for r in resources if r.phase is Phase.PREPARE]
    held = {unit for holds in before_packages if isinstance(holds, UnitHolds) for unit in holds.units}
    dropins = {r.path.split("/")[-2].removesuffix(".d") for r in before_packages if isinstance(r, File)}
    assert set(CONFINED) <= dropins
    of_other_agent = "openvswitch-agent|l3-agent|dhcp-agent|neutron-metadata-agent|metering-agent|strongswan"
    of_other_agent = of_other_agent if agent == "ovn" else "^ovn-|neutron-ovn-"
    enabled = {unit for units in ENABLED[name].values() for unit in units if not re.search(of_other_agent, unit)}
    confined = {unit for pair in CONFINED.items() for unit in pair}
    assert sorted(enabled - held - confined - HARMLESS) == []


@pytest.mark.parametrize("name", ["centos7-train", "centos9s-epoxy", "debian12-zed", "debian13-epoxy"])
def test_every_unit_is_held_and_the_port_filter_in_force_before_the_first_service_is_installed(name):
    resources = services.declare(cloud({**DISKS, "CONFIG_FIREWALL": True}, profile=name, **MACHINE))
    held = {unit for holds in resources if isinstance(holds, UnitHolds) for unit in holds.units}
    own = {f"/etc/systemd/system/{r.full_name}" for r in resources if isinstance(r, Unit)}
    own &= {r.path for r in resources if isinstance(r, File)}
    assert own, "the bridge has a unit of ours"
    units = {r.full_name for r in resources if isinstance(r, Unit)}
    assert held == {unit for unit in units if f"/etc/systemd/system/{unit}" not in own}
    assert {r.phase for r in resources if isinstance(r, (UnitHolds, PortFilter))} == {Phase.PREPARE}
    first = [r for r in resources if isinstance(r, Packages) and r.phase is Phase.PREPARE]
    assert first[-1].id == "packages:port-filter" and not set(first[-1].names) - {"nftables", "iptables"}
