"""What --fix does, run for real by dash over a made-up /etc: the fault goes, the rest stays, the original is kept."""

from __future__ import annotations

import inspect
import re

import pytest

from packstack_lite.nodes.facts import Repo, SecurityFacts, SoftwareFacts, SystemFacts, repositories, security, system
from packstack_lite.preflight import fixes
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
    moved = ["/etc/hosts", "/etc/default/locale", "/etc/locale.conf", "/etc/selinux", "/etc/yum.repos.d"]
    moved += ["/var/lib/mysql", "/var/tmp/packstack", "/root/packstack", "/etc/modules-load.d", "/etc/NetworkManager"]
    made = Dash(tmp_path, moved)
    for name in ("systemctl", "yum", "nmcli", "ip", "modprobe", "firewall-cmd", "chronyc", "restorecon"):
        made.tool(name, f'echo "{name} $*" >> "$T/ran"')
    return made


def put(dash, path, text=""):
    place = dash.root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def read(dash, path):
    return (dash.root / path.lstrip("/")).read_text()


def works(dash, cure, **environment):
    reply = dash.run(cure, environment)
    assert (reply.code, reply.err) == (0, ""), reply
    return dash.noted("ran")


HOSTS = [
    ("127.0.0.1 localhost\n", "127.0.0.1 localhost\n198.18.1.10\tcloud1.example.com cloud1\n"),
    ("127.0.1.1\tcloud1.example.com\tcloud1\n", "198.18.1.10\tcloud1.example.com cloud1\n"),
    ("# a cloud1 comment\n\n10.1.1.1 cloud1 other # cloud1\n", "# a cloud1 comment\n\n10.1.1.1\tother\n{ours}"),
    ("10.1.1.1 cloud10 xcloud1\n", "10.1.1.1 cloud10 xcloud1\n{ours}"),
    ("::1 ip6-localhost cloud1", "::1\tip6-localhost\n{ours}"),
    ("", "{ours}"),
]


@pytest.mark.parametrize(("before", "after"), HOSTS)
def test_a_name_leads_to_one_address_and_other_names_stay(dash, before, after):
    put(dash, "/etc/hosts", before)
    cure = fixes.set_hosts_entry("198.18.1.10", ["cloud1.example.com", "cloud1"])
    for _ in range(2):
        works(dash, cure)
        assert read(dash, "/etc/hosts").lstrip("\n") == after.format(ours="198.18.1.10\tcloud1.example.com cloud1\n")
    assert read(dash, "/etc/hosts.packstack-lite.orig") == before


def repo(name):
    return Repo(name, "/etc/yum.repos.d/epel.repo", True, ())


def test_packages_are_excluded_from_one_repository(dash):
    place = put(dash, "/etc/yum.repos.d/epel.repo", EPEL)
    works(dash, fixes.exclude_packages(repo("epel"), ["leatherman*", "facter*"]))
    works(dash, fixes.exclude_packages(repo("epel-source"), ["leatherman*"]))
    works(dash, fixes.exclude_packages(repo("epel"), ["facter*", "puppet*"]))
    found = read_facts(SoftwareFacts, dash.run(repositories.build_command())).repos
    assert [(repo.name, repo.excludes) for repo in found] == [
        ("epel", ("leatherman*", "facter*", "puppet*")),
        ("epel-source", ("a", "b", "leatherman*")),
    ]
    assert all(line in place.read_text() for line in EPEL.splitlines())
    assert read(dash, "/etc/yum.repos.d/epel.repo.packstack-lite.orig") == EPEL, "the first original, not the second"


