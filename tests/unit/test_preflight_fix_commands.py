"""Commands of --fix, run by dash on a made-up /etc: the cause goes, the rest stays, the original is kept."""

from __future__ import annotations

import inspect
import re

import pytest

from packstack_lite.nodes.facts import Repo, SecurityFacts, SoftwareFacts, SystemFacts, repositories, security, system
from packstack_lite.preflight import fixes, node_commands
from packstack_lite.remote.command import Command
from tests.clouds import read_facts
from tests.unit.dash import Dash

ADDRESS = "198.18.1.10"
EPEL = """\
[epel]
name=Extra Packages
metalink=https://mirrors.example.com/metalink?repo=epel-7
enabled=1

[epel-source]
name=Sources
exclude=a b
"""


@pytest.fixture
def dash(tmp_path):
    moved_paths = [
        "/etc/hosts",
        "/etc/apt",
        "/etc/default/locale",
        "/etc/locale.conf",
        "/etc/selinux",
        "/etc/yum.repos.d",
    ]
    moved_paths += [
        "/var/lib/mysql",
        "/var/tmp/packstack",
        "/root/packstack",
        "/etc/modules-load.d",
        "/etc/NetworkManager",
    ]
    functions = Dash(tmp_path, moved_paths)
    for name in ("systemctl", "yum", "nmcli", "ip", "modprobe", "firewall-cmd", "chronyc", "restorecon"):
        functions.tool(name, f'echo "{name} $*" >> "$T/ran"')
    return functions


def put(dash, path, text=""):
    path_on_node = dash.root / path.lstrip("/")
    path_on_node.parent.mkdir(parents=True, exist_ok=True)
    path_on_node.write_text(text)
    return path_on_node


def read(dash, path):
    return (dash.root / path.lstrip("/")).read_text()


def run_fix(dash, fix, **environment):
    reply = dash.run(fix, environment)
    assert (reply.code, reply.err) == (0, ""), reply
    return dash.read_note("ran")


HOSTS_FILES = [
    ("127.0.0.1 localhost\n", "127.0.0.1 localhost\n{ours}"),
    ("127.0.1.1\tcloud1.example.com\tcloud1\n", "{ours}"),
    (
        "# a cloud1 comment\n\n10.1.1.1 cloud1 other # cloud1\n",
        "# a cloud1 comment\n\n10.1.1.1 other # cloud1\n{ours}",
    ),
    ("10.1.1.1 cloud10 xcloud1 x-cloud1 cloud1-x\n", "10.1.1.1 cloud10 xcloud1 x-cloud1 cloud1-x\n{ours}"),
    ("10.1.1.1 cloud1 Cloud1.Example.com other cloud1#x\n", "10.1.1.1 other#x\n{ours}"),
    ("10.1.1.1 cloud1xexample.com\n", "10.1.1.1 cloud1xexample.com\n{ours}"),
    ("::1 ip6-localhost cloud1", "::1 ip6-localhost\n{ours}"),
    ("10.1.1.1 other\n10.1.1.2 cloud1", "10.1.1.1 other\n{ours}"),
    ("", "{ours}"),
]


@pytest.mark.parametrize(("before", "after"), HOSTS_FILES)
def test_a_name_gets_one_address_and_other_names_stay(dash, before, after):
    put(dash, "/etc/hosts", before)
    arguments = ("198.18.1.10", ["cloud1.example.com", "cloud1"])
    expected = after.format(ours="198.18.1.10 cloud1.example.com cloud1\n")
    for _ in range(2):
        run_fix(dash, fixes.set_hosts_entry(*arguments))
        assert read(dash, "/etc/hosts") == expected
    assert read(dash, "/etc/hosts.packstack-lite.orig") == before
    put(dash, "/etc/hosts", before)
    for _ in range(2):
        reply = dash.run(Command(node_commands.set_hosts_entry(*arguments)))
        assert (reply.code, reply.err, read(dash, "/etc/hosts")) == (0, "", expected), "the hint does what --fix does"


DISC = "cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 NETINST]/"
DISC_FILES = [
    (
        "/etc/apt/sources.list",
        f"# deb {DISC} a main\n deb [trusted=yes] {DISC} bookworm main\ndeb http://x/cdrom bookworm main\n",
        f"# deb {DISC} a main\n#  deb [trusted=yes] {DISC} bookworm main\ndeb http://x/cdrom bookworm main\n",
    ),
    (
        "/etc/apt/sources.list.d/more.sources",
        f"# mine\nTypes: deb\nURIs: {DISC}\nSuites: a\n\n\nTypes: deb\nURIs: http://x/\nSuites: a\n",
        f"# mine\n# Types: deb\n# URIs: {DISC}\n# Suites: a\n\n\nTypes: deb\nURIs: http://x/\nSuites: a\n",
    ),
]


