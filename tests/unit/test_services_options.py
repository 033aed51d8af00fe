"""Every rendered OpenStack config against the catalogue of options that its services really have."""

from __future__ import annotations

import re
import sys
from functools import lru_cache

import pytest

from packstack_lite import answers, profiles
from packstack_lite.errors import UsageError
from packstack_lite.nodes.facts import sample_facts
from packstack_lite.services import NodeContext
from tests.clouds import cloud, profile_of
from tests.conftest import PROJECT
from tests.rendered import CASES, files, on, text

SERVICES = ("keystone", "glance", "placement", "nova", "neutron", "barbican", "swift", "cinder")
# Sections named by references of glance_store, which reads it with a parser of its own; a list of exports; Python.
NOT_OSLO = {"/etc/glance/glance-swift.conf", "/etc/cinder/nfs_shares", "/etc/barbican/gunicorn-config.py"}
# Options of neutron.conf, which the packages of EL keep from this agent: without them it calls sudo with what
# sudo does not allow to it.
MOVED = {
    ("neutron_ovn_metadata_agent.ini", "agent", "root_helper"),
    ("neutron_ovn_metadata_agent.ini", "oslo_concurrency", "lock_path"),
    # The only one that says more than a scheme; its fate is "for removal" since Ocata (services/migration.py).
    ("nova-compute.conf", "libvirt", "live_migration_uri"),
    # VPNaaS's own, which is no part of Neutron's code (neutron_vpnaas/services/vpn/agent.py).
    ("l3_agent.ini", "vpnagent", ""),
}
LINUX_BRIDGE = {
    "CONFIG_NEUTRON_L2_AGENT": "linuxbridge",
    "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": ("linuxbridge", "l2population"),
    "CONFIG_NEUTRON_LB_INTERFACE_MAPPINGS": ("lab:eth1",),
    "CONFIG_NEUTRON_METERING_AGENT_INSTALL": True,
}
# What not every release has; at least one of them has each.
SOME = {"linuxbridge": LINUX_BRIDGE, "vpn": {"CONFIG_NEUTRON_VPNAAS": True}}
OVN_AGENT = "/etc/neutron/plugins/networking-ovn/networking-ovn-metadata-agent.ini"
BRIDGE_AGENT = "/etc/neutron/plugins/ml2/linuxbridge_agent.ini"
FACTS = PROJECT / "tests" / "facts"
sys.path.insert(0, str(FACTS))
import check_options  # noqa: E402

CATALOGUED = {
    "/etc/keystone/keystone.conf": "keystone.conf",
    "/etc/glance/glance-api.conf": "glance-api.conf",
    "/etc/placement/placement.conf": "placement.conf",
    "/etc/nova/nova.conf": "nova.conf",
    "/etc/nova/nova-compute.conf": "nova.conf",
    "/etc/neutron/neutron.conf": "neutron.conf",
    "/etc/neutron/plugins/ml2/ml2_conf.ini": "ml2_conf.ini",
    "/etc/neutron/plugins/ml2/openvswitch_agent.ini": "openvswitch_agent.ini",
    "/etc/neutron/l3_agent.ini": "l3_agent.ini",
    "/etc/neutron/dhcp_agent.ini": "dhcp_agent.ini",
    "/etc/neutron/metadata_agent.ini": "metadata_agent.ini",
    "/etc/neutron/metering_agent.ini": "metering_agent.ini",
    "/etc/neutron/plugins/ml2/sriov_agent.ini": "sriov_agent.ini",
    BRIDGE_AGENT: "linuxbridge_agent.ini",
    "/etc/neutron/neutron_ovn_metadata_agent.ini": "neutron_ovn_metadata_agent.ini",
    OVN_AGENT: "networking-ovn-metadata-agent.ini",
    "/etc/barbican/barbican.conf": "barbican.conf",
    "/etc/cinder/cinder.conf": "cinder.conf",
    "/etc/swift/swift.conf": "swift/swift.conf",
    "/etc/swift/proxy-server.conf": "swift/proxy-server.conf",
    "/etc/swift/account-server.conf": "swift/account-server.conf",
    "/etc/swift/container-server.conf": "swift/container-server.conf",
    "/etc/swift/object-server.conf": "swift/object-server.conf",
}


@lru_cache(maxsize=None)
def catalogue_of(release):
    """A catalogue, read once: it takes longer than a check."""
    path = FACTS / f"options-{release}.json.gz"
    if not path.is_file():
        raise LookupError(
            f"no option catalogue for release {release}: add {path.name} to tests/facts (see its README.md)"
        )
    return check_options.load_catalog(str(path)), str(path)