def test_an_rpm_is_taken_back_without_epel(dash):
    put(dash, "/etc/yum.repos.d/epel.repo", EPEL)
    ran = works(dash, fixes.downgrade_package("leatherman", [repo("epel")], ["leatherman*"]))
    assert ran == "yum -y --disablerepo=epel downgrade leatherman\n"
    assert "enabled=1\n\nexclude=leatherman*\n[epel-source]\n" in read(dash, "/etc/yum.repos.d/epel.repo")
    ran = works(dash, fixes.downgrade_package("leatherman", [], ["leatherman*"], [repo("base")]))
    assert ran.endswith("yum -y --disablerepo=base downgrade leatherman\n"), "a repository that is gone stops yum"
    dash.tool("yum", "echo 'No Match for argument: leatherman'; echo 'Error: Nothing to do' >&2; exit 1")
    reply = dash.run(fixes.downgrade_package("leatherman", [], ["leatherman*"]))
    assert (reply.code, reply.err) == (1, "Error: Nothing to do\n")


LOCALES = [
    ("C\nC.utf8\nPOSIX\n", "C.UTF-8"),
    ("C\nPOSIX\nen_US.utf8\nzh_CN.gbk\n", "en_US.UTF-8"),
    ("C\nPOSIX\n", "C"),
]


@pytest.mark.parametrize(("there", "lang"), LOCALES)
def test_the_language_is_one_that_the_host_has(dash, there, lang):
    dash.tool("locale", f"printf '{there}'")
    put(dash, "/etc/locale.conf", "LC_TIME=C\nLANG=zh_CN.GB18030\n")
    assert read_facts(SystemFacts, dash.run(system.build_command())).missing_locale == "zh_CN.GB18030"
    works(dash, fixes.set_locale())
    assert read(dash, "/etc/locale.conf") == f"LC_TIME=C\nLANG={lang}\n"
    assert read(dash, "/etc/locale.conf.packstack-lite.orig").endswith("LANG=zh_CN.GB18030\n")
    assert read_facts(SystemFacts, dash.run(system.build_command())).missing_locale == ""
    assert not (dash.root / "etc/default/locale").exists()


def test_a_language_that_has_two_names_is_kept_as_it_was(dash):
    """On Debian 13 /etc/default/locale is a link to the other file."""
    dash.tool("locale", "echo C.utf8")
    place = put(dash, "/etc/locale.conf", "LANG=zh_CN.GB18030\n")
    link = dash.root / "etc/default/locale"
    link.parent.mkdir()
    link.symlink_to("../locale.conf")
    works(dash, fixes.set_locale())
    assert (link.is_symlink(), place.read_text()) == (True, "LANG=C.UTF-8\n")
    assert read(dash, "/etc/locale.conf.packstack-lite.orig") == "LANG=zh_CN.GB18030\n"
    assert [path.name for path in link.parent.iterdir()] == ["locale"]


def test_leftovers_are_renamed_and_nothing_is_lost(dash):
    put(dash, "/var/tmp/packstack/one/log", "1")
    cure = fixes.rename_to_orig(["/var/tmp/packstack", "/root/packstackca"])
    works(dash, cure)
    put(dash, "/var/tmp/packstack/two/log", "2")
    works(dash, cure)
    kept = sorted(path.relative_to(dash.root).as_posix() for path in dash.root.glob("var/tmp/*/*/log"))
    assert kept == [
        "var/tmp/packstack.packstack-lite.orig.1/two/log",
        "var/tmp/packstack.packstack-lite.orig/one/log",
    ]


def test_a_rename_that_fails_leaves_the_server_running(dash):
    """A /var/lib/mysql that is a mount point, say, cannot be renamed."""
    put(dash, "/var/lib/mysql/keystone/db.opt", "old")
    dash.tool("systemctl", 'echo "systemctl $*" >> "$T/ran"; [ "$1" != is-active ] || [ "$3" = mariadb.service ]')
    dash.tool("mv", "echo 'mv: Device or resource busy' >&2; exit 1")
    reply = dash.run(fixes.replace_old_database())
    assert (reply.code, reply.err) == (1, "mv: Device or resource busy\n")
    assert dash.noted("ran").splitlines()[-1] == "systemctl start mariadb.service"
    assert read(dash, "/var/lib/mysql/keystone/db.opt") == "old"


