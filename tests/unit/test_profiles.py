"""Profiles: complete, detected by operating system, and the only place of distribution-specific names."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from packstack_lite import profiles, services
from packstack_lite.errors import UsageError
from packstack_lite.profiles import Profile
from packstack_lite.resources import File
from packstack_lite.services import NodeContext
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


def check_name(profile):
    """Return a sentence if a profile's name is not ID, VERSION_ID without dots, "-" and release."""
    versions = "|".join(re.escape(version.replace(".", "")) for version in profile.os_versions)
    if re.fullmatch(f"{re.escape(profile.os_id)}({versions})[a-z]*-{re.escape(profile.release)}", profile.name):
        return ""
    name = f"{profile.os_id}{profile.os_versions[0].replace('.', '')}-{profile.release}"
    return f"{profile.name}.yaml: name it {name}.yaml, or give it the os_id of its system"


def test_a_profile_is_named_by_system_and_release():
    sentences = list(filter(None, map(check_name, map(profiles.load, profiles.list_names()))))
    assert not sentences, "\n".join(sentences)


def test_a_profile_with_the_os_id_of_its_family_is_noticed():
    ubuntu = replace(profiles.load("debian13-epoxy"), name="ubuntu2404-caracal", os_versions=("24.04",))
    wrong = replace(ubuntu, release="caracal")
    sentence = "ubuntu2404-caracal.yaml: name it debian2404-caracal.yaml, or give it the os_id of its system"
    assert check_name(wrong) == sentence
    assert check_name(replace(wrong, os_id="ubuntu")) == ""


@pytest.fixture
def rendering_problems(monkeypatch):
    """Renders every case with a profile; returns a sentence for each file without a path or a template."""

    def render_all(profile):
        from tests.rendered import CASES, files, on

        sentences = set()
        path, render_file = Profile.path, NodeContext.render_file

        def path_or_note(self, key):
            try:
                return path(self, key)
            except LookupError as error:
                sentences.add(str(error))
                return f"/missing/{key}"

        def render_or_note(self, service, path_key, *arguments, **values):
            try:
                return render_file(self, service, path_key, *arguments, **values)
            except LookupError as error:
                sentences.update({str(error)} if "/missing/" not in str(error) else ())
                return File(path=f"/missing/{service}/{path_key}", content="")

        monkeypatch.setattr(Profile, "path", path_or_note)
        monkeypatch.setattr(NodeContext, "render_file", render_or_note)
        for make_context in CASES.values():
            files(replace(on("debian13-epoxy", make_context()), profile=profile))
        return sorted(sentences)

    return render_all


@pytest.mark.parametrize("name", profiles.list_names())
def test_every_file_of_a_profile_has_a_path_and_a_template(name, rendering_problems):
    sentences = rendering_problems(profiles.load(name))
    assert not sentences, "\n".join(sentences)


def test_a_missing_template_and_a_needed_path_that_is_null_are_named(rendering_problems):
    profile = profiles.load("debian13-epoxy")
    paths = {key: path for key, path in profile.paths.items() if key not in ("ml2", "nova-consoleproxy")}
    changed = replace(profile, paths={**paths, "mariadb": "/etc/my.cnf"})
    assert rendering_problems(changed) == [
        "the profile debian13-epoxy has no 'ml2' in its paths: add it to debian13-epoxy.yaml or its family "
        "(null removes what the family has)",
        "the profile debian13-epoxy has the path 'mariadb' at /etc/my.cnf: add templates/mariadb/etc/my.cnf.j2",
    ]


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
    from tests.rendered import CASES, files, files_of_case
    from tests.unit.test_services_options import LINUX_BRIDGE

    used = {"client/root/keystonerc.j2", "swift/etc/systemd/system/srv-node.mount.j2"}
    used |= {"host/etc/yum.repos.d/packstack.repo.j2"}
    for profile in profiles.list_names():
        for case in CASES:
            for path, file in files_of_case(profile, case).items():
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
