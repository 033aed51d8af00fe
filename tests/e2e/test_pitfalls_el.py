"""Create CentOS's pitfalls on bare nodes with its layout.

Preflight finds and explains them, --fix removes them.

yum, rpm, systemd, MariaDB, firewalld, iptables, NetworkManager and facter's broken loader are real, and so are the
RPMs that the fixes install.

Pitfalls that a container cannot have are tested with facts only, in tests/unit/test_preflight_pitfalls.py:

- SELinux enforcing without openstack-selinux, of another policy, or of another mode after the next boot: the kernel of
  a container shows no selinuxfs. /etc/selinux/config is read here.
- A clock that is wrong or not synchronised: a container has the machine's clock, which is not checked.
- A module of KVM that is not loaded, and bare metal without virtualisation: a container loads no modules, and systemd
  reports a container whatever the firmware says. Here DMI is a directory with the names of hypervisors.
- A volume group, and a device for it: a container has no device mapper (tests/e2e/test_storage.py makes both).

Removed httpd and Python modules of a deployed cloud: tests/e2e/test_centos9.py and test_centos7.py.
"""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.conftest import Sandbox, bare_node
from tests.e2e.pitfalls import (
    BREAK_PORT_AND_HOSTNAME,
    assert_findings,
    assert_fixable,
    assert_left_alone,
    run_preflight,
)

RELEASES = {"el7": "centos-release-openstack-train", "el9": "centos-release-openstack-epoxy"}
# The first package that the finding names as replaced by EPEL's version.
EPEL_VERSIONS = {"el7": "leatherman*", "el9": "erlang*"}


