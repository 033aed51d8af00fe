"""Profile files: what they inherit, how they are merged, and how errors in them read."""

from __future__ import annotations

import shutil

import pytest
import yaml

from packstack_lite import profiles
from packstack_lite.profiles.documents import ProfileError
from packstack_lite.services import SERVICES
from packstack_lite.services.registry import SPECS
from tests.conftest import PROJECT

PROFILES = PROJECT / "packstack_lite" / "profiles"

# Blocks that are no service of the registry: shared programs, and package groups that an answer brings.
SHARED_BLOCKS = {"host", "port-filter", "chrony", "httpd", "libvirt", "iscsi", "ceph"}
PACKAGE_GROUPS = {group for spec in SPECS for group in spec.all_package_groups} - set(SERVICES)

UBUNTU = """\
extends: debian
title: Ubuntu 24.04 with its own OpenStack (Caracal)
os_id: ubuntu
os_versions: ["24.04"]
release: caracal
services:
  nova:
    packages: [nova-api, nova-conductor, nova-scheduler, nova-novncproxy]
    masked_units: null
    paths:
      nova-consoleproxy: null
  horizon:
    packages: [openstack-dashboard]
    paths:
      site-default-ssl: null
  neutron-vpnaas: null
"""


@pytest.fixture
def directory(tmp_path):
    """A directory of profiles with the packaged families."""
    shutil.copytree(PROFILES / "families", tmp_path / "families")
    return tmp_path


@pytest.fixture
def load(directory):
    """Loads a profile from its text."""

    def load_text(text, name="ubuntu2404-caracal"):
        (directory / f"{name}.yaml").write_text(text)
        return profiles.load_from(directory, name)

    return load_text


def test_another_distribution_is_data_that_extends_a_family(load):
    ubuntu, debian = load(UBUNTU), profiles.load("debian13-epoxy")
    assert (ubuntu.name, ubuntu.os_id, ubuntu.release) == ("ubuntu2404-caracal", "ubuntu", "caracal")
    assert (ubuntu.package_manager, ubuntu.python) == ("apt", "python3")
    assert ubuntu.packages_for("nova") == ("nova-api", "nova-conductor", "nova-scheduler", "nova-novncproxy")
    assert ubuntu.packages_for("keystone") == debian.packages_for("keystone")
    assert dict(ubuntu.units) == dict(debian.units)
    assert ubuntu.log_path("nova-metadata", "nova") == "/var/log/nova/nova-api-metadata.log"


def test_null_removes_what_is_inherited(load):
    ubuntu, debian = load(UBUNTU), profiles.load("debian13-epoxy")
    assert {"nova-spicehtml5proxy", "nova-serialproxy"} == set(debian.masked_units["nova"])
    assert "nova" not in ubuntu.masked_units
    assert {"nova-consoleproxy", "site-default-ssl"} <= set(debian.paths) - set(ubuntu.paths)
    assert "neutron-vpnaas" in debian.packages and "neutron-vpnaas" not in ubuntu.packages
    assert "ipsec" in debian.drivers and "ipsec" not in ubuntu.drivers


def test_lists_replace_and_mappings_are_merged(load):
    profile = load(UBUNTU + "  host:\n    packages: [curl]\n    units: {bridge: other}\n")
    assert profile.packages_for("host") == ("curl",)
    assert (profile.unit("bridge"), profile.unit("port-filter")) == ("other", "packstack-lite-guard")


def test_python_in_a_packages_name_is_the_profiles(load):
    addition = '  zaqar:\n    packages: [zaqar-server, "{python}-zaqarclient"]\n'
    assert load(UBUNTU + addition).packages_for("zaqar") == ("zaqar-server", "python3-zaqarclient")
    other = load("python: python2\n" + UBUNTU + addition)
    assert other.packages_for("zaqar") == ("zaqar-server", "python2-zaqarclient")


