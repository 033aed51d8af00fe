"""Test hosts with CentOS's layout: their tables, and how pools of files become RPMs. Nothing is built here."""

import json
import os
import subprocess
import types
from dataclasses import replace
from pathlib import Path

import pytest

from packstack_lite import profiles
from packstack_lite.remote.command import Command
from packstack_lite.sandbox import model
from packstack_lite.sandbox.distros import DEBIAN_SUITES, notice
from tests.hosts import DISTRO_PLUGINS, deb_pools, el_layout, el_table, pools, rpms
from tests.rehearsal_services import PROFILES, absent_services, without_absent_services
from tests.unit.dash import Dash

LAYOUTS = sorted(el_layout.POOL_FILLERS)
every_layout = pytest.mark.parametrize("name", LAYOUTS)


@pytest.fixture(scope="module")
def el9():
    return el_table.load_layout("el9")


def find_entry(layout, key):
    return next(entry for entry in layout.entries if entry.rpm.key == key)


def make_rpm(**fields):
    return rpms.Rpm("nova", "nova", "openstack", **fields)


def write_files(directory, *paths):
    for path in paths:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(path)


@every_layout
def test_a_layout_has_its_packages_and_a_known_debian(name):
    layout = el_table.load_layout(name)
    assert layout.data["title"]
    named = {entry.rpm.name for entry in layout.entries}
    assert set(layout.string_list("installed")) <= named
    assert {pool.default_package for pool in layout.pools if pool.default_package} <= {
        entry.rpm.key for entry in layout.entries
    }
    assert name in el_layout.POOL_FILLERS
    assert {plugin.base for plugin in DISTRO_PLUGINS} <= set(DEBIAN_SUITES)


@every_layout
def test_an_rpm_that_claims_files_has_a_pool(name):
    """A row with claims and no pool would be an empty package (libvirt's policies were missing that way)."""
    layout = el_table.load_layout(name)
    pool_names = {pool.name for pool in layout.pools}
    claiming = {
        key
        for table in layout.string_list("tables")
        for key, fields in (el_table.read_yaml(table).get("rpms") or {}).items()
        if fields and fields.get("claims")
    }
    assert not [e.rpm.key for e in layout.entries if e.rpm.key in claiming and e.pool not in pool_names]


def test_only_selected_units_of_a_debian_package_are_kept(tmp_path):
    deb = tmp_path / "made"
    write_files(deb, "DEBIAN/control", "usr/bin/ceph-mon", "etc/default/ceph", "lib/systemd/system/ceph-mon.service")
    (deb / "DEBIAN/control").write_text("Package: mon\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n")
    (deb / "lib/systemd/system/ceph-mon@.service").write_text("[Service]\nEnvironmentFile=-/etc/default/ceph\n")
    (tmp_path / "debs").mkdir()
    subprocess.run(["dpkg-deb", "-b", deb, tmp_path / "debs/mon_1_all.deb"], check=True, capture_output=True)
    deb_pools.fill_pool(tmp_path, el_table.Pool("ceph", debs=("mon",), units=("ceph-mon@.service",)), tmp_path / "pool")
    files = [path for path in pools.list_paths(tmp_path / "pool") if (tmp_path / f"pool{path}").is_file()]
    assert files == ["/usr/bin/ceph-mon", "/usr/lib/systemd/system/ceph-mon@.service"]
    unit = (tmp_path / "pool/usr/lib/systemd/system/ceph-mon@.service").read_text()
    assert unit == "[Service]\nEnvironmentFile=-/etc/sysconfig/ceph\n"