@pytest.mark.parametrize(("path", "before", "after"), DISC_FILES)
def test_a_disc_is_commented_out_and_other_sources_stay(dash, path, before, after):
    put(dash, path, before)
    for _ in range(2):
        run_fix(dash, fixes.comment_out_disc_sources([path]))
        assert read(dash, path) == after
    assert read(dash, f"{path}.packstack-lite.orig") == before


def repo(name):
    return Repo(name, "/etc/yum.repos.d/epel.repo", True, ())


def test_packages_are_excluded_from_one_repository(dash):
    path_on_node = put(dash, "/etc/yum.repos.d/epel.repo", EPEL)
    run_fix(dash, fixes.exclude_packages(repo("epel"), ["leatherman*", "facter*"]))
    run_fix(dash, fixes.exclude_packages(repo("epel-source"), ["leatherman*"]))
    run_fix(dash, fixes.exclude_packages(repo("epel"), ["facter*", "puppet*"]))
    repos = read_facts(SoftwareFacts, dash.run(repositories.build_command())).repos
    assert [(repo.name, repo.excludes) for repo in repos] == [
        ("epel", ("leatherman*", "facter*", "puppet*")),
        ("epel-source", ("a", "b", "leatherman*")),
    ]
    assert all(line in path_on_node.read_text() for line in EPEL.splitlines())
    assert read(dash, "/etc/yum.repos.d/epel.repo.packstack-lite.orig") == EPEL, "the first original, not the second"


def test_an_rpm_is_downgraded_without_epel(dash):
    put(dash, "/etc/yum.repos.d/epel.repo", EPEL)
    commands = run_fix(dash, fixes.downgrade_package("leatherman", [repo("epel")], ["leatherman*"]))
    assert commands == "yum -y --disablerepo=epel downgrade leatherman\n"
    assert "enabled=1\n\nexclude=leatherman*\n[epel-source]\n" in read(dash, "/etc/yum.repos.d/epel.repo")
    commands = run_fix(dash, fixes.downgrade_package("leatherman", [], ["leatherman*"], [repo("base")]))
    assert commands.endswith("yum -y --disablerepo=base downgrade leatherman\n"), "a dead repository would stop yum"
    dash.tool("yum", "echo 'No Match for argument: leatherman'; echo 'Error: Nothing to do' >&2; exit 1")
    reply = dash.run(fixes.downgrade_package("leatherman", [], ["leatherman*"]))
    assert (reply.code, reply.err) == (1, "Error: Nothing to do\n")


LOCALES = [
    ("C\nC.utf8\nPOSIX\n", "C.UTF-8"),
    ("C\nPOSIX\nen_US.utf8\nzh_CN.gbk\n", "en_US.UTF-8"),
    ("C\nPOSIX\n", "C"),
]


@pytest.mark.parametrize(("installed", "lang"), LOCALES)
def test_lang_is_set_to_an_installed_locale(dash, installed, lang):
    dash.tool("locale", f"printf '{installed}'")
    put(dash, "/etc/locale.conf", "LC_TIME=C\nLANG=zh_CN.GB18030\n")
    assert read_facts(SystemFacts, dash.run(system.build_command())).missing_locale == "zh_CN.GB18030"
    run_fix(dash, fixes.set_locale())
    assert read(dash, "/etc/locale.conf") == f"LC_TIME=C\nLANG={lang}\n"
    assert read(dash, "/etc/locale.conf.packstack-lite.orig").endswith("LANG=zh_CN.GB18030\n")
    assert read_facts(SystemFacts, dash.run(system.build_command())).missing_locale == ""
    assert not (dash.root / "etc/default/locale").exists()


def test_a_link_between_the_two_locale_files_stays(dash):
    """On Debian 13 /etc/default/locale is a link to the other file."""
    dash.tool("locale", "echo C.utf8")
    path_on_node = put(dash, "/etc/locale.conf", "LANG=zh_CN.GB18030\n")
    link = dash.root / "etc/default/locale"
    link.parent.mkdir()
    link.symlink_to("../locale.conf")
    run_fix(dash, fixes.set_locale())
    assert (link.is_symlink(), path_on_node.read_text()) == (True, "LANG=C.UTF-8\n")
    assert read(dash, "/etc/locale.conf.packstack-lite.orig") == "LANG=zh_CN.GB18030\n"
    assert [path.name for path in link.parent.iterdir()] == ["locale"]


def test_leftovers_are_renamed_and_nothing_is_lost(dash):
    put(dash, "/var/tmp/packstack/one/log", "1")
    fix = fixes.rename_to_orig(["/var/tmp/packstack", "/root/packstackca"])
    run_fix(dash, fix)
    put(dash, "/var/tmp/packstack/two/log", "2")
    run_fix(dash, fix)
    originals = sorted(path.relative_to(dash.root).as_posix() for path in dash.root.glob("var/tmp/*/*/log"))
    assert originals == [
        "var/tmp/packstack.packstack-lite.orig.1/two/log",
        "var/tmp/packstack.packstack-lite.orig/one/log",
    ]


