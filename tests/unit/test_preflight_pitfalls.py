"""The pitfalls by name: found in what a host tells, explained, and not seen on a good host of either distribution."""

from __future__ import annotations

import dataclasses

import pytest

from packstack_lite import profiles
from packstack_lite.nodes.facts import Interface, Repo, UplinkFacts
from packstack_lite.preflight import CHECKS
from packstack_lite.preflight.check import CheckContext
from packstack_lite.services._base.context import NodeContext
from tests.clouds import ADDRESS, ANSWERS, MACHINE, facts

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
LIST = "http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os"
DEAD = Repo("base", "/etc/yum.repos.d/CentOS-Base.repo", True, (LIST,))
EPEL = Repo("epel", "/etc/yum.repos.d/epel.repo", True, (EPEL_METALINK,))
EXCLUDING = dataclasses.replace(
    EPEL, excludes=("leatherman*", "facter*", "puppet*", "hiera*", "cpp-hocon*", "qpid-proton*", "python2-qpid-*")
)
LOADER = (
    "facter: error while loading shared libraries: leatherman_curl.so.1.3.0:"
    " cannot open shared object file: No such file or directory"
)
DENIED = "ERROR 1045 (28000): Access denied for user 'root'@'localhost' (using password: NO)"
DATA = ("/var/lib/mysql/mysql",)
ON = "active enabled"
# A host that an earlier run has brought as far as its packages.
OURS = {"deployed_by_us": True, "other_openstack": ("/etc/keystone/keystone.conf",)}


def remarks(check, changes=None, answers=None, profile=EL7, good=ON_EL7):
    return [*CHECKS[check](CheckContext(facts(**{**good, **(changes or {})}), answers or {}, profile, NOW))]


@pytest.mark.parametrize("check", [check for check in CHECKS if check != "system"])
@pytest.mark.parametrize(("profile", "good"), [(EL7, ON_EL7), (DEBIAN, GOOD)], ids=["el7", "debian"])
def test_a_good_host_of_either_distribution_gives_no_remark(check, profile, good):
    assert remarks(check, None, {}, profile, good) == []


# Check, level, words of the message, what it is found in, and whether --fix mends it.
BAD = [
    ("mirrors", "error", "base: fetched from mirrorlist.centos.org, which no longer", {"repos": (DEAD,)}, False),
    (
        "epel",
        "warning",
        "(epel in /etc/yum.repos.d/epel.repo); it replaces RDO's versions of leatherman*, facter*",
        {"repos": (EPEL,)},
        True,
    ),
    ("epel", "warning", "already: leatherman", {"repos": (EPEL,), "epel_rpms": ("htop", "leatherman")}, True),
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
    ("selinux", "warning", "without openstack-selinux", OURS, True),
    ("selinux", "warning", "permissive now and will be enforcing after", {"selinux": "permissive"}, True),
    ("masked", "warning", "nothing can start: httpd.service", {"masked_units": ("httpd.service",)}, True),
    (
        "masked",
        "warning",
        "start: httpd.service, mariadb",
        {"masked_units": ("httpd.service", "mariadb.service")},
        True,
    ),
    ("httpd", "error", "httpd is no longer installed", OURS, True),
    (
        "firewall",
        "warning",
        "firewalld and iptables.service are both enabled",
        {"unit_states": {"firewalld.service": ON, "iptables.service": "inactive enabled"}},
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
    ("python", "warning", "python2 cannot import yaml", {**OURS, "missing_python_modules": ("python2 yaml",)}, True),
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
        {"other_openstack": DATA, "mariadb_databases": ("keystone", "nova_api")},
        True,
    ),
    (
        "database",
        "error",
        f"apply cannot use it: {DENIED}",
        {"other_openstack": DATA, "mariadb_root_error": DENIED},
        True,
    ),
    (
        "database",
        "error",
        "(shop); it would",
        {"other_openstack": DATA, "mariadb_databases": ("shop",), "mariadb_root_error": DENIED},
        False,
    ),
    (
        "database",
        "error",
        f"refuses root's login over the socket: {DENIED}",
        {"other_openstack": DATA, "mariadb_root_error": DENIED, "deployed_by_us": True},
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
        "fetched: base: Could not",
        {"package_source": "base: Could not resolve host: x (http://x)"},
        False,
    ),
]
PITFALLS = {check for check, *_ in BAD}


