"""Command lines for the node that hints print, and that ``--fix`` runs.

Each is made here, with its arguments quoted, and is text that root's shell takes as printed. A fix that does the same
runs the same text (``fixes``). tests/unit/test_node_commands.py collects them all and says where each is run.
"""

from __future__ import annotations

import re
import shlex
from typing import Iterable, Sequence

from packstack_lite.nodes.facts import Repo

KVM_MODULE_FILE = "/etc/modules-load.d/packstack-lite-kvm.conf"


class NodeCommand(str):
    """A command line for root's shell on the node."""


def _command(*words: str) -> NodeCommand:
    """Return a command with its words quoted."""
    return NodeCommand(shlex.join(words))


def set_hosts_entry(address: str, names: Sequence[str]) -> NodeCommand:
    """Map names to an address in /etc/hosts; other lines, names and comments stay."""
    return NodeCommand(
        f"sed -E -i {hosts_sed_options(names)} /etc/hosts; {shlex.join(['echo', ' '.join([address, *names])])}"
        " >> /etc/hosts"
    )


def hosts_sed_options(names: Iterable[str]) -> str:
    """Return the options of ``sed -E`` that remove names from lines of /etc/hosts.

    A line that has no other name goes; the last one gets its end of line, so that another can follow.
    """
    # Host names are compared without regard to case. Any other character than theirs stands for itself or its like.
    patterns = "|".join(
        re.sub(r"[^A-Za-z0-9_-]", lambda match: "[.]" if match[0] == "." else ".", name) for name in names
    )
    remove = rf"s/^([^#]*[^#[:space:]])[[:space:]]+({patterns})([[:space:]#]|$)/\1\3/I"
    parts = (":a", remove, "ta", "/^[[:space:]]*[^#[:space:]]+[[:space:]]*$/d", "$a\\")
    return " ".join(f"-e {shlex.quote(part)}" for part in parts)


def set_hostname(name: str, address: str) -> NodeCommand:
    """Rename the node, and let the name resolve to its address."""
    return NodeCommand(f"{_command('hostnamectl', 'set-hostname', name)}; {set_hosts_entry(address, [name])}")


def comment_out_disc_sources(paths: Sequence[str]) -> NodeCommand:
    """Comment out CDs and DVDs in files in the one-line format of apt's sources."""
    return _command("sed", "-i", r"s/^[[:space:]]*deb\(-src\)\{0,1\}[[:space:]].*cdrom:/# &/", *paths)


def finish_packages() -> NodeCommand:
    """Let dpkg finish an interrupted installation; changed configuration files stay."""
    return _command("dpkg", "--force-confdef", "--force-confold", "--configure", "-a")


def unhold_packages(names: Sequence[str]) -> NodeCommand:
    """Take packages off hold."""
    return _command("apt-mark", "unhold", *names)


def apt_install(names: Sequence[str]) -> NodeCommand:
    """Install Debian packages."""
    return _command("apt-get", "-y", "install", *names)


def yum_install(names: Sequence[str], left_out: Sequence[Repo] = ()) -> NodeCommand:
    """Install RPMs, without the repositories ``left_out``."""
    return _command("yum", "-y", *(f"--disablerepo={repo.name}" for repo in left_out), "install", *names)


def yum_downgrade(name: str, left_out: Sequence[Repo] = ()) -> NodeCommand:
    """Downgrade an RPM, without the repositories ``left_out``."""
    return _command("yum", "-y", *(f"--disablerepo={repo.name}" for repo in left_out), "downgrade", name)


def install_selinux_policy(package: str, left_out: Sequence[Repo] = ()) -> NodeCommand:
    """Install an SELinux policy, and let the next boot label all files."""
    return NodeCommand(f"{yum_install([package], left_out)} && touch /.autorelabel")


def set_selinux_boot_mode(mode: str) -> NodeCommand:
    """Set SELinux's mode for the next boot."""
    return _command("sed", "-i", f"s/^SELINUX=.*/SELINUX={mode}/", "/etc/selinux/config")


def enable_selinux() -> NodeCommand:
    """Switch SELinux on, permissive, with a reboot that labels all files."""
    return NodeCommand(f"{set_selinux_boot_mode('permissive')}; touch /.autorelabel; reboot")


def unmask_units(units: Sequence[str]) -> NodeCommand:
    """Unmask units."""
    return _command("systemctl", "unmask", *units)


def disable_units(units: Sequence[str]) -> NodeCommand:
    """Stop and disable units."""
    return _command("systemctl", "disable", "--now", *units)


def keep_only_firewalld(units: Sequence[str], query: str = "--query-service=ssh") -> NodeCommand:
    """Disable firewalls other than firewalld, once that lets SSH in.

    ``query`` is the option of firewall-cmd that asks for it, as the shell takes it.
    """
    return NodeCommand(
        f"systemctl start firewalld.service && firewall-cmd -q {query} && {disable_units(units)}"
        " && systemctl restart firewalld.service"
    )