def test_a_marker_table_may_differ_by_release(load):
    addition = "  zaqar:\n    marker_table: {caracal: zaqar.alembic_version, zed: zaqar.migrate_version}\n"
    assert load(UBUNTU + addition).marker_table("zaqar") == "zaqar.alembic_version"
    assert load(UBUNTU + addition.replace("caracal", "default")).marker_table("zaqar") == "zaqar.alembic_version"
    with pytest.raises(ProfileError, match="service zaqar, marker_table: there is no entry for release caracal"):
        load(UBUNTU + addition.replace("caracal", "train"))


def test_api_threads_limits_every_api(load):
    unlimited, limited = load(UBUNTU), load("api_threads: 2\n" + UBUNTU)
    assert {api.threads for api in unlimited.uwsgi.values()} == {1, 8}
    assert limited.uwsgi["keystone"].threads == 2 and limited.uwsgi["nova-api"].threads == 1


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("colour: blue\n", "x.yaml: unknown key colour"),
        ("  nova-compute:\n    unit: x\n", "x.yaml: service nova-compute: unknown key unit"),
        ("  nova-compute: [x]\n", "x.yaml: service nova-compute: not a mapping; its keys are user, "),
        ("  nova-compute:\n    packages: nova\n", "x.yaml: service nova-compute, packages: not a list of strings"),
        (
            "  nova-compute:\n    packages: ['{pyton}-x']\n",
            "x.yaml: service nova-compute, packages: only {python} may stand in braces",
        ),
        ("  nova-compute:\n    packages: [1]\n", "x.yaml: service nova-compute, packages: not a list of strings"),
        ("  glance:\n    marker_table: {zed: 1}\n", "x.yaml: service glance, marker_table: not a mapping of releases"),
        ("  glance:\n    user: [a]\n", "x.yaml: service glance, user: not a string"),
        ("  glance:\n    paths: [a]\n", "x.yaml: service glance, paths: not a mapping"),
        ("  glance:\n    paths: {images: 1}\n", "x.yaml: service glance, paths.images: not a string"),
        ("  keystone:\n    uwsgi: {keystone: x}\n", "x.yaml: service keystone, uwsgi.keystone: not a mapping"),
        ("  keystone:\n    uwsgi: {keystone: {app: null}}\n", "x.yaml: uwsgi.keystone: a key is missing or unknown: "),
        ("  keystone:\n    uwsgi: {keystone: {thread: 1}}\n", "x.yaml: uwsgi.keystone: a key is missing or unknown: "),
        ("  glance:\n    units: {glance: null}\n", "x.yaml: service glance, units.glance: null removes nothing"),
        ("  novva: null\n", "x.yaml: service novva: null removes nothing"),
        (
            "  glance:\n    user: a\n    user: b\n",
            "x.yaml: not valid YAML: user occurs twice in the mapping",
        ),
        ("  horizon: {}\n", "x.yaml: not valid YAML: horizon occurs twice"),
        ("  iscsi:\n    units: {httpd: x}\n", "x.yaml: service iscsi, units.httpd: service httpd has this key too"),
        ("  a: [\n", "x.yaml: not valid YAML: "),
    ],
)
def test_an_error_names_file_service_and_key(load, addition, message):
    with pytest.raises(ProfileError) as error:
        load(UBUNTU + addition, "x")
    assert error.value.message.startswith(message), error.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "x.yaml: not a mapping of keys to values"),
        ("services: []\n", "x.yaml: services: not a mapping; leave it out if nothing differs"),
        ("extends: debian\nservices:\n", "x.yaml: services: not a mapping; leave it out if nothing differs"),
        ("extends: debian\nhost_setup:\n", "x.yaml: host_setup: not a mapping; leave it out if nothing differs"),
        (
            "extends: debian\nos_versions: [24.10]\n",
            "x.yaml: os_versions: not a list of strings; put each VERSION_ID of /etc/os-release into quotation marks",
        ),
        ("extends: debian\nos_versions: '13'\n", "x.yaml: os_versions: not a list of strings; "),
        ("extends: debian\nos_versions: []\n", "x.yaml: os_versions: not a list of strings; "),
        ("extends: debian\nrelease: 2025.1\n", "x.yaml: release: not a string"),
        ("extends: debian\napi_threads: two\n", "x.yaml: api_threads: not a number above 0"),
        ("extends: suse\n", "x.yaml: extends: there is no family 'suse'"),
        (
            "title: x\nservices: {}\n",
            "x.yaml: os_id, os_versions, release, package_manager, python, log_pattern: ",
        ),
        ("extends: debian\ntitle: null\n", "x.yaml: title: null removes nothing"),
    ],
)
def test_an_error_of_a_whole_file_names_the_file(load, text, message):
    with pytest.raises(ProfileError) as error:
        load(text, "x")
    assert error.value.message.startswith(message), error.value.message