@pytest.mark.parametrize(
    ("check", "level", "words", "changes", "curable"), BAD, ids=lambda it: it if isinstance(it, str) else ""
)
def test_a_pitfall_is_found_and_explained(check, level, words, changes, curable):
    (remark,) = remarks(check, changes)
    assert remark.level == level
    assert words in remark.message
    assert remark.hint
    assert bool(remark.fix) == curable
    assert not curable or remark.fix.description


# What looks like a pitfall and is none.
FINE = [
    ("mirrors", {"repos": (dataclasses.replace(DEAD, is_enabled=False),)}, {}),
    ("mirrors", {"repos": (Repo("a", "a.repo", True, ("http://mirror.stream.centos.org/9-stream/",)),)}, {}),
    ("mirrors", {"repos": (Repo("a", "a.repo", True, ("http://mirror.centos.org.example.com/x",)),)}, {}),
    ("mirrors", {"repos": (dataclasses.replace(DEAD, urls=(LIST, MIRROR)),)}, {}),
    ("epel", {"repos": (EXCLUDING,)}, {}),
    ("leatherman", {"rpm_versions": {"facter": "3.9.3-7.el7", "leatherman": "1.3.0-9.el7"}}, {}),
    ("leatherman", {"rpm_versions": {"facter": "4.2.1", "leatherman": "1.10.0-1.el7"}}, {}),
    ("selinux", {"selinux": "permissive"}, {"CONFIG_SELINUX": "permissive"}),
    ("selinux", OURS, {"CONFIG_SELINUX": "permissive"}),
    ("selinux", {**OURS, "rpm_versions": {"openstack-selinux": "0.8.26"}}, {"CONFIG_SELINUX": "enforcing"}),
    ("selinux", {"selinux": "disabled", "selinux_boot": "disabled", "virtualization": "systemd-nspawn"}, {}),
    ("masked", {"masked_units": ("cups.service",)}, {}),
    ("masked", {"masked_units": ("openstack-swift-container-sync.service",), "deployed_by_us": True}, {}),
    ("httpd", {**OURS, "rpm_versions": {"httpd": "2.4.6"}}, {}),
    # A first run that ended before the packages came.
    ("httpd", {"deployed_by_us": True}, {}),
    ("python", {"deployed_by_us": True, "missing_python_modules": ("python2 yaml",)}, {}),
    ("selinux", {"deployed_by_us": True}, {}),
    ("firewall", {"unit_states": {"firewalld.service": "inactive disabled", "iptables.service": ON}}, {}),
    ("firewall", {"unit_states": {"firewalld.service": ON, "iptables.service": "inactive disabled"}}, {}),
    ("networkmanager", {"nm_interfaces": ("eth0", "br-provider")}, {}),
    ("dhcp", {"dhcp_addresses": ("198.18.1.99",)}, {}),
    ("python", {"missing_python_modules": ("python2 yaml",)}, {}),
    ("python", {**OURS, "missing_python_modules": ("python3 yaml",)}, {}),
    ("leftovers", {"packstack_files": ("/root/packstack-answers-1.txt",)}, {}),
    ("leftovers", {"packstack_files": ("/root/packstackca",), "deployed_by_us": True}, {}),
    ("database", {"other_openstack": DATA, "mariadb_databases": ("shop",)}, {"CONFIG_MARIADB_INSTALL": False}),
    ("database", {"other_openstack": DATA}, {}),
    ("database", {"other_openstack": DATA, "deployed_by_us": True, "mariadb_databases": ("keystone",)}, {}),
    ("packages", {"package_source": "base: Could not"}, {"CONFIG_REPO_DIRECTORY": "/srv/rpms"}),
    (
        "packages",
        {"package_source": "base: Could not resolve host: mirrorlist.centos.org (http://...)", "repos": (DEAD,)},
        {"CONFIG_REPO_MIRROR": "auto"},
    ),
]


@pytest.mark.parametrize(("check", "changes", "answers"), FINE)
def test_what_is_no_pitfall(check, changes, answers):
    assert remarks(check, changes, answers) == []


