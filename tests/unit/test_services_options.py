"""Every rendered OpenStack config has only options of its release's catalogue (tests/facts)."""

from __future__ import annotations

import re
import sys
from functools import lru_cache

import pytest

from packstack_lite import answers, profiles
from packstack_lite.config_overrides.option_check import option_lists
from packstack_lite.errors import UsageError
from packstack_lite.nodes.facts import sample_facts
from packstack_lite.services import NodeContext
from packstack_lite.services.registry import SPECS
from tests.clouds import cloud, profile_of
from tests.conftest import PROJECT
from tests.rendered import CASES, files, files_of_case, files_once, text
from tests.service_checks import WITHOUT_OPTION_LISTS

# Services with files of their own below /etc/NAME.
SERVICES = tuple(spec.name for spec in SPECS if spec.apis)
# Options of neutron.conf, which EL's packages do not pass to this agent: without them it calls sudo with a command
# that sudo does not permit.
ALLOWED = {
    ("neutron_ovn_metadata_agent.ini", "agent", "root_helper"),
    ("neutron_ovn_metadata_agent.ini", "oslo_concurrency", "lock_path"),
    # The only option that takes more than a scheme; deprecated for removal since Ocata (services/nova_migration.py).
    ("nova-compute.conf", "libvirt", "live_migration_uri"),
    # VPNaaS's, which is not part of Neutron's code (neutron_vpnaas/services/vpn/agent.py).
    ("l3_agent.ini", "vpnagent", ""),
}
LINUX_BRIDGE = {
    "CONFIG_NEUTRON_L2_AGENT": "linuxbridge",
    "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": ("linuxbridge", "l2population"),
    "CONFIG_NEUTRON_LB_INTERFACE_MAPPINGS": ("lab:eth1",),
    "CONFIG_NEUTRON_METERING_AGENT_INSTALL": True,
}
# Answers that not every release supports; at least one release supports each.
SOME_RELEASES = {"linuxbridge": LINUX_BRIDGE, "vpn": {"CONFIG_NEUTRON_VPNAAS": True}}
OVN_AGENT = "/etc/neutron/plugins/networking-ovn/networking-ovn-metadata-agent.ini"
BRIDGE_AGENT = "/etc/neutron/plugins/ml2/linuxbridge_agent.ini"
FACTS_DIR = PROJECT / "tests" / "facts"
sys.path.insert(0, str(FACTS_DIR))
import check_options  # noqa: E402

# Files with another name in the catalogue than their own.
CATALOGUE_NAMES = {"/etc/nova/nova-compute.conf": "nova.conf"}


def _files_below_etc():
    """Return the files below /etc/SERVICE that have a template: path -> name in the catalogue of options."""
    names = {}
    for service in SERVICES:
        for template in sorted((PROJECT / "templates" / service / "etc" / service).rglob("*.j2")):
            path = "/" + template.relative_to(PROJECT / "templates" / service).as_posix()[: -len(".j2")]
            names[path] = CATALOGUE_NAMES.get(path, template.stem if service != "swift" else f"swift/{template.stem}")
    return names


def _has_options(path):
    """Return whether a file's options are in the catalogue: it has option lists, or a parser like oslo.config's."""
    service, name = path.split("/")[2], path[len("/etc/") :]
    return bool(option_lists(name)) or service in WITHOUT_OPTION_LISTS


CATALOGUED = {path: name for path, name in _files_below_etc().items() if _has_options(path)}
# A list of exports, Python, uwsgi's files: services/option_lists.yaml has no lists of options for them.
NOT_OSLO = set(_files_below_etc()) - set(CATALOGUED)


@lru_cache(maxsize=None)
def load_catalogue(release):
    """Load a release's catalogue once: loading takes longer than a check."""
    path = FACTS_DIR / f"options-{release}.json.gz"
    if not path.is_file():
        raise LookupError(
            f"no option catalogue for release {release}: add {path.name} to tests/facts (see its README.md)"
        )
    return check_options.load_catalog(str(path)), str(path)


def test_a_release_without_an_option_catalogue_is_named():
    with pytest.raises(LookupError, match=r"^no option catalogue for release invented: add options-invented"):
        load_catalogue("invented")


