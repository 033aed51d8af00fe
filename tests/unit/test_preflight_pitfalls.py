"""Pitfalls of CentOS and Debian are found in facts and explained; a good node of either gives no finding."""

from __future__ import annotations

import dataclasses

import pytest

from packstack_lite import profiles
from packstack_lite.nodes.facts import Interface, Repo, UplinkFacts
from packstack_lite.preflight import CHECKS
from packstack_lite.preflight.check import CheckContext
from packstack_lite.services._base.context import NodeContext
from tests.clouds import ADDRESS, ANSWERS, MACHINE, facts
from tests.unit.test_preflight_checks import find_check

NOW = 1_800_000_000.0
DEBIAN = profiles.load("debian12-zed")
EL7, EL9 = profiles.load("centos7-train"), profiles.load("centos9s-epoxy")
GOOD = {
    **MACHINE,
    "memory_mib": 15900,
    "disk_free_mib": {"/": 50000, "/var": 50000},
    "mounts": {"/": "/", "/var": "/"},
    "package_source": "reachable",
    "epoch": NOW,
    "cpu_flags": ("vmx",),
    "has_kvm_device": True,
}
MIRROR = "http://vault.example.com/7.9.2009/os/x86_64/"
EPEL_METALINK = "https://mirrors.example.com/metalink?repo=epel-7&arch=$basearch"
ON_EL7 = {
    **GOOD,
    "os_id": "centos",
    "os_version": "7",
    "selinux": "enforcing",
    "selinux_boot": "enforcing",
    "selinux_type": "targeted",
    "selinux_policies": ("targeted",),
    "locale": "en_US.UTF-8",
    "rpm_versions": {"selinux-policy-targeted": "3.13.1", "firewalld": "0.6.3"},
    "unit_states": {"firewalld.service": "active enabled", "NetworkManager.service": "active enabled"},
    "nm_interfaces": ("eth0",),
    "repos": (
        Repo("base", "/etc/yum.repos.d/CentOS-Base.repo", True, (MIRROR,)),
        Repo("epel", "/etc/yum.repos.d/epel.repo", False, (EPEL_METALINK,)),
    ),
}
MIRRORLIST = "http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os"
DEAD_REPO = Repo("base", "/etc/yum.repos.d/CentOS-Base.repo", True, (MIRRORLIST,))
EPEL_REPO = Repo("epel", "/etc/yum.repos.d/epel.repo", True, (EPEL_METALINK,))
EXCLUDING = dataclasses.replace(
    EPEL_REPO, excludes=("leatherman*", "facter*", "puppet*", "hiera*", "cpp-hocon*", "qpid-proton*", "python2-qpid-*")
)
LOADER = (
    "facter: error while loading shared libraries: leatherman_curl.so.1.3.0:"
    " cannot open shared object file: No such file or directory"
)
DENIED = "ERROR 1045 (28000): Access denied for user 'root'@'localhost' (using password: NO)"
MARIADB_DATA = ("/var/lib/mysql/mysql",)
ENABLED = "active enabled"
# A node on which an earlier run came as far as its packages.
DEPLOYED = {"deployed_by_us": True, "other_openstack": ("/etc/keystone/keystone.conf",)}


def find(check, changes=None, answers=None, profile=EL7, good=ON_EL7):
    return [*find_check(check)(CheckContext(facts(**{**good, **(changes or {})}), answers or {}, profile, NOW))]


@pytest.mark.parametrize("check", [check for check in CHECKS if check != "system"])
@pytest.mark.parametrize(("profile", "good"), [(EL7, ON_EL7), (DEBIAN, GOOD)], ids=["el7", "debian"])
def test_a_good_node_of_either_distribution_gives_no_finding(check, profile, good):
    assert find(check, None, {}, profile, good) == []