@pytest.fixture(scope="module", params=["el9", "el7"])
def node(request: pytest.FixtureRequest, tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare node with CentOS's layout.

    For E2E_PITFALLS_EL9_SANDBOX and _ANSWERS see bare_node.
    """
    distro = request.param
    with bare_node(tool, tmp_path_factory.mktemp(distro), f"e2e-pitfalls-{distro}", {}, distro) as node:
        yield node


def test_a_healthy_node_has_no_finding_and_fix_changes_nothing(node: Sandbox) -> None:
    assert run_preflight(node) == {}
    fingerprint = (
        "find /etc -xdev -type f -exec sha256sum {} + | sort -k2; rpm -qa | sort; ls -A /var/lib/packstack-lite"
    )
    state_before = node.sh(fingerprint, check=False)
    result = node("preflight", "--fix", "--output", "json")
    assert result.code == 0
    assert "there is nothing that --fix can fix" in result.err
    assert node.sh(fingerprint, check=False) == state_before


# The policy's package is missing, as on an image without SELinux whose configuration enables it.
BREAK_FIXABLE = (
    r"""
set -e
printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' > /etc/selinux/config
yum -y -q install httpd
systemctl mask httpd
"""
    + BREAK_PORT_AND_HOSTNAME
    + r"""echo LANG=zh_CN.GB18030 > /etc/locale.conf
mkdir -p /var/tmp/packstack/20200101-000000-abc/manifests /root/packstackca/certs
"""
)
FIXABLE = {
    "selinux": "says enforcing with the policy targeted, which is not installed: the next boot would stop",
    "masked": "nothing can start: httpd.service",
    "ports": "port 80 is used by perl (otherweb.service)",
    "hostname": "resolves to 198.18.255.9, which is not this node's address",
    "locale": "LANG=zh_CN.GB18030, which is not installed",
    "leftovers": "Packstack has left /var/tmp/packstack, /root/packstackca",
}


def test_fixable_pitfalls_are_found_fixed_and_gone(node: Sandbox) -> None:
    node.sh(BREAK_FIXABLE)
    assert_fixable(node, FIXABLE)
    assert node.sh("rpm -q --qf '%{NAME}' selinux-policy-targeted") == "selinux-policy-targeted"
    assert node.sh("ls /.autorelabel; systemctl is-enabled httpd otherweb", check=False).split() == [
        *("/.autorelabel", "disabled", "disabled"),
    ]
    assert "LANG=zh_CN.GB18030" in node.sh("cat /etc/locale.conf.packstack-lite.orig")


def test_epels_leatherman_is_found_and_downgraded(node: Sandbox) -> None:
    """The finding has the loader's message.

    --fix downgrades, and excludes the package from later updates.
    """
    release = RELEASES[node.distro]
    node.sh(f"yum -y -q install {release} && yum -y -q install facter && facter | grep 1.3.0")
    assert run_preflight(node) == {}
    node.sh("yum -y -q install epel-release && yum -y -q update leatherman")
    assert "error while loading shared libraries" in node.sh("facter 2>&1", check=False)
    assert_fixable(
        node,
        {
            "leatherman": "facter: error while loading shared libraries: leatherman_curl.so.1.3.0: cannot open",
            "epel": f"it replaces RDO's versions of {EPEL_VERSIONS[node.distro]}",
        },
    )
    assert "leatherman => 1.3.0" in node.sh("yum -y -q update; facter"), "a later update must keep it"
    assert "exclude=" in node.sh("cat /etc/yum.repos.d/epel.repo")
    assert "exclude=" not in node.sh("cat /etc/yum.repos.d/epel.repo.packstack-lite.orig")


def test_old_mariadb_data_that_refuse_root_are_found_and_moved(node: Sandbox) -> None:
    """Root's password is of an earlier run: an "authentication error" with Packstack."""
    node.sh("yum -y -q install mariadb-server && systemctl start mariadb")
    assert run_preflight(node) == {}, "an empty MariaDB is no finding"
    node.sh(
        "mysql -e \"CREATE DATABASE keystone; SET PASSWORD FOR root@localhost = PASSWORD('of an earlier run');"
        " ALTER USER root@localhost IDENTIFIED BY 'of an earlier run'\""
    )
    assert_fixable(
        node, {"database": "an earlier cloud's data (keystone) is there; it refuses root's login over the socket"}
    )
    assert node.sh("mysql -N -e 'SELECT CURRENT_USER()'").strip() == "root@localhost"
    assert "keystone" in node.sh("ls /var/lib/mysql.packstack-lite.orig")
    node.sh("systemctl stop mariadb")


def test_two_enabled_firewalls_are_found_and_one_is_disabled(node: Sandbox) -> None:
    node.sh("yum -y -q install firewalld iptables-services && systemctl enable --now firewalld")
    assert run_preflight(node) == {}
    node.sh("systemctl enable --now iptables")
    # The units conflict: starting iptables stops firewalld.
    node.sh("while systemctl -q is-active firewalld; do sleep 0.2; done")
    state_before = run_preflight(node)
    # Until firewalld is back, iptables is the firewall in force: a finding of its own.
    assert set(state_before) - {"preparation"} == {"firewall"}, state_before
    assert_fixable(
        node,
        {
            "firewall": "firewalld and iptables.service are both enabled: rules are lost",
            **{name: str(finding["message"]) for name, finding in state_before.items() if name == "preparation"},
        },
    )
    assert node.sh("systemctl is-active firewalld; systemctl is-enabled iptables", check=False).split() == [
        *("active", "disabled"),
    ]
    node.sh("systemctl disable --now firewalld")


def test_networkmanager_stops_managing_the_bridge(node: Sandbox) -> None:
    node.sh(
        "yum -y -q install NetworkManager && mkdir -p /etc/NetworkManager/conf.d &&"
        " printf '[main]\\ndns=none\\n' > /etc/NetworkManager/conf.d/10-test.conf && systemctl start NetworkManager"
    )
    assert run_preflight(node) == {}, "NetworkManager is no finding"
    node.sh(
        "set -e; ip link add br-ex type veth peer name br-ex-peer; ip link set br-ex up; ip link set br-ex-peer up;"
        "nmcli connection add type ethernet ifname br-ex con-name br-ex ipv4.method manual"
        " ipv4.addresses 198.18.255.1/28;"
        "nmcli device set br-ex managed yes; nmcli -w 20 connection up br-ex"
    )
    assert_fixable(node, {"networkmanager": "NetworkManager manages br-ex"})
    node.sh("systemctl restart NetworkManager; sleep 2")
    assert "198.18.255.1/28" in node.sh("ip -o -4 addr show dev br-ex"), "the bridge's address has stayed"
    node.sh("systemctl disable --now NetworkManager; ip link del br-ex")


def test_a_source_of_packages_that_does_not_answer(node: Sandbox) -> None:
    node.sh("printf '[x]\nbaseurl=http://127.0.0.1:9/x' > /etc/yum.repos.d/x.repo")
    assert_left_alone(
        node, {"packages": "packages cannot be fetched: /etc/yum.repos.d/x.repo:1: x: Failed ... yum makecache"}
    )
    node.sh("rm /etc/yum.repos.d/x.repo")


def test_an_address_that_is_lent_and_modules_of_pip(node: Sandbox) -> None:
    address = "set -- $(ip -o -4 addr show dev host0 scope global | awk '{print $4}'); ip addr change $1 dev host0 "
    module = "/usr/local/lib/python2.7/site-packages/yaml"
    node.sh(address + f"valid_lft 3000 preferred_lft 3000; mkdir -p {module}")
    assert_left_alone(
        node, {"dhcp": "from DHCP; the cloud stops working ... make it static", "python": f"{module} ... pip uninstall"}
    )
    node.sh(address + f"valid_lft forever preferred_lft forever; rm -r {module}")
    assert run_preflight(node) == {}


def test_too_little_memory_is_explained(node: Sandbox) -> None:
    """/proc/meminfo is replaced, as lxcfs does for a container's limit."""
    for gibibytes, message in ((4, "4.0 GiB of memory; an all-in-one needs"), (6, "6.0 GiB of memory leaves little")):
        node.sh(
            f"sed 's/^MemTotal:.*/MemTotal: {gibibytes * 1024 * 1024} kB/' /proc/meminfo > /run/meminfo;"
            "mount --bind /run/meminfo /proc/meminfo"
        )
        assert_left_alone(node, {"memory": f"{message} ... give the node 8 GiB or more"})
        node.sh("umount /proc/meminfo")
    assert run_preflight(node) == {}


def test_too_little_disk_space_is_explained(node: Sandbox) -> None:
    """/var is copied to a file system that is too small."""
    node.sh(
        "set -e; mkdir -p /run/small; mount -t tmpfs -o size=3G small /run/small; cp -a /var/. /run/small/;"
        "mount --bind /run/small /var"
    )
    assert_left_alone(node, {"disk": "GiB free on /var; 5 GiB are needed ... yum clean all"})
    node.sh("umount -l /var; umount -l /run/small")
    assert run_preflight(node) == {}


def test_too_little_space_for_volumes_is_explained(node: Sandbox) -> None:
    options = ["--os-cinder-install=y", "--cinder-backend=lvm", "--cinder-volumes-size=9000G"]
    findings = [
        finding
        for finding in node("preflight", "--output", "json", *options).data["findings"]
        if finding["name"] == "volumes"
    ]
    assert any("CONFIG_CINDER_VOLUMES_SIZE is 9000.0 GiB, but" in finding["message"] for finding in findings), findings
    assert any("free space on /" in finding["fix"] for finding in findings), findings


# Product -> vendor and product name in DMI, and a part of the hint on how to enable virtualisation.
HYPERVISORS = {
    "VMware": ("VMware, Inc.", "VMware Virtual Platform", 'vhv.enable = "TRUE"'),
    "VirtualBox": ("innotek GmbH", "VirtualBox", "VBoxManage modifyvm NAME --nested-hw-virt on"),
    "libvirt": ("QEMU", "Standard PC (Q35 + ICH9, 2009)", "<cpu mode='host-passthrough'/>"),
    "Hyper-V": ("Microsoft Corporation", "Virtual Machine", "-ExposeVirtualizationExtensions $true"),
    "Xen": ("Xen", "HVM domU", "nestedhvm=1"),
    "Amazon EC2": ("Amazon EC2", "m5.large", "bare-metal type"),
}
# A directory like the kernel's for DMI, and a processor without virtualisation.
FAKE_DMI = r"""
set -e
mkdir -p /run/class
cp -a /sys/class/. /run/class/ 2>/dev/null || :
rm -rf /run/class/dmi
mkdir -p /run/class/dmi/id
mount --bind /run/class /sys/class
sed 's/^\(flags.*\) \(vmx\|svm\)\( \|$\)/\1 \3/' /proc/cpuinfo > /run/cpuinfo
mount --bind /run/cpuinfo /proc/cpuinfo
[ -c /dev/kvm ] || mknod /dev/kvm c 10 232
"""


def test_missing_virtualisation_is_explained_for_each_hypervisor(node: Sandbox) -> None:
    node.sh(FAKE_DMI)
    for name, (maker, product, hint) in HYPERVISORS.items():
        node.sh(f"echo '{maker}' > /run/class/dmi/id/sys_vendor; echo '{product}' > /run/class/dmi/id/product_name")
        assert_left_alone(
            node, {"virtualization": f"the processor has no virtualisation enabled ({name}): ... qemu ... {hint}"}
        )
    node.sh("umount /sys/class /proc/cpuinfo; rm /dev/kvm")
    assert_findings(run_preflight(node), {})


# CentOS 7 as installed: its repositories have addresses that no longer exist. The mirror that answers is on the node
# itself; otherwise it is like a real one.
USE_DEAD_MIRRORS = r"""
set -e
cat > /etc/yum.repos.d/CentOS-Base.repo <<'REPO'
[base]
name=CentOS-$releasever - Base
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os&infra=$infra
#baseurl=http://mirror.centos.org/centos/$releasever/os/$basearch/
gpgcheck=0

[extras]
name=CentOS-$releasever - Extras
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=extras&infra=$infra
gpgcheck=0
REPO
mkdir -p /srv/mirror/os /srv/mirror/extras
ln -s /srv/repositories/base /srv/mirror/os/x86_64
ln -s /srv/repositories/extras /srv/mirror/extras/x86_64
systemd-run -q --unit=mirror /usr/libexec/platform-python -m http.server --bind 127.0.0.1 --directory /srv/mirror 8123
"""


def test_dead_mirrors_are_found_and_replaced_by_apply(node: Sandbox) -> None:
    if node.distro != "el7":
        pytest.skip("the mirrors of CentOS Stream 9 exist")
    node.sh(USE_DEAD_MIRRORS)
    options = ["--repo-mirror=http://127.0.0.1:8123"]
    findings = {
        finding["name"]: finding for finding in node("preflight", "--output", "json", *options).data["findings"]
    }
    assert "base, extras: fetched from mirrorlist.centos.org, which no longer exists" in findings["mirrors"]["message"]
    assert "apply rewrites /etc/yum.repos.d/CentOS-Base.repo to a mirror" in findings["mirrors"]["message"]
    assert run_preflight(node, *options) == {}, "only an info: apply rewrites them"
    applied = node("apply", "--only", "host", "--output", "json", *options)
    assert applied.code == 0, applied.err
    assert "http://127.0.0.1:8123/os/x86_64" in node.sh("cat /etc/yum.repos.d/CentOS-Base.repo")
    assert "mirrorlist.centos.org" in node.sh("cat /etc/yum.repos.d/CentOS-Base.repo.packstack-lite.orig")
    assert "rsync" in node.sh("yum -q --disablerepo='*' --enablerepo=base list rsync")
    findings = {
        finding["name"]: finding for finding in node("preflight", "--output", "json", *options).data["findings"]
    }
    assert "mirrors" not in findings