def find_problems(profile, *named):
    """Return the problems of files, given as (name in the catalogue, path)."""
    checker = check_options.Checker(*load_catalogue(profile_of(profile).release))
    for name, path in named:
        if name not in checker.catalog:
            raise LookupError(
                f"the option catalogue of {profile_of(profile).release} has no {name}: add it with"
                " tests/tools/option_catalogue.py (tests/facts/README.md), or if oslo.config does not read that file,"
                " add its path below /etc with [] to packstack_lite/services/option_lists.yaml"
            )
        checker.preload(name, str(path))
    for name, path in named:
        checker.check(name, str(path))
    return checker.problems


def find_wrong_options(profile, rendered, directory, least=8):
    """Return the problems of rendered files, of which at least ``least`` must be in the catalogue."""
    checked = [path for path in CATALOGUED if path in rendered]
    assert len(checked) >= least
    for path in checked:
        (directory / path.rsplit("/", 1)[1]).write_text(text(rendered[path]))
    problems = find_problems(profile, *[(CATALOGUED[path], directory / path.rsplit("/", 1)[1]) for path in checked])
    return [problem for problem in problems if _location(problem) not in ALLOWED]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("profile", profiles.list_names())
def test_no_unknown_removed_or_deprecated_option(profile, case, tmp_path):
    # A node with some of the roles has some of the files.
    parts = {
        "hosts-controller": 6,
        "spread-controller": 6,
        "hosts-compute": 4,
        "hosts-compute-ovs": 4,
        "spread-storage": 1,
    }
    least = parts.get(case, 8)
    assert find_wrong_options(profile, files_of_case(profile, case), tmp_path, least) == []


@pytest.mark.parametrize("case", SOME_RELEASES)
@pytest.mark.parametrize("profile", profiles.list_names())
def test_answers_of_some_releases_are_right_there_and_refused_elsewhere(profile, case, tmp_path):
    context = cloud(SOME_RELEASES[case], profile)
    if f"neutron-{'vpnaas' if case == 'vpn' else case}" in context.profile.packages:
        assert find_wrong_options(profile, files_once(context, case), tmp_path) == []
        return
    with pytest.raises(UsageError, match=f"{re.escape(context.profile.title)} is without: CONFIG_NEUTRON_") as refused:
        files(context)
    assert refused.value.hint.startswith("set CONFIG_NEUTRON_")


def test_at_least_one_release_supports_each():
    groups = {group for name in profiles.list_names() for group in profile_of(name).packages}
    assert {"neutron-linuxbridge", "neutron-vpnaas"} <= groups
    assert "neutron-linuxbridge" not in profile_of("debian13-epoxy").packages


@pytest.mark.parametrize("sample", sorted((PROJECT / "answer-files").glob("*.txt")), ids=lambda path: path.name)
@pytest.mark.parametrize("profile", profiles.list_names())
def test_every_sample_answer_file_renders_only_known_options(profile, sample, tmp_path):
    loaded = profile_of(profile)
    resolved = answers.resolve_answers([sample], address="198.18.1.10")
    context = NodeContext(resolved, sample_facts(loaded.os_id, loaded.os_versions[0], "198.18.1.10"), loaded)
    problems = find_wrong_options(profile, files_once(context, sample.name), tmp_path)
    # Passwords of hostile.txt look suspicious on purpose.
    assert [problem for problem in problems if problem["code"] != "suspicious-value"] == []


def _location(problem):
    return problem["file"].rsplit("/", 1)[1], problem["group"], problem["option"]


@pytest.mark.parametrize("profile", profiles.list_names())
def test_every_config_of_a_service_is_in_the_catalogue(profile):
    """Each file in a service's directory has a template whose path is the node's; those of uwsgi share one."""
    directories = tuple(f"/etc/{name}/" for name in SERVICES)
    written = {path for case in CASES for path in files_of_case(profile, case) if path.startswith(directories)}
    agent = "/etc/neutron/neutron_ovn_metadata_agent.ini" if OVN_AGENT in written else OVN_AGENT
    assert {path for path in written if not path.endswith("uwsgi.ini")} - NOT_OSLO == set(CATALOGUED) - {
        agent,
        BRIDGE_AGENT,
    }


@pytest.mark.parametrize("profile", profiles.list_names())
def test_the_checker_finds_an_unknown_option(profile, tmp_path):
    path = tmp_path / "nova.conf"
    path.write_text("[DEFAULT]\nno_such_option = 1\n[glance]\nusername = x\n")
    assert {problem["code"] for problem in find_problems(profile, ("nova.conf", path))} == {"unknown-option"}