# Check, level, part of the message, changed facts, and whether --fix removes the cause.
BAD = [
    ("mirrors", "error", "base: fetched from mirrorlist.centos.org, which no longer", {"repos": (DEAD_REPO,)}, False),
    (
        "epel",
        "warning",
        "(epel in /etc/yum.repos.d/epel.repo); it replaces RDO's versions of leatherman*, facter*",
        {"repos": (EPEL_REPO,)},
        True,
    ),
    ("epel", "warning", "already: leatherman", {"repos": (EPEL_REPO,), "epel_rpms": ("htop", "leatherman")}, True),
    ("leatherman", "warning", f"facter cannot run: {LOADER}", {"facter_error": LOADER}, True),
    (
        "leatherman",
        "warning",
        "facter 3.9.3-7.el7 needs leatherman 1.3.0, and leatherman 1.10.0-1.el7 is installed (leatherman 1.10.0",
        {"rpm_versions": {"facter": "3.9.3-7.el7", "leatherman": "1.10.0-1.el7"}, "epel_rpms": ("leatherman",)},
        True,
    ),
    ("selinux", "error", "targeted, which is not installed: the next boot would stop", {"selinux_policies": ()}, True),
    (
        "selinux",
        "error",
        "cannot be enabled",
        {"selinux_policies": (), "selinux": "permissive", "selinux_boot": "permissive"},
        True,
    ),
    ("selinux", "warning", "targeted, not mls", {"selinux_type": "mls", "selinux_policies": ("mls",)}, False),
    ("selinux", "info", "SELinux is off", {"selinux": "disabled", "selinux_boot": "disabled"}, False),
    ("selinux", "warning", "without openstack-selinux", DEPLOYED, True),
    ("selinux", "warning", "permissive now and will be enforcing after", {"selinux": "permissive"}, True),
    ("masked", "warning", "nothing can start: httpd.service", {"masked_units": ("httpd.service",)}, True),
    (
        "masked",
        "warning",
        "start: httpd.service, mariadb",
        {"masked_units": ("httpd.service", "mariadb.service")},
        True,
    ),
    ("httpd", "error", "httpd is no longer installed", DEPLOYED, True),
    (
        "firewall",
        "warning",
        "firewalld and iptables.service are both enabled",
        {"unit_states": {"firewalld.service": ENABLED, "iptables.service": "inactive enabled"}},
        True,
    ),
    (
        "firewall",
        "warning",
        "firewalld and nftables.service are both",
        {"unit_states": {"firewalld.service": "inactive enabled", "nftables.service": "active disabled"}},
        True,
    ),
    ("networkmanager", "error", "NetworkManager manages br-ex", {"nm_interfaces": ("eth0", "br-ex")}, True),
    ("dhcp", "warning", f"host0 has {ADDRESS} from DHCP", {"dhcp_addresses": (ADDRESS,)}, False),
    ("locale", "warning", "LANG=zh_CN.GBK, which", {"missing_locale": "zh_CN.GBK", "locale": "zh_CN.GBK"}, True),
    ("locale", "warning", "LANG=de_DE.ISO-8859-1@euro is not UTF-8", {"locale": "de_DE.ISO-8859-1@euro"}, True),
    (
        "python",
        "warning",
        "python2 cannot import yaml",
        {**DEPLOYED, "missing_python_modules": ("python2 yaml",)},
        True,
    ),
    (
        "python",
        "warning",
        "installed by pip",
        {"shadowing_modules": ("/usr/local/lib/python2.7/site-packages/six.py",)},
        False,
    ),
    ("leftovers", "warning", "Packstack has left /root/packstackca", {"packstack_files": ("/root/packstackca",)}, True),
    (
        "leftovers",
        "error",
        "is or was here: /etc/nova/nova.conf, /var/tmp/packstack",
        {
            "packstack_files": ("/var/tmp/packstack", "/root/packstack-answers-1.txt"),
            "other_openstack": ("/etc/nova/nova.conf",),
        },
        False,
    ),
    (
        "database",
        "error",
        "data (keystone, nova_api) is there; its accounts could not be read",
        {"other_openstack": MARIADB_DATA, "mariadb_databases": ("keystone", "nova_api")},
        True,
    ),
    (
        "database",
        "error",
        f"apply cannot use it: {DENIED}",
        {"other_openstack": MARIADB_DATA, "mariadb_root_error": DENIED},
        True,
    ),
    (
        "database",
        "error",
        "(shop); it would",
        {"other_openstack": MARIADB_DATA, "mariadb_databases": ("shop",), "mariadb_root_error": DENIED},
        False,
    ),
    (
        "database",
        "error",
        f"refuses root's login over the socket: {DENIED}",
        {"other_openstack": MARIADB_DATA, "mariadb_root_error": DENIED, "deployed_by_us": True},
        False,
    ),
    ("hostname", "warning", "has no address; apply writes it", {"hostname_addresses": ()}, True),
    ("hostname", "warning", "resolves to 198.18.9.9", {"hostname_addresses": ("198.18.9.9",)}, True),
    ("hostname", "error", "host name is localhost", {"hostname": "localhost"}, False),
    (
        "ports",
        "error",
        "port 5000 is used by nginx",
        {"listening_ports": {5000: "nginx"}, "port_units": {5000: "nginx.service"}},
        True,
    ),
    (
        "ports",
        "error",
        "port 80 is used by sshd",
        {"listening_ports": {80: "sshd"}, "port_units": {80: "sshd.service"}},
        False,
    ),
    ("ports", "error", "port 8778 is used by x", {"listening_ports": {8778: "x"}}, False),
    ("clock", "error", "7200 seconds ahead", {"epoch": NOW + 7200}, True),
    ("clock", "warning", "no time server", {"is_time_synchronized": False}, True),
    ("memory", "error", "4.0 GiB", {"memory_mib": 4096}, False),
    ("virtualization", "warning", "/dev/kvm is missing", {"kvm_works": False, "has_kvm_device": False}, True),
    (
        "packages",
        "error",
        "fetched: /etc/yum.repos.d/CentOS-Base.repo:0: base: Could not",
        {"package_source": "base: Could not resolve host: x (http://x)"},
        False,
    ),
]