def test_a_profile_without_services_has_those_of_its_family(load):
    first_lines, _, _ = UBUNTU.partition("services:")
    assert dict(load(first_lines).packages) != dict(load(UBUNTU).packages)
    assert load(first_lines).packages_for("neutron-vpnaas")


def test_two_profiles_for_one_system_are_refused(load):
    first, second = load(UBUNTU), load(UBUNTU.replace('["24.04"]', '["24.10", "24.04"]'), "ubuntu2410-dalmatian")
    with pytest.raises(ProfileError) as error:
        profiles.index_by_system([first, second])
    assert error.value.message == (
        "ubuntu2404-caracal.yaml and ubuntu2410-dalmatian.yaml are both for os_id ubuntu, os_versions 24.04: "
        "only one profile can be for a system"
    )


def test_a_family_cannot_extend_another(directory, load):
    path = directory / "families" / "debian.yaml"
    path.write_text("extends: el\n" + path.read_text())
    with pytest.raises(ProfileError, match=r"^families/debian\.yaml: a family cannot extend another"):
        load(UBUNTU)


def test_an_error_in_a_family_names_the_family(directory, load):
    path = directory / "families" / "debian.yaml"
    path.write_text(path.read_text() + "  extra:\n    colour: blue\n")
    with pytest.raises(ProfileError, match=r"^families/debian\.yaml: service extra: unknown key colour"):
        load(UBUNTU)


def test_families_are_not_profiles():
    families = {path.stem for path in (PROFILES / "families").iterdir()}
    assert families == {"debian", "el"}
    assert families.isdisjoint(profiles.list_names())


@pytest.mark.parametrize("name", profiles.list_names())
def test_every_block_is_a_service_or_a_known_group(name):
    blocks = {service for text in _texts(name) for service in yaml.safe_load(text).get("services", {})}
    assert blocks - set(SERVICES) == SHARED_BLOCKS | PACKAGE_GROUPS


@pytest.mark.parametrize("name", profiles.list_names())
def test_a_profile_holds_only_what_differs_from_its_family(name):
    own, family = (yaml.safe_load(text) for text in _texts(name))
    assert _equal_entries(own, family) == []


def test_a_repeated_value_would_be_noticed():
    assert _equal_entries({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}) == ["a.b"]


def test_tables_cannot_be_changed():
    """They are shared: a profile is read once."""
    assert profiles.load("debian12-zed") is profiles.load("debian12-zed")
    with pytest.raises(TypeError):
        profiles.load("debian12-zed").paths["nova"] = "/etc/other"


def _texts(name):
    """The text of a profile and of its family."""
    own = (PROFILES / f"{name}.yaml").read_text()
    return own, (PROFILES / "families" / f"{yaml.safe_load(own)['extends']}.yaml").read_text()


def _equal_entries(own, family, prefix=""):
    """Keys that a profile repeats with the value that it inherits."""
    repeated = []
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(family.get(key), dict):
            repeated += _equal_entries(value, family[key], f"{prefix}{key}.")
        elif key in family and family[key] == value:
            repeated.append(f"{prefix}{key}")
    return repeated
