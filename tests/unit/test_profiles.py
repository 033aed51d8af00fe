"""Profiles: complete, detected by operating system, and the only place of distribution-specific names."""

from __future__ import annotations

import re

import pytest

from packstack_lite import profiles, services
from packstack_lite.errors import UsageError
from tests.clouds import cloud
from tests.conftest import PROJECT

TABLES = (
    "packages",
    "units",
    "users",
    "paths",
    "logs",
    "commands",
    "marker_tables",
    "drivers",
    "uwsgi",
    "mod_wsgi",
)


@pytest.mark.parametrize(("version", "name"), [("12", "debian12-zed"), ("13", "debian13-epoxy")])
def test_debian_is_detected_by_its_version(version, name):
    assert profiles.detect("debian", version).name == name


@pytest.mark.parametrize(("os_id", "version"), [("debian", "11"), ("fedora", "40"), ("", "")])
def test_an_unsupported_system_is_refused_with_the_supported_ones(os_id, version):
    with pytest.raises(UsageError) as error:
        profiles.detect(os_id, version)
    assert "is not supported" in error.value.message
    assert "debian12-zed" in error.value.hint


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UsageError) as error:
        profiles.load("debian12")
    assert "debian12-zed" in error.value.hint


@pytest.mark.parametrize("name", profiles.list_names())
def test_a_profile_is_complete_and_immutable(name):
    profile = profiles.load(name)
    assert profile.name == name
    for table in (profile.units, profile.users, profile.paths):
        assert all(isinstance(value, str) and value for value in table.values())
    assert all(path.startswith("/") for path in profile.paths.values())
    with pytest.raises(AttributeError):
        profile.release = "other"  # type: ignore[misc]
    with pytest.raises(LookupError, match="units: add it to"):
        profile.unit("no-such-role")


@pytest.mark.parametrize(("older", "newer"), [("debian12-zed", "debian13-epoxy"), ("centos7-train", "centos9s-epoxy")])
def test_profiles_of_a_family_have_their_entries_in_the_same_order(older, newer):
    """So that a diff of two dumps shows only what differs between the releases."""
    older_profile, newer_profile = profiles.load(older), profiles.load(newer)
    for name in TABLES:
        older_table, newer_table = getattr(older_profile, name), getattr(newer_profile, name)
        common = [key for key in older_table if key in newer_table]
        assert common == [key for key in newer_table if key in older_table], name
        assert common or not (older_table and newer_table), name


def test_a_log_path_follows_the_pattern_or_its_own_entry():
    profile = profiles.load("debian12-zed")
    assert profile.log_path("nova-metadata", "nova") == "/var/log/nova/nova-api-metadata.log"
    assert profile.log_path("httpd", "horizon") == "/var/log/apache2/error.log"


def test_services_hold_no_name_that_differs_between_distributions():
    """Paths of configuration files and names of packages are data of the profile."""
    distribution_name = re.compile(r"[\"'](/etc/[^\"']+|python3-\w+|mariadb-server|apache2|httpd\.service)[\"']")
    modules = sorted((PROJECT / "packstack_lite" / "services").rglob("*.py"))
    assert len(modules) > 40
    assert {path.name: match.group() for path in modules if (match := distribution_name.search(path.read_text()))} == {}


def test_every_template_is_used_and_every_used_one_exists():
    from tests.rendered import CASES, files, on
    from tests.unit.test_services_options import LINUX_BRIDGE

    used = {"client/root/keystonerc.j2", "swift/etc/systemd/system/srv-node.mount.j2"}
    used |= {"host/etc/yum.repos.d/packstack.repo.j2"}
    for profile in profiles.list_names():
        for make_context in CASES.values():
            for path, file in files(on(profile, make_context())).items():
                used |= {f"{tag}{path}.j2" for tag in file.tags}
    linux_bridge_files = files(cloud({**LINUX_BRIDGE, "CONFIG_NEUTRON_ML2_FLAT_NETWORKS": ("*",)}))
    used |= {f"{tag}{path}.j2" for path, file in linux_bridge_files.items() for tag in file.tags}
    existing = {path.relative_to(PROJECT / "templates").as_posix() for path in (PROJECT / "templates").rglob("*.j2")}
    texts = "".join((PROJECT / "templates" / name).read_text() for name in existing)
    texts += "".join(path.read_text() for path in (PROJECT / "packstack_lite/services").rglob("*.py"))
    used |= {name for name in existing if name.startswith("common/") and f'"{name}"' in texts}
    assert existing - used == set()
    assert services.SERVICES


def test_every_quirk_is_looked_up_and_every_looked_up_one_exists():
    """A misspelt quirk would silently leave its workaround out."""
    trees = [(PROJECT / "packstack_lite", "*.py"), (PROJECT / "templates", "*.j2")]
    texts = [path.read_text() for tree, pattern in trees for path in tree.rglob(pattern)]
    looked_up = {
        name for text in texts for name in re.findall(r'"([\w-]+)" (?:not )?in (?:context\.)?profile\.quirks', text)
    }
    assert looked_up == {quirk for name in profiles.list_names() for quirk in profiles.load(name).quirks}