@pytest.mark.parametrize(
    ("check", "level", "words", "changes", "is_fixable"), BAD, ids=lambda it: it if isinstance(it, str) else ""
)
def test_a_pitfall_is_found_and_explained(check, level, words, changes, is_fixable):
    (finding,) = find(check, changes)
    assert finding.level == level
    assert words in finding.message
    assert finding.hint
    assert bool(finding.fix) == is_fixable
    assert not is_fixable or finding.fix.description


# Check, changed facts, changed answers: what looks like a pitfall and is none.
FINE = [
    ("mirrors", {"repos": (dataclasses.replace(DEAD_REPO, is_enabled=False),)}, {}),
    ("mirrors", {"repos": (Repo("a", "a.repo", True, ("http://mirror.stream.centos.org/9-stream/",)),)}, {}),
    ("mirrors", {"repos": (Repo("a", "a.repo", True, ("http://mirror.centos.org.example.com/x",)),)}, {}),
    ("mirrors", {"repos": (dataclasses.replace(DEAD_REPO, urls=(MIRRORLIST, MIRROR)),)}, {}),
    ("epel", {"repos": (EXCLUDING,)}, {}),
    ("leatherman", {"rpm_versions": {"facter": "3.9.3-7.el7", "leatherman": "1.3.0-9.el7"}}, {}),
    ("leatherman", {"rpm_versions": {"facter": "4.2.1", "leatherman": "1.10.0-1.el7"}}, {}),
    ("selinux", {"selinux": "permissive"}, {"CONFIG_SELINUX": "permissive"}),
    ("selinux", DEPLOYED, {"CONFIG_SELINUX": "permissive"}),
    ("selinux", {**DEPLOYED, "rpm_versions": {"openstack-selinux": "0.8.26"}}, {"CONFIG_SELINUX": "enforcing"}),
    ("selinux", {"selinux": "disabled", "selinux_boot": "disabled", "virtualization": "systemd-nspawn"}, {}),
    ("masked", {"masked_units": ("cups.service",)}, {}),
    ("masked", {"masked_units": ("openstack-swift-container-sync.service",), "deployed_by_us": True}, {}),
    ("httpd", {**DEPLOYED, "rpm_versions": {"httpd": "2.4.6"}}, {}),
    # A first run that ended before the packages were installed.
    ("httpd", {"deployed_by_us": True}, {}),
    ("python", {"deployed_by_us": True, "missing_python_modules": ("python2 yaml",)}, {}),
    ("selinux", {"deployed_by_us": True}, {}),
    ("firewall", {"unit_states": {"firewalld.service": "inactive disabled", "iptables.service": ENABLED}}, {}),
    ("firewall", {"unit_states": {"firewalld.service": ENABLED, "iptables.service": "inactive disabled"}}, {}),
    ("networkmanager", {"nm_interfaces": ("eth0", "br-provider")}, {}),
    ("dhcp", {"dhcp_addresses": ("198.18.1.99",)}, {}),
    ("python", {"missing_python_modules": ("python2 yaml",)}, {}),
    ("python", {**DEPLOYED, "missing_python_modules": ("python3 yaml",)}, {}),
    ("leftovers", {"packstack_files": ("/root/packstack-answers-1.txt",)}, {}),
    ("leftovers", {"packstack_files": ("/root/packstackca",), "deployed_by_us": True}, {}),
    ("database", {"other_openstack": MARIADB_DATA, "mariadb_databases": ("shop",)}, {"CONFIG_MARIADB_INSTALL": False}),
    ("database", {"other_openstack": MARIADB_DATA}, {}),
    ("database", {"other_openstack": MARIADB_DATA, "deployed_by_us": True, "mariadb_databases": ("keystone",)}, {}),
    ("packages", {"package_source": "base: Could not"}, {"CONFIG_REPO_DIRECTORY": "/srv/rpms"}),
    (
        "packages",
        {"package_source": "base: Could not resolve host: mirrorlist.centos.org (http://...)", "repos": (DEAD_REPO,)},
        {"CONFIG_REPO_MIRROR": "auto"},
    ),
]