EVERY_CURE = [
    fixes.set_hosts_entry(ADDRESS, ["cloud1"]),
    fixes.unmask_units(["httpd.service"]),
    fixes.disable_unit("nginx.service"),
    fixes.set_locale(),
    fixes.rename_to_orig(["/var/tmp/packstack"]),
    fixes.replace_old_database(),
    fixes.exclude_packages(repo("epel"), ["leatherman*"]),
    fixes.downgrade_package("leatherman", [repo("epel")], ["leatherman*"]),
    fixes.yum_install(["httpd"]),
    fixes.install_selinux_policy("selinux-policy-targeted"),
    fixes.apt_install(["python3-yaml"]),
    fixes.set_selinux_boot_mode("permissive"),
    fixes.keep_only_firewalld(["nftables.service"]),
    fixes.unmanage_interfaces(["br-ex"], ["br-int"]),
    fixes.load_kernel_module("kvm_intel"),
    fixes.enable_time_sync(),
]


@pytest.mark.parametrize("cure", EVERY_CURE, ids=lambda cure: cure.description)
def test_a_cure_that_renames_removes_or_formats_is_marked_so(cure):
    """Without the mark --fix runs it; with it --move-data has to name it, and the sizes of its paths are shown."""
    script = cure.script.replace('rm -rf "$work"', "")
    touches = re.search(r"(^|[\s;&|{])(aside|mv|rm|rmdir|dd|shred|truncate|wipefs|mkfs\S*|vgremove|DROP)\s", script)
    assert bool(touches) == bool(cure.data)
    assert bool(cure.paths) == bool(cure.data)
    assert cure.data in ("", *fixes.MOVABLE_DATA)


def test_every_cure_is_looked_at():
    made = [name for name, it in vars(fixes).items() if inspect.isfunction(it) and it.__module__ == fixes.__name__]
    public = {name for name in made if not name.startswith("_")} - {"make_fix", "data_moving_fix", "move_data_command"}
    assert len(EVERY_CURE) == len(public), public


def test_old_data_are_renamed_and_the_server_begins_anew(dash):
    put(dash, "/var/lib/mysql/keystone/db.opt", "old")
    dash.tool("systemctl", 'echo "systemctl $*" >> "$T/ran"; [ "$1" != is-active ] || [ "$3" = mariadb.service ]')
    dash.tool("mariadb-install-db", f'echo "install-db $*" >> "$T/ran"; : > {dash.root}/var/lib/mysql/new')
    dash.tool("install", 'for last; do :; done; mkdir -p "$last"')
    ran = works(dash, fixes.replace_old_database())
    assert ran.splitlines() == [
        "systemctl is-active --quiet mariadb.service",
        "systemctl stop mariadb.service",
        "install-db --user=mysql",
        f"restorecon -R {dash.root}/var/lib/mysql",
        "systemctl start mariadb.service",
    ]
    assert read(dash, "/var/lib/mysql.packstack-lite.orig/keystone/db.opt") == "old"
    assert [path.name for path in (dash.root / "var/lib/mysql").iterdir()] == ["new"]


def test_the_mode_of_selinux_at_boot(dash):
    put(dash, "/etc/selinux/config", "# SELINUX= can take\nSELINUX=disabled\nSELINUXTYPE=targeted\n")
    works(dash, fixes.set_selinux_boot_mode("permissive"))
    assert read_facts(SecurityFacts, dash.run(security.build_command())).selinux_boot == "permissive"
    assert "SELINUXTYPE=targeted\n" in read(dash, "/etc/selinux/config")
    assert "SELINUX=disabled" in read(dash, "/etc/selinux/config.packstack-lite.orig")