def test_only_programs_of_debians_python_get_the_platforms_python(tmp_path):
    """Train's programs name their own python3.6."""
    for name, first in (
        ("ceph", "#! /usr/bin/python3"),
        ("nova-manage", "#!/opt/train/bin/python3.6"),
        ("sh", "#!/bin/sh"),
    ):
        write_files(tmp_path, f"payload/one/usr/bin/{name}")
        (tmp_path / f"payload/one/usr/bin/{name}").write_text(f"{first}\nimport sys\n")
    script = pools.SET_INTERPRETER_SCRIPT.replace("/build/payload", f"{tmp_path}/payload")
    subprocess.run(
        ["sh", "-eu", "-c", script], check=True, env={**os.environ, "PLATFORM_PYTHON": "/usr/libexec/python"}
    )
    heads = {path.name: path.read_text().splitlines()[0] for path in (tmp_path / "payload/one/usr/bin").iterdir()}
    assert heads == {
        "ceph": "#!/usr/libexec/python",
        "nova-manage": "#!/opt/train/bin/python3.6",
        "sh": "#!/bin/sh",
    }


def test_every_copied_data_file_counts_in_the_digest():
    layout = el_table.load_layout("el7")
    files = find_entry(layout, "python-rbd").files
    assert files["/opt/train/lib/python3.6/site-packages/rbd.py"] == el_table.read_data("el7/rbd.py")
    copied = {
        name
        for table in layout.string_list("tables")
        for fields in (el_table.read_yaml(table).get("rpms") or {}).values()
        for name in ((fields or {}).get("copies") or {}).values()
    }
    assert copied and copied <= set(layout.string_list("made_from"))


def test_the_units_of_the_facts_are_in_the_table(el9):
    facts = json.loads(el_table.read_data("el9/rdo.json"))
    units = {u: d for service in facts.values() for u, d in service.get("unit_details", {}).items() if "ExecStart" in d}
    texts = {path.rsplit("/", 1)[-1]: text for entry in el9.entries for path, text in entry.files.items()}
    assert len(units) > 60
    for unit, details in units.items():
        lines = texts[unit].splitlines()
        assert f"ExecStart={details['ExecStart']}" in lines
        assert not details.get("User") or f"User={details['User']}" in lines


@pytest.mark.parametrize("name", PROFILES)
def test_everything_that_the_profile_installs_is_in_the_table(name):
    layout, profile = el_table.load_layout(name), profiles.load(PROFILES[name])
    # Ceph's daemons are another project's, and not in RDO's repositories either.
    # VPNaaS was not tried on these hosts.
    groups = {"ceph", "neutron-vpnaas"}
    groups |= {group for spec in absent_services(layout, profile) for group in spec.all_package_groups}
    installed = {package for group, names in profile.packages.items() if group not in groups for package in names}
    absent = sorted(installed - provided_names(layout))
    assert not absent, f"tests/hosts/data/{name} has no RPM {', '.join(absent)}"


def provided_names(layout):
    """Return the names of a layout's RPMs, and those that they provide."""
    provided = {name.split()[0] for entry in layout.entries for name in entry.rpm.provides}
    return provided | {entry.rpm.name for entry in layout.entries}


@pytest.mark.parametrize("name", PROFILES)
def test_a_service_that_the_test_nodes_lack_is_not_rehearsed(name, monkeypatch):
    layout, profile = el_table.load_layout(name), profiles.load(PROFILES[name])
    answers = {"CONFIG_BARBICAN_INSTALL": "y", "CONFIG_SWIFT_INSTALL": "y", "CONFIG_CINDER_INSTALL": "y"}
    absent = absent_services(layout, profile)
    assert without_absent_services(answers, name) == answers
    others = tuple(entry for entry in layout.entries if not any(user.name == "barbican" for user in entry.rpm.users))
    reduced = replace(layout, entries=others)
    assert {spec.name for spec in absent_services(reduced, profile)} - {spec.name for spec in absent} == {"barbican"}
    monkeypatch.setattr(el_table, "load_layout", lambda name: reduced)
    assert list(without_absent_services(answers, name)) == ["CONFIG_SWIFT_INSTALL", "CONFIG_CINDER_INSTALL"]


def test_dist_conf_and_users_of_the_facts_are_in_the_table(el9):
    dist = find_entry(el9, "openstack-nova-common").files["/usr/share/nova/nova-dist.conf"]
    assert "[DEFAULT]" in dist and "compute_driver = libvirt.LibvirtDriver" in dist
    users = {user.name: user.uid for entry in el9.entries for user in entry.rpm.users}
    expected = {
        "apache": 48,
        "mysql": 27,
        "nova": 162,
        "keystone": 163,
        "glance": 161,
        "cinder": 165,
        "swift": 160,
        "qemu": 107,
    }
    assert {name: users[name] for name in expected} == expected