def test_a_release_without_an_option_catalogue_is_a_sentence():
    with pytest.raises(LookupError, match=r"^no option catalogue for release caracal: add options-caracal"):
        catalogue_of("caracal")


def problems(profile, *named):
    """What is wrong with files, each with its name in the catalogue: (name, path)."""
    checker = check_options.Checker(*catalogue_of(profile_of(profile).release))
    for name, path in named:
        checker.preload(name, str(path))
    for name, path in named:
        checker.check(name, str(path))
    return checker.problems


def wrong(profile, rendered, directory, least=8):
    """What is wrong with the rendered files; so many have to be judged."""
    judged = [path for path in CATALOGUED if path in rendered]
    assert len(judged) >= least
    for path in judged:
        (directory / path.rsplit("/", 1)[1]).write_text(text(rendered[path]))
    found = problems(profile, *[(CATALOGUED[path], directory / path.rsplit("/", 1)[1]) for path in judged])
    return [problem for problem in found if _place(problem) not in MOVED]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("profile", profiles.list_names())
def test_no_unknown_removed_or_deprecated_option(profile, case, tmp_path):
    # A host with a part of the cloud has a part of the files.
    parts = {
        "hosts-controller": 6,
        "spread-controller": 6,
        "hosts-compute": 4,
        "hosts-compute-ovs": 4,
        "spread-storage": 1,
    }
    least = parts.get(case, 8)
    assert wrong(profile, files(on(profile, CASES[case]())), tmp_path, least) == []


@pytest.mark.parametrize("case", SOME)
@pytest.mark.parametrize("profile", profiles.list_names())
def test_what_only_some_releases_have_is_right_there_and_refused_elsewhere(profile, case, tmp_path):
    of = cloud(SOME[case], profile)
    if f"neutron-{'vpnaas' if case == 'vpn' else case}" in of.profile.packages:
        assert wrong(profile, files(of), tmp_path) == []
        return
    with pytest.raises(UsageError, match=f"{re.escape(of.profile.title)} is without: CONFIG_NEUTRON_") as refused:
        files(of)
    assert refused.value.hint.startswith("set CONFIG_NEUTRON_")


def test_each_of_them_is_somewhere():
    groups = {group for name in profiles.list_names() for group in profile_of(name).packages}
    assert {"neutron-linuxbridge", "neutron-vpnaas"} <= groups
    assert "neutron-linuxbridge" not in profile_of("debian13-epoxy").packages


@pytest.mark.parametrize("sample", sorted((PROJECT / "answer-files").glob("*.txt")), ids=lambda path: path.name)
@pytest.mark.parametrize("profile", profiles.list_names())
def test_every_sample_answer_file_makes_configs_without_a_wrong_option(profile, sample, tmp_path):
    of = profile_of(profile)
    told = answers.resolve_answers([sample], address="198.18.1.10")
    plain = NodeContext(told, sample_facts(of.os_id, of.os_versions[0], "198.18.1.10"), of)
    found = wrong(profile, files(plain), tmp_path)
    # Passwords of hostile.txt look like what they are not.
    assert [problem for problem in found if problem["code"] != "suspicious-value"] == []


def _place(problem):
    return problem["file"].rsplit("/", 1)[1], problem["group"], problem["option"]


@pytest.mark.parametrize("profile", profiles.list_names())
def test_no_config_of_a_service_is_left_unchecked(profile):
    """A file of a service's own directory is either in the catalogue or no oslo file."""
    services = tuple(f"/etc/{name}/" for name in SERVICES)
    written = {path for make in CASES.values() for path in files(on(profile, make())) if path.startswith(services)}
    agent = "/etc/neutron/neutron_ovn_metadata_agent.ini" if OVN_AGENT in written else OVN_AGENT
    assert {path for path in written if not path.endswith("uwsgi.ini")} - NOT_OSLO == set(CATALOGUED) - {
        agent,
        BRIDGE_AGENT,
    }


@pytest.mark.parametrize("profile", profiles.list_names())
def test_the_checker_would_see_a_wrong_option(profile, tmp_path):
    path = tmp_path / "nova.conf"
    path.write_text("[DEFAULT]\nno_such_option = 1\n[glance]\nusername = x\n")
    assert {problem["code"] for problem in problems(profile, ("nova.conf", path))} == {"unknown-option"}