def test_a_rename_that_fails_leaves_the_server_running(dash):
    """For example, /var/lib/mysql cannot be renamed if it is a mount point."""
    put(dash, "/var/lib/mysql/keystone/db.opt", "old")
    dash.tool("systemctl", 'echo "systemctl $*" >> "$T/ran"; [ "$1" != is-active ] || [ "$3" = mariadb.service ]')
    dash.tool("mv", "echo 'mv: Device or resource busy' >&2; exit 1")
    reply = dash.run(fixes.replace_old_database())
    assert (reply.code, reply.err) == (1, "mv: Device or resource busy\n")
    assert dash.read_note("ran").splitlines()[-1] == "systemctl start mariadb.service"
    assert read(dash, "/var/lib/mysql/keystone/db.opt") == "old"


# Each function that makes a fix, with arguments.
EVERY_FIX = [
    (
        fixes.set_hosts_entry,
        (
            ADDRESS,
            ["cloud1"],
        ),
    ),
    (fixes.unmask_units, (["httpd.service"],)),
    (fixes.disable_unit, ("nginx.service",)),
    (fixes.set_locale, ()),
    (fixes.rename_to_orig, (["/var/tmp/packstack"],)),
    (fixes.replace_old_database, ()),
    (
        fixes.exclude_packages,
        (
            repo("epel"),
            ["leatherman*"],
        ),
    ),
    (
        fixes.downgrade_package,
        (
            "leatherman",
            [repo("epel")],
            ["leatherman*"],
        ),
    ),
    (fixes.yum_install, (["httpd"],)),
    (fixes.install_selinux_policy, ("selinux-policy-targeted",)),
    (fixes.apt_install, (["python3-yaml"],)),
    (fixes.comment_out_disc_sources, (["/etc/apt/sources.list"],)),
    (fixes.finish_packages, ()),
    (fixes.set_selinux_boot_mode, ("permissive",)),
    (fixes.keep_only_firewalld, (["nftables.service"],)),
    (
        fixes.unmanage_interfaces,
        (
            ["br-ex"],
            ["br-int"],
        ),
    ),
    (fixes.load_kernel_module, ("kvm_intel",)),
    (fixes.enable_time_sync, ()),
]


@pytest.mark.parametrize(("make", "arguments"), EVERY_FIX, ids=lambda value: getattr(value, "__name__", ""))
def test_a_fix_that_renames_removes_or_formats_names_its_data(make, arguments):
    """--fix runs one without ``data``; one with it needs --move-data, after the sizes of its paths are shown."""
    fix = make(*arguments)
    script = fix.script.replace('rm -rf "$work"', "")
    moves_data = re.search(
        r"(^|[\s;&|{])(move_away|mv|rm|rmdir|dd|shred|truncate|wipefs|mkfs\S*|vgremove|DROP)\s", script
    )
    assert bool(moves_data) == bool(fix.data)
    assert bool(fix.paths) == bool(fix.data)
    assert fix.data in ("", *fixes.MOVABLE_DATA)


def public_fixes():
    """Return the names of the functions in fixes.py that make a fix."""
    names = {
        name
        for name, function in vars(fixes).items()
        if inspect.isfunction(function) and function.__module__ == fixes.__name__ and not name.startswith("_")
    }
    return names - {"make_fix", "data_moving_fix", "move_data_command"}


def test_every_fix_is_in_the_table():
    missing = public_fixes() - {make.__name__ for make, _ in EVERY_FIX}
    assert not missing, f"add to EVERY_FIX, with arguments: {', '.join(sorted(missing))}"
    assert len(EVERY_FIX) == len(public_fixes()), "one row for each"


def test_old_data_are_renamed_and_the_server_starts_with_new_data(dash):
    put(dash, "/var/lib/mysql/keystone/db.opt", "old")
    dash.tool("systemctl", 'echo "systemctl $*" >> "$T/ran"; [ "$1" != is-active ] || [ "$3" = mariadb.service ]')
    dash.tool("mariadb-install-db", f'echo "install-db $*" >> "$T/ran"; : > {dash.root}/var/lib/mysql/new')
    dash.tool("install", 'for last; do :; done; mkdir -p "$last"')
    commands = run_fix(dash, fixes.replace_old_database())
    assert commands.splitlines() == [
        "systemctl is-active --quiet mariadb.service",
        "systemctl stop mariadb.service",
        "install-db --user=mysql",
        f"restorecon -R {dash.root}/var/lib/mysql",
        "systemctl start mariadb.service",
    ]
    assert read(dash, "/var/lib/mysql.packstack-lite.orig/keystone/db.opt") == "old"
    assert [path.name for path in (dash.root / "var/lib/mysql").iterdir()] == ["new"]