def test_dead_mirrors_that_apply_will_replace_are_no_fault():
    (remark,) = remarks("mirrors", {"repos": (DEAD,)}, {"CONFIG_REPO_MIRROR": "aliyun"})
    assert remark.level == "info"
    assert "apply rewrites /etc/yum.repos.d/CentOS-Base.repo to a mirror that answers" in remark.message
    assert "CONFIG_REPO_MIRROR=aliyun" in remark.message


def test_a_source_that_a_proxy_will_lead_to_is_no_error_yet():
    told = {"package_source": "base: Could not resolve host: x (http://x)"}
    (remark,) = remarks("packages", told, {"CONFIG_HTTP_PROXY": "http://proxy:3128"})
    assert remark.level == "warning"
    assert "apply sets the proxy" in remark.message


@pytest.mark.parametrize(("profile", "version", "patterns"), [(EL7, "7", "leatherman*"), (EL9, "9", "erlang*")])
def test_epel_is_told_by_what_the_release_has(profile, version, patterns):
    repo = dataclasses.replace(EPEL, name="extras", urls=("https://mirrors.example.com/epel/x/$basearch",))
    (remark,) = remarks("epel", {"repos": (repo,), "os_version": version}, profile=profile)
    assert f"RDO's versions of {patterns}" in remark.message
    assert f"exclude={patterns}" in remark.hint


WAYS = [
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


@pytest.mark.parametrize(("changes", "name", "way"), WAYS)
def test_virtualisation_is_switched_on_where_it_is_off(changes, name, way):
    off = {"kvm_works": False, "has_kvm_device": False, "cpu_flags": ("sse2",), **changes}
    (remark,) = remarks("virtualization", off)
    assert name in remark.message
    assert way in remark.hint
    assert remark.fix is None, "no command of ours reaches the firmware"


def test_without_virtualisation_instances_run_in_software():
    """The warning is true: what it says about qemu is what is deployed."""
    assert NodeContext(ANSWERS, facts(**{**GOOD, "kvm_works": False}), DEBIAN).virt_type == "qemu"


STATIC = [
    (
        EL7,
        {"NetworkManager.service": ON},
        "nmcli connection modify host0 ipv4.method manual ipv4.addresses 198.18.1.10/23",
    ),
    (EL7, {}, "ifcfg-host0: BOOTPROTO=none IPADDR=198.18.1.10 PREFIX=23 GATEWAY=198.18.1.1"),
    (DEBIAN, {}, "/etc/network/interfaces: iface host0 inet static, address 198.18.1.10/23, gateway 198.18.1.1"),
    (DEBIAN, {"systemd-networkd.service": ON}, "Address=198.18.1.10/23, Gateway=198.18.1.1"),
]


@pytest.mark.parametrize(("profile", "states", "way"), STATIC)
def test_a_lent_address_is_made_static_by_who_configures_it(profile, states, way):
    own = (Interface("host0", True, 1500, ("198.18.1.10/23",)),)
    (remark,) = remarks(
        "dhcp", {"dhcp_addresses": (ADDRESS,), "unit_states": states, "interfaces": own}, profile=profile
    )
    assert way in remark.hint


def test_a_bridge_that_networkmanager_was_given_stays_with_it():
    """An interface that its plug-in for Open vSwitch has put into br-ex; br-int is another matter."""
    answers = {"CONFIG_NEUTRON_L2_AGENT": "openvswitch", "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:eth1",)}
    facts_of = {"nm_interfaces": ("br-ex", "br-int"), "uplinks": {"eth1": UplinkFacts(managed_by="NetworkManager")}}
    (remark,) = remarks("networkmanager", facts_of, answers)
    assert "manages br-int:" in remark.message
    assert "br-ex" not in remark.fix.description


def test_packstacks_answers_are_pointed_at():
    left = ("/var/tmp/packstack", "/root/packstack-answers-1.txt", "/root/packstack-answers-2.txt")
    (remark,) = remarks("leftovers", {"packstack_files": left})
    assert remark.hint.endswith("--answer-file with a copy of /root/packstack-answers-2.txt")