def test_a_requirement_that_no_rpm_provides_is_an_error():
    with pytest.raises(LookupError, match="nova requires ghost"):
        el_table._check_requirements((el_table.PackageEntry(make_rpm(requires=("ghost >= 1",))),))


def test_alias_units_are_symbolic_links(el9):
    assert find_entry(el9, "openstack-neutron-ovn-metadata-agent").links == {
        "/usr/lib/systemd/system/networking-ovn-metadata-agent.service": "neutron-ovn-metadata-agent.service"
    }


def test_the_keys_of_a_unit_are_in_their_sections():
    text = el_table.unit_text("x.service", {"After": "a", "Environment": ["A=1", "B=2"], "WantedBy": "m"})
    assert text == (
        "[Unit]\nDescription=x\nAfter=a\n\n[Service]\nEnvironment=A=1\nEnvironment=B=2\n\n[Install]\nWantedBy=m\n"
    )


def test_pre_creates_the_account_with_its_number_and_other_groups():
    text = rpms.pre_script(make_rpm(users=(rpms.User("nova", 162, ("nova", "qemu"), "/var/lib/nova"),)))
    assert "groupadd -r -g 162 nova" in text
    assert "useradd -r -u 162 -g nova -d /var/lib/nova -s /sbin/nologin -M nova" in text
    assert text.splitlines()[-1] == "usermod -a -G qemu nova"


def test_the_longest_pattern_decides_the_mode_of_a_path():
    package = make_rpm(
        modes={"/etc/nova": "0750 root:nova", "/etc/nova/*": "0640 root:nova", "/etc/nova/a*": "- root:root"}
    )
    assert rpms.file_attributes("/etc/nova", package) == "%attr(0750,root,nova) "
    assert rpms.file_attributes("/etc/nova/nova.conf", package) == "%attr(0640,root,nova) "
    assert rpms.file_attributes("/etc/nova/api-paste.ini", package) == "%attr(-,root,root) "
    assert rpms.file_attributes("/usr/bin/nova", package) == ""


def test_a_package_owns_only_directories_that_the_system_lacks(tmp_path):
    payload, system = tmp_path / "payload", tmp_path / "system"
    write_files(payload, "etc/nova/nova.conf", "usr/bin/nova")
    (payload / "usr/lib64").mkdir()
    (payload / "usr/lib64/modules").symlink_to("elsewhere")
    for name in ("etc", "usr/bin", "usr/lib64"):
        (system / name).mkdir(parents=True)
    lines = list(rpms.file_lines(payload, make_rpm(config_patterns=("/etc/nova/*",)), system))
    assert sorted(lines) == sorted(
        ['%dir "/etc/nova"', '%config(noreplace) "/etc/nova/nova.conf"', '"/usr/bin/nova"', '"/usr/lib64/modules"']
    )


def test_a_directory_of_another_package_is_owned_only_where_the_row_says_so(tmp_path):
    write_files(tmp_path / "payload", "etc/nova/nova-compute.conf")
    (tmp_path / "etc").mkdir()
    lines = list(rpms.file_lines(tmp_path / "payload", make_rpm(), tmp_path, {"/etc/nova"}))
    assert lines == ['"/etc/nova/nova-compute.conf"']
    own = list(rpms.file_lines(tmp_path / "payload", make_rpm(owned_dirs=("/etc/nova",)), tmp_path, {"/etc/nova"}))
    assert own == ['%dir "/etc/nova"', '"/etc/nova/nova-compute.conf"']


def test_a_spec_has_the_fields_of_its_row():
    text = rpms.spec_text(
        make_rpm(version="31.0.0", release="1.el9s", requires=("a >= 1", "b"), units=("n.service",)), "/p"
    )
    assert "Name: nova\nVersion: 31.0.0\nRelease: 1.el9s\n" in text
    assert "Requires: a >= 1\nRequires: b\n" in text
    assert "systemctl --no-reload preset n.service" in text
    assert "%files -f /p.files" in text