def load_kernel_module(module: str) -> NodeCommand:
    """Load a kernel module."""
    return _command("modprobe", module)


def load_kvm_module(module: str) -> NodeCommand:
    """Load a kernel module of KVM, now and at every boot."""
    return NodeCommand(f"{load_kernel_module(module)} && {_command('echo', module)} > {KVM_MODULE_FILE}")


def set_link_up(interface: str) -> NodeCommand:
    """Switch an interface on."""
    return _command("ip", "link", "set", interface, "up")


def set_mtu(interface: str) -> NodeCommand:
    """Give an interface Ethernet's MTU."""
    return _command("ip", "link", "set", interface, "mtu", "1500")


def clean_package_cache(uses_rpm: bool) -> NodeCommand:
    """Delete the downloaded packages."""
    return _command("yum", "clean", "all") if uses_rpm else _command("apt-get", "clean")


def update_package_lists(uses_rpm: bool) -> NodeCommand:
    """Fetch the lists of packages."""
    return _command("yum", "makecache") if uses_rpm else _command("apt-get", "update")


def enable_time_sync() -> NodeCommand:
    """Switch time synchronisation on."""
    return _command("timedatectl", "set-ntp", "true")


def restore_root_login() -> NodeCommand:
    """Let root into MariaDB by its socket again, while no other client can connect."""
    statements = "FLUSH PRIVILEGES; ALTER USER root@localhost IDENTIFIED VIA unix_socket"
    return NodeCommand(
        "systemctl stop mariadb; mysqld_safe --skip-grant-tables --skip-networking & mysqladmin --silent --wait=30 ping"
        f" && mysql -e {shlex.quote(statements)}; mysqladmin shutdown; wait; systemctl start mariadb"
    )


def remove_port(bridge: str, interface: str) -> NodeCommand:
    """Take an interface out of an Open vSwitch bridge."""
    return _command("ovs-vsctl", "del-port", bridge, interface)


def set_system_id(identity: str) -> NodeCommand:
    """Give Open vSwitch its system-id back, now and at the next boot."""
    return NodeCommand(
        f"{_command('echo', identity)} > /etc/openvswitch/system-id.conf;"
        f" {_command('ovs-vsctl', 'set', 'open', '.', f'external_ids:system-id={identity}')}"
    )


def renew_machine_id() -> NodeCommand:
    """Give the node a machine-id of its own."""
    return NodeCommand("rm -f /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot")


def renew_system_id() -> NodeCommand:
    """Let Open vSwitch make a system-id of its own at the next boot."""
    return NodeCommand("rm /etc/openvswitch/system-id.conf; reboot")


def renew_ssh_host_keys() -> NodeCommand:
    """Give the node SSH host keys of its own."""
    return NodeCommand("rm /etc/ssh/ssh_host_*; ssh-keygen -A; reboot")


def move_connections_to_keyfiles() -> NodeCommand:
    """Move NetworkManager's connections out of the old format."""
    return _command("nmcli", "connection", "migrate")


def install_ovs_plugin() -> NodeCommand:
    """Install NetworkManager's plug-in for Open vSwitch."""
    return NodeCommand(f"{_command('dnf', '-y', 'install', 'NetworkManager-ovs')} && systemctl restart NetworkManager")


def create_virtual_functions(interface: str) -> NodeCommand:
    """Create four virtual functions of an interface (SR-IOV)."""
    return NodeCommand(f"echo 4 > {shlex.quote(f'/sys/class/net/{interface}/device/sriov_numvfs')}")


def wipe_device(path: str) -> NodeCommand:
    """Remove the signatures of file systems and partitions from a device."""
    return _command("wipefs", "-a", path)


def show_contents(path: str) -> NodeCommand:
    """Show what is on a device."""
    return NodeCommand(f"{_command('lsblk', '-f', path)}; {_command('blkid', path)}")


def show_link(interface: str) -> NodeCommand:
    """Show the state of an interface."""
    return _command("ip", "link", "show", interface)


def show_port_holder(port: int) -> NodeCommand:
    """Show the process that listens on a port."""
    return _command("ss", "-ltnp", f"sport = :{port}")


def show_boot_jobs() -> NodeCommand:
    """Show what the boot waits for."""
    return _command("systemctl", "list-jobs")


def show_disk_use(mount: str) -> NodeCommand:
    """Show which directories of a file system are large."""
    return NodeCommand(f"{_command('du', '-xhd1', mount)} | sort -h")


def show_kvm_messages() -> NodeCommand:
    """Show what the kernel says of KVM."""
    return NodeCommand("dmesg | grep -i kvm")