def test_one_firewall_stays_and_lets_ssh_in(dash):
    ran = works(dash, fixes.keep_only_firewalld(["iptables.service", "nftables.service"]), SSH_CONNECTION="")
    assert ran.splitlines() == [
        "systemctl start firewalld.service",
        "firewall-cmd -q --query-service=ssh",
        "systemctl disable --now iptables.service nftables.service",
        "systemctl restart firewalld.service",
    ]


def test_a_firewall_that_would_shut_ssh_out_is_left_alone(dash):
    dash.tool("firewall-cmd", 'echo "firewall-cmd $*" >> "$T/ran"; exit 1')
    cure = fixes.keep_only_firewalld(["iptables.service"])
    reply = dash.run(cure, {"SSH_CONNECTION": "198.18.1.1 50000 198.18.1.10 2222"})
    assert reply.code == 1
    assert "(port 2222): open that first" in reply.err
    assert dash.noted("ran").splitlines() == [
        "systemctl start firewalld.service",
        "firewall-cmd -q --query-port=2222/tcp",
    ]


def test_networkmanager_lets_go_and_the_address_comes_back(dash):
    dash.tool(
        "ip",
        'echo "ip $*" >> "$T/ran"\n'
        "case $* in '-o addr'*) echo '9: br-ex    inet 198.18.2.1/24 scope global br-ex' ;;"
        " 'route show'*) echo '198.18.3.0/24 via 198.18.2.9' ;; esac",
    )
    ran = works(dash, fixes.unmanage_interfaces(["br-ex"], ["br-ex", "br-int"])).splitlines()
    text = read(dash, "/etc/NetworkManager/conf.d/90-packstack-lite.conf")
    assert text == "[keyfile]\nunmanaged-devices+=interface-name:br-ex;interface-name:br-int\n"
    assert ran[ran.index("nmcli device set br-ex managed no") + 1 :] == [
        "ip link set dev br-ex up",
        "ip addr replace 198.18.2.1/24 dev br-ex",
        "ip route replace 198.18.3.0/24 via 198.18.2.9 dev br-ex",
    ]


def test_a_module_is_loaded_at_every_boot_only_where_it_loads(dash):
    (dash.root / "etc/modules-load.d").mkdir(parents=True)
    assert works(dash, fixes.load_kernel_module("kvm_intel")) == "modprobe kvm_intel\n"
    place = dash.root / "etc/modules-load.d/packstack-lite-kvm.conf"
    assert place.read_text() == "kvm_intel\n"
    place.unlink()
    dash.tool("modprobe", "echo 'modprobe: ERROR: could not insert' >&2; exit 1")
    assert dash.run(fixes.load_kernel_module("kvm_intel")).code == 1
    assert not place.exists()


def test_a_time_server_keeps_the_clock(dash):
    ran = works(dash, fixes.enable_time_sync())
    assert "systemctl enable --now chronyd.service\nchronyc -a makestep\n" in ran


def test_units_are_unmasked_and_switched_off(dash):
    works(dash, fixes.unmask_units(["httpd.service", "mariadb.service"]))
    ran = works(dash, fixes.disable_unit("nginx.service"))
    assert ran == "systemctl unmask httpd.service mariadb.service\nsystemctl disable --now nginx.service\n"


def test_a_program_that_failed_empties_no_file(dash):
    put(dash, "/etc/hosts", "127.0.0.1 localhost\n")
    dash.tool("awk", "exit 2")
    assert dash.run(fixes.set_hosts_entry("198.18.1.10", ["cloud1"])).code == 1
    assert read(dash, "/etc/hosts") == "127.0.0.1 localhost\n"


def test_what_cannot_be_kept_is_not_replaced(dash):
    """A full disk, say: the original stays where it was."""
    put(dash, "/etc/hosts", "127.0.0.1 localhost\n")
    dash.tool("cp", "exit 1")
    assert dash.run(fixes.set_hosts_entry("198.18.1.10", ["cloud1"])).code == 1
    assert read(dash, "/etc/hosts") == "127.0.0.1 localhost\n"