def test_packages_without_files_share_a_spec():
    packages = [rpms.Rpm("a", "a", "r", version="2"), rpms.Rpm("b", "b", "r", requires=("a",), raw="Epoch: 1")]
    text = rpms.empty_packages_spec_text(packages)
    assert "%package -n a\nVersion: 2\n" in text
    assert "Requires: a\nEpoch: 1\n%description -n b\n" in text
    assert text.endswith("%files -n a\n\n%files -n b\n")
    # The main package has no %files, so that it is not built.
    assert "\n%files\n" not in text


def test_files_go_to_the_first_package_that_claims_them(tmp_path):
    pool, payloads = tmp_path / "pool", tmp_path / "payload"
    write_files(pool, "usr/bin/nova-api", "usr/bin/nova-compute", "usr/lib/nova.py")
    (pool / "empty").mkdir()
    first = el_table.PackageEntry(rpms.Rpm("api", "api", "r"), claims=("/usr/bin/nova-api",))
    second = el_table.PackageEntry(rpms.Rpm("rest", "rest", "r"), claims=("/usr/bin/*",))
    pools.assign_files(pool, [first, second], "rest", payloads)
    assert pools.list_paths(payloads / "api") == ["/usr/bin/nova-api"]
    assert pools.list_paths(payloads / "rest") == ["/empty", "/usr/bin/nova-compute", "/usr/lib/nova.py"]


def test_unclaimed_files_stay_where_there_is_no_default_package(tmp_path):
    write_files(tmp_path / "pool", "a")
    pools.assign_files(tmp_path / "pool", [], "", tmp_path / "payload")
    assert not (tmp_path / "payload").exists()


def test_a_renamed_directory_is_merged_into_an_existing_one(tmp_path):
    write_files(tmp_path, "usr/share/nova-common/nova.conf", "etc/nova/rootwrap.conf", "usr/sbin/apache2")
    pools.rename_paths(
        tmp_path, {"usr/share/nova-common": "etc/nova", "usr/sbin/apache2": "usr/libexec/httpd", "none": "x"}
    )
    assert pools.list_paths(tmp_path) == [
        "/etc/nova/nova.conf",
        "/etc/nova/rootwrap.conf",
        "/usr/libexec/httpd",
        "/usr/sbin",
        "/usr/share",
    ]


def test_matching_files_and_directories_are_removed(tmp_path):
    write_files(tmp_path, "etc/init.d/nova", "etc/nova/a.ini", "etc/nova/b.conf")
    deb_pools.remove_matching(tmp_path, ("/etc/init.d", "/etc/nova/*.ini"))
    assert pools.list_paths(tmp_path) == ["/etc/nova/b.conf"]


def test_the_tables_texts_win_and_empty_configs_replace_nothing(tmp_path):
    write_files(tmp_path, "etc/a.conf")
    entry = el_table.PackageEntry(
        make_rpm(), files={"/usr/bin/x": "#!/bin/sh\n"}, links={"/l": "t"}, empty_configs=("/etc/a.conf", "/etc/b.conf")
    )
    pools.add_own_files(tmp_path, entry)
    assert (tmp_path / "etc/a.conf").read_text() == "etc/a.conf"
    assert (tmp_path / "etc/b.conf").read_text() == ""
    assert (tmp_path / "usr/bin/x").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "l").readlink().name == "t"


def test_a_changed_table_gives_another_digest(el9):
    before = el_layout.recipe_digest(el9)
    assert before == el_layout.recipe_digest(el_table.load_layout("el9"))
    assert before != el_layout.recipe_digest(el_table.Layout("el9", el9.pools, el9.entries, {**el9.data, "tables": []}))


