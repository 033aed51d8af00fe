"""Profiles: data that is whole, found by operating system."""

from __future__ import annotations

import re

import pytest
import yaml

from packstack_lite import profiles, services
from packstack_lite.errors import UsageError
from tests.clouds import cloud
from tests.conftest import PROJECT


@pytest.mark.parametrize(("version", "name"), [("12", "debian12-zed"), ("13", "debian13-epoxy")])
def test_debian_is_detected_by_its_version(version, name):
    assert profiles.detect("debian", version).name == name


@pytest.mark.parametrize(("os_id", "version"), [("debian", "11"), ("fedora", "40"), ("", "")])
def test_another_system_is_told_what_is_supported(os_id, version):
    with pytest.raises(UsageError) as fault:
        profiles.detect(os_id, version)
    assert "is not supported" in fault.value.message
    assert "debian12-zed" in fault.value.hint


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(UsageError) as fault:
        profiles.load("debian12")
    assert "debian12-zed" in fault.value.hint


@pytest.mark.parametrize("name", profiles.list_names())
def test_a_profile_is_frozen_and_whole(name):
    profile = profiles.load(name)
    assert profile.name == name
    for table in (profile.units, profile.users, profile.paths):
        assert all(isinstance(value, str) and value for value in table.values())
    assert all(path.startswith("/") for path in profile.paths.values())
    with pytest.raises(AttributeError):
        profile.release = "other"  # type: ignore[misc]
    with pytest.raises(LookupError, match="units: add it to"):
        profile.unit("no-such-role")


def test_debians_profiles_tell_the_same_things_in_the_same_order():
    """So that diff shows what differs between the releases."""
    first, second = (yaml.safe_load(_text(name)) for name in profiles.list_names() if name.startswith("debian"))
    pairs = [(first, second), *[(rows, second[name]) for name, rows in first.items() if isinstance(rows, dict)]]
    for one, other in pairs:
        assert [row for row in one if row in other] == [row for row in other if row in one]


def _text(name):
    return (PROJECT / "packstack_lite" / "profiles" / f"{name}.yaml").read_text()


def test_logs_follow_the_pattern_or_their_own_entry():
    profile = profiles.load("debian12-zed")
    assert profile.log_path("nova-metadata", "nova") == "/var/log/nova/nova-api-metadata.log"
    assert profile.log_path("httpd", "horizon") == "/var/log/apache2/error.log"


def test_services_hold_no_name_that_differs_between_distributions():
    """Paths of configuration and names of packages are data of the profile."""
    words = re.compile(r"[\"'](/etc/[^\"']+|python3-\w+|mariadb-server|apache2|httpd\.service)[\"']")
    for path in (PROJECT / "packstack_lite" / "services").glob("*.py"):
        assert not words.search(path.read_text()), path.name


def test_every_template_is_used_and_every_used_one_is_there():
    from tests.rendered import CASES, files, on
    from tests.unit.test_services_options import LINUX_BRIDGE

    used = {"client/root/keystonerc.j2", "swift/etc/systemd/system/srv-node.mount.j2"}
    used |= {"host/etc/yum.repos.d/packstack.repo.j2"}
    for profile in profiles.list_names():
        for make in CASES.values():
            for path, file in files(on(profile, make())).items():
                used |= {f"{tag}{path}.j2" for tag in file.tags}
    bridges = files(cloud({**LINUX_BRIDGE, "CONFIG_NEUTRON_ML2_FLAT_NETWORKS": ("*",)}))
    used |= {f"{tag}{path}.j2" for path, file in bridges.items() for tag in file.tags}
    there = {path.relative_to(PROJECT / "templates").as_posix() for path in (PROJECT / "templates").rglob("*.j2")}
    texts = "".join((PROJECT / "templates" / name).read_text() for name in there)
    texts += "".join(path.read_text() for path in (PROJECT / "packstack_lite/services").glob("*.py"))
    used |= {name for name in there if name.startswith("common/") and f'"{name}"' in texts}
    assert there - used == set()
    assert services.supported_services()
