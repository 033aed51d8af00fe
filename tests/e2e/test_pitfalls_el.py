"""CentOS's pitfalls on bare hosts with its layout: built, found, explained, mended by --fix, gone; none when healthy.

yum, rpm, systemd, MariaDB, firewalld, iptables, NetworkManager and the loader that breaks facter are real ones, and so
are the RPMs that the cures install.

What a container cannot have is told to the checks in tests/unit/test_preflight_pitfalls.py as facts alone:

- SELinux enforcing without openstack-selinux, of another policy, or of another mode after the next boot: the kernel of
  a container shows no selinuxfs. What stands in /etc/selinux/config is read here.
- A clock that is wrong or kept by no time server: a container's is the machine's, and is not asked about.
- A module of KVM that is not loaded, and bare metal without virtualisation: a container loads no modules, and systemd
  says container whatever the firmware says. The makers of hypervisors are read here where DMI would be.
- A volume group, and a device for it: a container has no device mapper (tests/e2e/test_storage.py makes both).

httpd and Python modules that are removed from under a cloud: tests/e2e/test_centos9.py and test_centos7.py.
"""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.conftest import Sandbox, bare_host
from tests.e2e.pitfalls import ELSEWHERE, are, goes, looked, stays

RELEASES = {"el7": "centos-release-openstack-train", "el9": "centos-release-openstack-epoxy"}
# Which packages EPEL has other versions of than RDO, as the finding names the first of them.
RIVALS = {"el7": "leatherman*", "el9": "erlang*"}