def test_a_failed_build_leaves_nothing(tmp_path):
    def fail():
        with el_layout.write_atomically(tmp_path / "tree") as unfinished:
            write_files(unfinished, "etc/x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []
    with el_layout.write_atomically(tmp_path / "tree") as unfinished:
        write_files(unfinished, "etc/x")
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_only_unused_trees_repositories_and_stages_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(el_layout, "SANDBOX_HOME", tmp_path)
    trees, stages, repositories = tmp_path / "trees/el9", tmp_path / "stages/el9", tmp_path / "repositories"
    write_files(trees, "base-new/a", "base-old/a", "base-used/a", "saved/a")
    write_files(repositories, "el9-new/a", "el9-old/a", "el9-used/a", "el9-orphan/a", "el7-orphan/a", "el9-half.part/a")
    for age, name in enumerate(("first", "second", "third", "now")):
        write_files(stages, f"{name}/a")
        os.utime(stages / name, (age, age))
    record = model.Record("a", "container", "el9", 1, "base-used", True)
    record.directory.mkdir(parents=True)
    record.save()
    el_layout.remove_unused("el9", trees / "base-new", stages / "now")
    assert sorted(path.name for path in trees.iterdir()) == ["base-new", "base-used", "saved"]
    assert sorted(p.name for p in repositories.iterdir()) == ["el7-orphan", "el9-half.part", "el9-new", "el9-used"]
    assert sorted(path.name for path in stages.iterdir()) == ["now", "third"]


def test_the_base_tree_of_el7_zed_does_not_replace_that_of_el7(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(el_layout, "SANDBOX_HOME", tmp_path)
    trees, repositories = tmp_path / "trees/el7", tmp_path / "repositories"
    write_files(trees, "base-new/a", "base-old/a", "base-zed-1/a")
    write_files(repositories, "el7-new/a", "el7-old/a", "el7-zed-1/a")
    write_files(tmp_path / "stages/el7", "now/a")
    el_layout.remove_unused("el7", trees / "base-new", tmp_path / "stages/el7/now")
    assert sorted(path.name for path in trees.iterdir()) == ["base-new", "base-zed-1"]
    assert sorted(path.name for path in repositories.iterdir()) == ["el7-new", "el7-zed-1"]


def test_el7_without_a_cpython_3_6_is_el7_zed_with_a_notice(tmp_path, monkeypatch):
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert [el_layout.choose_layout(name) for name in ("el7", "el9", "")] == ["el7-zed", "el9", ""]
    assert "Debian's OpenStack (Zed)" in notice("el7") and "pyenv install 3.6" in notice("el7")
    assert notice("el9") == notice("debian12") == ""
    python = tmp_path / "versions/3.6.15/bin/python3.6"
    python.parent.mkdir(parents=True)
    python.touch()
    assert el_layout.choose_layout("el7") == "el7" and notice("el7") == ""


def test_el7_zed_has_the_packages_of_el7():
    train, zed = el_table.load_layout("el7"), el_table.load_layout("el7-zed")
    names = [
        {(entry.rpm.key, entry.rpm.version, entry.rpm.units) for entry in layout.entries} for layout in (train, zed)
    ]
    assert names[0] == names[1]
    assert [pool.name for pool in train.pools] == [pool.name for pool in zed.pools]
    assert not any(pool.pip for pool in zed.pools) and {pool.default_package for pool in zed.pools if pool.debs}
    assert el_layout.recipe_digest(train) != el_layout.recipe_digest(zed)


@pytest.mark.parametrize("distro", DISTRO_PLUGINS, ids=lambda distro: distro.name)
def test_a_test_host_shares_the_downloads_of_its_debian(tmp_path, monkeypatch, distro):
    links = []
    for module in (model, el_layout):
        monkeypatch.setattr(module, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(el_layout, "copy_tree", lambda source, target: target.mkdir(parents=True))
    monkeypatch.setattr(el_layout.debs, "link_debs", lambda source, target: links.append((source, target)))
    monkeypatch.setattr(el_layout.deb_pools, "prepare_stage", lambda tree, layout, progress: None)
    monkeypatch.setattr(el_layout, "run_command", lambda argv: None)
    el_layout._ensure_stage(distro, el_table.load_layout(distro.name), tmp_path / "base-1", print)
    shared = tmp_path / "archives" / distro.base
    assert [links[0][0], links[1][1]] == [shared, shared] and len(links) == 2


def test_a_digest_without_one_of_its_modules_fails(el9, monkeypatch):
    missing = types.ModuleType("missing")
    missing.__file__ = "/no/such/module.py"
    monkeypatch.setattr(el_layout, "DIGESTED_MODULES", (*el_layout.DIGESTED_MODULES, missing))
    with pytest.raises(FileNotFoundError, match=r"module\.py"):
        el_layout.recipe_digest(el9)


def test_every_module_of_the_factory_counts_in_the_digest():
    digested = {module.__name__ for module in el_layout.DIGESTED_MODULES}
    modules = {f"tests.hosts.{path.stem}" for path in Path(el_layout.__file__).parent.glob("*.py")}
    assert modules - {"tests.hosts.__init__", "tests.hosts.el_layout"} == digested - {"packstack_lite.sandbox.debs"}


def test_pins_keep_a_package_from_being_installed():
    assert deb_pools.apt_pins(["nova-api"]) == "Package: nova-api\nPin: version *\nPin-Priority: -1\n\n"


# Like rpmbuild, it makes the directories that are missing, without minding another one that does so at once. It fails
# for package "b" while $T/breaks exists.
RPMBUILD = r"""
for name in BUILD BUILDROOT RPMS SOURCES SPECS SRPMS; do
    [ -d "$T/build/rpm/$name" ] || { sleep 0.2; mkdir "$T/build/rpm/$name" || exit 1; }
done
for spec in "$@"; do :; done
echo "${spec##*/}" >> $T/calls
case $spec in */b.spec) [ ! -e $T/breaks ] ;; esac
"""


def test_an_interrupted_build_of_rpms_is_resumed_and_parallel_ones_share_directories(tmp_path, monkeypatch):
    dash = Dash(tmp_path, moved=["/build"])
    dash.tool("rpmbuild", RPMBUILD)
    dash.tool("createrepo_c", "")

    def run_script(tree, script):
        (tree / "build/one").write_text((tree / "build/one").read_text().replace("/build", f"{tree}/build"))
        reply = dash.run(Command("set -e\n" + script))  # as nspawn_run does
        if reply.code:
            raise model.SandboxError(reply.out + reply.err)

    monkeypatch.setattr(rpms, "run_script", run_script)
    monkeypatch.setattr(rpms.os, "cpu_count", lambda: 4)
    packages = [rpms.Rpm(key=name, name=name, repository="updates", pre="true") for name in "abcd"]
    (tmp_path / "build/payload").mkdir(parents=True)
    (tmp_path / "breaks").touch()
    with pytest.raises(model.SandboxError, match="rpmbuild b:"):
        rpms.build_rpms(tmp_path, packages, "/build/repositories", print)
    assert {"a.spec", "b.spec"} <= set(dash.read_note("calls").split())
    assert (tmp_path / "build/repositories/updates/.built/a").exists()
    (tmp_path / "breaks").unlink()
    before = len(dash.read_note("calls").split())
    rpms.build_rpms(tmp_path, packages, "/build/repositories", print)
    assert "a.spec" not in dash.read_note("calls").split()[before:]
    assert sorted(set(dash.read_note("calls").split())) == ["a.spec", "b.spec", "c.spec", "d.spec"]
    assert not (tmp_path / "build/repositories/updates/.built").exists()


def test_rpms_of_a_failed_attempt_are_kept_for_the_next(tmp_path):
    made, kept = tmp_path / "build/repositories", tmp_path / "kept"
    made.mkdir(parents=True)
    with pytest.raises(model.SandboxError), el_layout._resumed(made, kept):
        (made / "a.rpm").write_text("a")
        raise model.SandboxError("one failed")
    (made / "a.rpm").unlink()
    made.rmdir()
    with el_layout._resumed(made, kept):
        assert (made / "a.rpm").read_text() == "a"
    assert not kept.exists()