def test_selinux_gets_another_mode_at_boot(dash):
    put(dash, "/etc/selinux/config", "# SELINUX= can take\nSELINUX=disabled\nSELINUXTYPE=targeted\n")
    run_fix(dash, fixes.set_selinux_boot_mode("permissive"))
    assert read_facts(SecurityFacts, dash.run(security.build_command())).selinux_boot == "permissive"
    assert "SELINUXTYPE=targeted\n" in read(dash, "/etc/selinux/config")
    assert "SELINUX=disabled" in read(dash, "/etc/selinux/config.packstack-lite.orig")


def test_only_firewalld_stays_enabled_and_lets_ssh_in(dash):
    commands = run_fix(dash, fixes.keep_only_firewalld(["iptables.service", "nftables.service"]), SSH_CONNECTION="")
    assert commands.splitlines() == [
        *["systemctl start firewalld.service", "firewall-cmd -q --query-service=ssh"] * 2,
        "systemctl disable --now iptables.service nftables.service",
        "systemctl restart firewalld.service",
    ]


def test_nothing_changes_if_firewalld_would_close_ssh(dash):
    dash.tool("firewall-cmd", 'echo "firewall-cmd $*" >> "$T/ran"; exit 1')
    fix = fixes.keep_only_firewalld(["iptables.service"])
    reply = dash.run(fix, {"SSH_CONNECTION": "198.18.1.1 50000 198.18.1.10 2222"})
    assert reply.code == 1
    assert "(port 2222): open that first" in reply.err
    assert dash.read_note("ran").splitlines() == [
        "systemctl start firewalld.service",
        "firewall-cmd -q --query-port=2222/tcp",
    ]


def test_networkmanager_stops_managing_a_bridge_that_keeps_its_address(dash):
    dash.tool(
        "ip",
        'echo "ip $*" >> "$T/ran"\n'
        "case $* in '-o addr'*) echo '9: br-ex    inet 198.18.2.1/24 scope global br-ex' ;;"
        " 'route show'*) echo '198.18.3.0/24 via 198.18.2.9' ;; esac",
    )
    commands = run_fix(dash, fixes.unmanage_interfaces(["br-ex"], ["br-ex", "br-int"])).splitlines()
    text = read(dash, "/etc/NetworkManager/conf.d/90-packstack-lite.conf")
    assert text == "[keyfile]\nunmanaged-devices+=interface-name:br-ex;interface-name:br-int\n"
    assert commands[commands.index("nmcli device set br-ex managed no") + 1 :] == [
        "ip link set dev br-ex up",
        "ip addr replace 198.18.2.1/24 dev br-ex",
        "ip route replace 198.18.3.0/24 via 198.18.2.9 dev br-ex",
    ]


def test_a_module_that_loads_is_loaded_at_every_boot(dash):
    (dash.root / "etc/modules-load.d").mkdir(parents=True)
    assert run_fix(dash, fixes.load_kernel_module("kvm_intel")) == "modprobe kvm_intel\n"
    path_on_node = dash.root / "etc/modules-load.d/packstack-lite-kvm.conf"
    assert path_on_node.read_text() == "kvm_intel\n"
    path_on_node.unlink()
    dash.tool("modprobe", "echo 'modprobe: ERROR: could not insert' >&2; exit 1")
    assert dash.run(fixes.load_kernel_module("kvm_intel")).code == 1
    assert not path_on_node.exists()


def test_time_synchronisation_is_enabled(dash):
    commands = run_fix(dash, fixes.enable_time_sync())
    assert "systemctl enable --now chronyd.service\nchronyc -a makestep\n" in commands


def test_units_are_unmasked_and_disabled(dash):
    run_fix(dash, fixes.unmask_units(["httpd.service", "mariadb.service"]))
    commands = run_fix(dash, fixes.disable_unit("nginx.service"))
    assert commands == "systemctl unmask httpd.service mariadb.service\nsystemctl disable --now nginx.service\n"


def test_a_failed_program_empties_no_file(dash):
    put(dash, "/etc/hosts", "127.0.0.1 localhost\n")
    dash.tool("sed", "exit 2")
    assert dash.run(fixes.set_hosts_entry("198.18.1.10", ["cloud1"])).code == 1
    assert read(dash, "/etc/hosts") == "127.0.0.1 localhost\n"


def test_a_file_whose_copy_fails_is_not_replaced(dash):
    """For example on a full disk: the original stays in place."""
    put(dash, "/etc/hosts", "127.0.0.1 localhost\n")
    dash.tool("cp", "exit 1")
    assert dash.run(fixes.set_hosts_entry("198.18.1.10", ["cloud1"])).code == 1
    assert read(dash, "/etc/hosts") == "127.0.0.1 localhost\n"