@pytest.mark.parametrize(("check", "changes", "answers"), FINE)
def test_a_harmless_deviation_gives_no_finding(check, changes, answers):
    assert find(check, changes, answers) == []


def test_a_name_without_a_star_does_not_exclude_what_begins_with_it():
    repo = dataclasses.replace(EXCLUDING, excludes=(*EXCLUDING.excludes[1:], "leatherman"))
    (finding,) = find("epel", {"repos": (repo,)})
    assert "RDO's versions of leatherman*" in finding.message


def test_dead_mirrors_that_apply_replaces_are_no_error():
    (finding,) = find("mirrors", {"repos": (DEAD_REPO,)}, {"CONFIG_REPO_MIRROR": "aliyun"})
    assert finding.level == "info"
    assert "apply rewrites /etc/yum.repos.d/CentOS-Base.repo to a mirror that answers" in finding.message
    assert "CONFIG_REPO_MIRROR=aliyun" in finding.message


def test_a_source_behind_a_proxy_that_apply_sets_is_a_warning():
    changes = {"package_source": "base: Could not resolve host: x (http://x)"}
    (finding,) = find("packages", changes, {"CONFIG_HTTP_PROXY": "http://proxy:3128"})
    assert finding.level == "warning"
    assert "apply sets the proxy" in finding.message


@pytest.mark.parametrize(("profile", "version", "patterns"), [(EL7, "7", "leatherman*"), (EL9, "9", "erlang*")])
def test_epel_is_compared_with_the_packages_of_the_release(profile, version, patterns):
    repo = dataclasses.replace(EPEL_REPO, name="extras", urls=("https://mirrors.example.com/epel/x/$basearch",))
    (finding,) = find("epel", {"repos": (repo,), "os_version": version}, profile=profile)
    assert f"RDO's versions of {patterns}" in finding.message
    assert f"exclude={patterns}" in finding.hint