@pytest.fixture(scope="module", params=["el9", "el7"])
def host(request: pytest.FixtureRequest, tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare host with CentOS's layout (E2E_PITFALLS_EL9_SANDBOX and _ANSWERS: see bare_host)."""
    distro = request.param
    with bare_host(tool, tmp_path_factory.mktemp(distro), f"e2e-pitfalls-{distro}", {}, distro) as made:
        yield made


def test_a_healthy_host_has_no_pitfall_and_fix_does_nothing_to_it(host: Sandbox) -> None:
    assert looked(host) == {}
    kept = "find /etc -xdev -type f -exec sha256sum {} + | sort -k2; rpm -qa | sort; ls -A /var/lib/packstack-lite"
    before = host.sh(kept, check=False)
    ended = host("preflight", "--fix", "--output", "json")
    assert ended.code == 0
    assert "there is nothing that --fix can fix" in ended.err
    assert host.sh(kept, check=False) == before


# The policy's package is not there, as on an image that came without SELinux and was told to have it.
BUILD = (
    r"""
set -e
printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' > /etc/selinux/config
yum -y -q install httpd
systemctl mask httpd
"""
    + ELSEWHERE
    + r"""echo LANG=zh_CN.GB18030 > /etc/locale.conf
mkdir -p /var/tmp/packstack/20200101-000000-abc/manifests /root/packstackca/certs
"""
)
BUILT = {
    "selinux": "says enforcing with the policy targeted, which is not installed: the next boot would stop",
    "masked": "nothing can start: httpd.service",
    "ports": "port 80 is used by perl (otherweb.service)",
    "hostname": "resolves to 198.18.255.9, which is not this node's address",
    "locale": "LANG=zh_CN.GB18030, which is not installed",
    "leftovers": "Packstack has left /var/tmp/packstack, /root/packstackca",
}


def test_what_is_built_is_found_mended_and_gone(host: Sandbox) -> None:
    host.sh(BUILD)
    goes(host, BUILT)
    assert host.sh("rpm -q --qf '%{NAME}' selinux-policy-targeted") == "selinux-policy-targeted"
    assert host.sh("ls /.autorelabel; systemctl is-enabled httpd otherweb", check=False).split() == [
        *("/.autorelabel", "disabled", "disabled"),
    ]
    assert "LANG=zh_CN.GB18030" in host.sh("cat /etc/locale.conf.packstack-lite.orig")


def test_leatherman_of_epel_under_facter(host: Sandbox) -> None:
    """The loader's own message; the cure is yum's downgrade, and the exclude keeps the next update from undoing it."""
    release = RELEASES[host.distro]
    host.sh(f"yum -y -q install {release} && yum -y -q install facter && facter | grep 1.3.0")
    assert looked(host) == {}
    host.sh("yum -y -q install epel-release && yum -y -q update leatherman")
    assert "error while loading shared libraries" in host.sh("facter 2>&1", check=False)
    goes(
        host,
        {
            "leatherman": "facter: error while loading shared libraries: leatherman_curl.so.1.3.0: cannot open",
            "epel": f"it replaces RDO's versions of {RIVALS[host.distro]}",
        },
    )
    assert "leatherman => 1.3.0" in host.sh("yum -y -q update; facter"), "and it stays so"
    assert "exclude=" in host.sh("cat /etc/yum.repos.d/epel.repo")
    assert "exclude=" not in host.sh("cat /etc/yum.repos.d/epel.repo.packstack-lite.orig")


def test_old_data_of_mariadb_with_a_password_that_is_not_ours(host: Sandbox) -> None:
    """The notes' "authentication error": root's password is of an earlier run."""
    host.sh("yum -y -q install mariadb-server && systemctl start mariadb")
    assert looked(host) == {}, "an empty MariaDB is no fault"
    host.sh(
        "mysql -e \"CREATE DATABASE keystone; SET PASSWORD FOR root@localhost = PASSWORD('of an earlier run');"
        " ALTER USER root@localhost IDENTIFIED BY 'of an earlier run'\""
    )
    goes(host, {"database": "an earlier cloud's data (keystone) is there; it refuses root's login over the socket"})
    assert host.sh("mysql -N -e 'SELECT CURRENT_USER()'").strip() == "root@localhost"
    assert "keystone" in host.sh("ls /var/lib/mysql.packstack-lite.orig")
    host.sh("systemctl stop mariadb")


def test_two_firewalls_of_which_one_throws_out_the_others_rules(host: Sandbox) -> None:
    host.sh("yum -y -q install firewalld iptables-services && systemctl enable --now firewalld")
    assert looked(host) == {}
    host.sh("systemctl enable --now iptables")
    # The fault is real: the one that comes ends the one that is there.
    host.sh("while systemctl -q is-active firewalld; do sleep 0.2; done")
    before = looked(host)
    # Until firewalld is back, the firewall in force is the other one, which apply would have to tell its rules.
    assert set(before) - {"preparation"} == {"firewall"}, before
    goes(
        host,
        {
            "firewall": "firewalld and iptables.service are both enabled: rules are lost",
            **{name: str(one["message"]) for name, one in before.items() if name == "preparation"},
        },
    )
    assert host.sh("systemctl is-active firewalld; systemctl is-enabled iptables", check=False).split() == [
        *("active", "disabled"),
    ]
    host.sh("systemctl disable --now firewalld")


def test_networkmanager_has_the_bridge(host: Sandbox) -> None:
    host.sh(
        "yum -y -q install NetworkManager && mkdir -p /etc/NetworkManager/conf.d &&"
        " printf '[main]\\ndns=none\\n' > /etc/NetworkManager/conf.d/10-test.conf && systemctl start NetworkManager"
    )
    assert looked(host) == {}, "NetworkManager is no fault"
    host.sh(
        "set -e; ip link add br-ex type veth peer name br-ex-peer; ip link set br-ex up; ip link set br-ex-peer up;"
        "nmcli connection add type ethernet ifname br-ex con-name br-ex ipv4.method manual"
        " ipv4.addresses 198.18.255.1/28;"
        "nmcli device set br-ex managed yes; nmcli -w 20 connection up br-ex"
    )
    goes(host, {"networkmanager": "NetworkManager manages br-ex"})
    host.sh("systemctl restart NetworkManager; sleep 2")
    assert "198.18.255.1/28" in host.sh("ip -o -4 addr show dev br-ex"), "the bridge's address has stayed"
    host.sh("systemctl disable --now NetworkManager; ip link del br-ex")


def test_a_source_of_packages_that_does_not_answer(host: Sandbox) -> None:
    host.sh("printf '[x]\nbaseurl=http://127.0.0.1:9/x' > /etc/yum.repos.d/x.repo")
    stays(host, {"packages": "packages cannot be fetched: x: Failed ... yum makecache"})
    host.sh("rm /etc/yum.repos.d/x.repo")


def test_an_address_that_is_lent_and_modules_of_pip(host: Sandbox) -> None:
    address = "set -- $(ip -o -4 addr show dev host0 scope global | awk '{print $4}'); ip addr change $1 dev host0 "
    module = "/usr/local/lib/python2.7/site-packages/yaml"
    host.sh(address + f"valid_lft 3000 preferred_lft 3000; mkdir -p {module}")
    stays(
        host, {"dhcp": "from DHCP; the cloud stops working ... make it static", "python": f"{module} ... pip uninstall"}
    )
    host.sh(address + f"valid_lft forever preferred_lft forever; rm -r {module}")
    assert looked(host) == {}


def test_little_memory(host: Sandbox) -> None:
    """As lxcfs shows a container its limit: in /proc/meminfo."""
    for gibibytes, words in ((4, "4.0 GiB of memory; an all-in-one needs"), (6, "6.0 GiB of memory leaves little")):
        host.sh(
            f"sed 's/^MemTotal:.*/MemTotal: {gibibytes * 1024 * 1024} kB/' /proc/meminfo > /run/meminfo;"
            "mount --bind /run/meminfo /proc/meminfo"
        )
        stays(host, {"memory": f"{words} ... give the node 8 GiB or more"})
        host.sh("umount /proc/meminfo")
    assert looked(host) == {}


def test_little_room(host: Sandbox) -> None:
    """A file system of its own for /var, too small; what is there goes with it."""
    host.sh(
        "set -e; mkdir -p /run/small; mount -t tmpfs -o size=3G small /run/small; cp -a /var/. /run/small/;"
        "mount --bind /run/small /var"
    )
    stays(host, {"disk": "GiB free on /var; 5 GiB are needed ... yum clean all"})
    host.sh("umount -l /var; umount -l /run/small")
    assert looked(host) == {}


def test_no_room_for_volumes(host: Sandbox) -> None:
    words = ["--os-cinder-install=y", "--cinder-backend=lvm", "--cinder-volumes-size=9000G"]
    told = [one for one in host("preflight", "--output", "json", *words).data["findings"] if one["name"] == "volumes"]
    assert any("CONFIG_CINDER_VOLUMES_SIZE is 9000.0 GiB, but" in one["message"] for one in told), told
    assert any("free space on /" in one["fix"] for one in told), told


# What DMI says of the maker and the product, and the words of the way to switch virtualisation on there.
HYPERVISORS = {
    "VMware": ("VMware, Inc.", "VMware Virtual Platform", 'vhv.enable = "TRUE"'),
    "VirtualBox": ("innotek GmbH", "VirtualBox", "VBoxManage modifyvm NAME --nested-hw-virt on"),
    "libvirt": ("QEMU", "Standard PC (Q35 + ICH9, 2009)", "<cpu mode='host-passthrough'/>"),
    "Hyper-V": ("Microsoft Corporation", "Virtual Machine", "-ExposeVirtualizationExtensions $true"),
    "Xen": ("Xen", "HVM domU", "nestedhvm=1"),
    "Amazon EC2": ("Amazon EC2", "m5.large", "bare-metal type"),
}
# The directory of DMI as it is where there is one, whatever this machine has, and a processor without virtualisation.
MACHINE = r"""
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


def test_virtualisation_that_is_off_in_each_hypervisor(host: Sandbox) -> None:
    host.sh(MACHINE)
    for name, (maker, product, way) in HYPERVISORS.items():
        host.sh(f"echo '{maker}' > /run/class/dmi/id/sys_vendor; echo '{product}' > /run/class/dmi/id/product_name")
        stays(host, {"virtualization": f"the processor has no virtualisation enabled ({name}): ... qemu ... {way}"})
    host.sh("umount /sys/class /proc/cpuinfo; rm /dev/kvm")
    are(looked(host), {})


# CentOS 7 as it is found today: its repositories lead to addresses that are gone. The mirror that answers is on the
# host itself; nothing but its address is different from a real one.
DEAD = r"""
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


def test_dead_mirrors_are_found_and_apply_leads_to_one_that_answers(host: Sandbox) -> None:
    if host.distro != "el7":
        pytest.skip("the mirrors of CentOS Stream 9 live")
    host.sh(DEAD)
    words = ["--repo-mirror=http://127.0.0.1:8123"]
    told = {one["name"]: one for one in host("preflight", "--output", "json", *words).data["findings"]}
    assert "base, extras: fetched from mirrorlist.centos.org, which no longer exists" in told["mirrors"]["message"]
    assert "apply rewrites /etc/yum.repos.d/CentOS-Base.repo to a mirror" in told["mirrors"]["message"]
    assert looked(host, *words) == {}, "good to know, and no fault: apply does it"
    applied = host("apply", "--only", "host", "--output", "json", *words)
    assert applied.code == 0, applied.err
    assert "http://127.0.0.1:8123/os/x86_64" in host.sh("cat /etc/yum.repos.d/CentOS-Base.repo")
    assert "mirrorlist.centos.org" in host.sh("cat /etc/yum.repos.d/CentOS-Base.repo.packstack-lite.orig")
    assert "rsync" in host.sh("yum -q --disablerepo='*' --enablerepo=base list rsync")
    told = {one["name"]: one for one in host("preflight", "--output", "json", *words).data["findings"]}
    assert "mirrors" not in told