HYPERVISORS = [
    ({"virtualization": "vmware"}, "(VMware)", "vhv.enable"),
    ({"virtualization": "oracle"}, "(VirtualBox)", "VBoxManage modifyvm NAME --nested-hw-virt on"),
    ({"virtualization": "kvm"}, "(libvirt)", "host-passthrough"),
    ({"virtualization": "qemu"}, "(libvirt)", "nested=1"),
    (
        {"virtualization": "microsoft"},
        "(Hyper-V)",
        "Set-VMProcessor -VMName NAME -ExposeVirtualizationExtensions $true",
    ),
    ({"virtualization": "none"}, "(bare metal)", "VT-x"),
    ({"virtualization": "none", "product": "VMware, Inc. VMware7,1"}, "(VMware)", "vhv.enable"),
    ({"virtualization": "", "product": "innotek GmbH VirtualBox"}, "(VirtualBox)", "nested-hw-virt"),
    ({"virtualization": "none", "product": "Dell Inc. PowerEdge R730"}, "(bare metal)", "firmware"),
    ({"virtualization": "bhyve"}, "virtualisation enabled: instances", "in the hypervisor"),
]


@pytest.mark.parametrize(("changes", "name", "hint"), HYPERVISORS)
def test_the_hint_for_virtualisation_is_that_of_the_hypervisor(changes, name, hint):
    changed = {"kvm_works": False, "has_kvm_device": False, "cpu_flags": ("sse2",), **changes}
    (finding,) = find("virtualization", changed)
    assert name in finding.message
    assert hint in finding.hint
    assert finding.fix is None, "no command reaches the firmware"


def test_without_virtualisation_instances_run_in_software():
    """The warning is true: qemu is what is deployed."""
    assert NodeContext(ANSWERS, facts(**{**GOOD, "kvm_works": False}), DEBIAN).virt_type == "qemu"


STATIC_HINTS = [
    (
        EL7,
        {"NetworkManager.service": ENABLED},
        "nmcli connection modify host0 ipv4.method manual ipv4.addresses 198.18.1.10/23",
    ),
    (EL7, {}, "ifcfg-host0: BOOTPROTO=none IPADDR=198.18.1.10 PREFIX=23 GATEWAY=198.18.1.1"),
    (DEBIAN, {}, "/etc/network/interfaces: iface host0 inet static, address 198.18.1.10/23, gateway 198.18.1.1"),
    (DEBIAN, {"systemd-networkd.service": ENABLED}, "Address=198.18.1.10/23, Gateway=198.18.1.1"),
]


@pytest.mark.parametrize(("profile", "states", "hint"), STATIC_HINTS)
def test_the_hint_for_a_static_address_is_that_of_the_network_manager_in_use(profile, states, hint):
    interfaces = (Interface("host0", True, 1500, ("198.18.1.10/23",)),)
    (finding,) = find(
        "dhcp", {"dhcp_addresses": (ADDRESS,), "unit_states": states, "interfaces": interfaces}, profile=profile
    )
    assert hint in finding.hint


def test_a_bridge_with_an_uplink_of_networkmanagers_stays_managed():
    """NetworkManager's plug-in for Open vSwitch has put the uplink into br-ex, but has nothing to do with br-int."""
    answers = {"CONFIG_NEUTRON_L2_AGENT": "openvswitch", "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:eth1",)}
    changes = {"nm_interfaces": ("br-ex", "br-int"), "uplinks": {"eth1": UplinkFacts(managed_by="NetworkManager")}}
    (finding,) = find("networkmanager", changes, answers)
    assert "manages br-int:" in finding.message
    assert "br-ex" not in finding.fix.description


def test_packstacks_newest_answer_file_is_named():
    packstack_files = ("/var/tmp/packstack", "/root/packstack-answers-1.txt", "/root/packstack-answers-2.txt")
    (finding,) = find("leftovers", {"packstack_files": packstack_files})
    assert finding.hint.endswith("--answer-file with a copy of /root/packstack-answers-2.txt")
