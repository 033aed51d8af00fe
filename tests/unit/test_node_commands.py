"""Each command line for the node that a finding's hint prints: collected, and run.

tests/e2e/test_pitfalls.py runs those whose fault a sandbox can have, as printed, and looks at the node afterwards.
Here every one is run by dash, with stand-ins for programs and a made-up /etc, and must do what its row says.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Dict, NamedTuple, Optional, Tuple

import pytest

from packstack_lite.manifest import Manifest
from packstack_lite.nodes.facts import Repo
from packstack_lite.preflight import CHECKS, node_commands
from packstack_lite.preflight.check import CheckContext
from packstack_lite.remote.command import Command
from tests.clouds import ANSWERS, facts, profile_of
from tests.e2e.test_pitfalls import HINTS
from tests.unit import test_preflight_checks as checks
from tests.unit import test_preflight_pitfalls as pitfalls
from tests.unit.dash import Dash
from tests.unit.test_preflight_coverage import BAD_NODES, DEBIAN13
from tests.unit.test_preflight_uplink import BAD as UPLINKS
from tests.unit.test_preflight_uplink import INTERFACES

EPEL = Repo("epel", "/etc/yum.repos.d/epel.repo", True, ())
SELINUX = "# SELINUX=disabled\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"
HOSTS = "127.0.0.1 localhost\n"
SYSTEM_ID = "/etc/openvswitch/system-id.conf"


class Run(NamedTuple):
    """A call of a function, the programs that its command starts, and files before and after it (None: gone)."""

    arguments: Tuple[object, ...]
    started: str
    before: Dict[str, str] = {}  # noqa: RUF012
    after: Dict[str, Optional[str]] = {}  # noqa: RUF012


RUNS = {
    "set_hosts_entry": Run(
        ("198.18.1.10", ["a b", "aio"]),
        "",
        {"/etc/hosts": f"{HOSTS}10.1.1.1 aio other"},
        {"/etc/hosts": f"{HOSTS}10.1.1.1 other\n198.18.1.10 a b aio\n"},
    ),
    "set_hostname": Run(
        ("node-1; id", "198.18.1.10"),
        "hostnamectl set-hostname node-1; id",
        {"/etc/hosts": HOSTS},
        {"/etc/hosts": f"{HOSTS}198.18.1.10 node-1; id\n"},
    ),
    "comment_out_disc_sources": Run(
        (["/etc/apt/sources.list"],),
        "",
        {"/etc/apt/sources.list": "deb cdrom:[x y]/ a main\ndeb http://x/ a main\n"},
        {"/etc/apt/sources.list": "# deb cdrom:[x y]/ a main\ndeb http://x/ a main\n"},
    ),
    "finish_packages": Run((), "dpkg --force-confdef --force-confold --configure -a"),
    "unhold_packages": Run((["nova-api", "b c"],), "apt-mark unhold nova-api b c"),
    "apt_install": Run((["python3-yaml"],), "apt-get -y install python3-yaml"),
    "yum_install": Run((["httpd"], [EPEL]), "yum -y --disablerepo=epel install httpd"),
    "yum_downgrade": Run(("leatherman", [EPEL]), "yum -y --disablerepo=epel downgrade leatherman"),
    "install_selinux_policy": Run(
        ("selinux-policy-mls", ()), "yum -y install selinux-policy-mls", {}, {"/.autorelabel": ""}
    ),
    "set_selinux_boot_mode": Run(
        ("permissive",),
        "",
        {"/etc/selinux/config": SELINUX},
        {"/etc/selinux/config": SELINUX.replace("\nSELINUX=enforcing", "\nSELINUX=permissive")},
    ),
    "enable_selinux": Run(
        (),
        "reboot",
        {"/etc/selinux/config": SELINUX},
        {"/etc/selinux/config": SELINUX.replace("\nSELINUX=enforcing", "\nSELINUX=permissive"), "/.autorelabel": ""},
    ),
    "unmask_units": Run((["a.service", "b.service"],), "systemctl unmask a.service b.service"),
    "disable_units": Run((["a$b.service"],), "systemctl disable --now a$b.service"),
    "keep_only_firewalld": Run(
        (["nftables.service"],),
        "systemctl start firewalld.service\nfirewall-cmd -q --query-service=ssh\n"
        "systemctl disable --now nftables.service\nsystemctl restart firewalld.service",
    ),
    "load_kernel_module": Run(("dm_mod",), "modprobe dm_mod"),
    "load_kvm_module": Run(
        ("kvm_amd",), "modprobe kvm_amd", {}, {"/etc/modules-load.d/packstack-lite-kvm.conf": "kvm_amd\n"}
    ),
    "set_link_up": Run(("eth0",), "ip link set eth0 up"),
    "set_mtu": Run(("eth0",), "ip link set eth0 mtu 1500"),
    "clean_package_cache": Run((False,), "apt-get clean"),
    "update_package_lists": Run((True,), "yum makecache"),
    "enable_time_sync": Run((), "timedatectl set-ntp true"),
    "restore_root_login": Run(
        (),
        "systemctl stop mariadb\nmysqladmin --silent --wait=30 ping\n"
        "mysql -e FLUSH PRIVILEGES; ALTER USER root@localhost IDENTIFIED VIA unix_socket\n"
        "mysqladmin shutdown\nsystemctl start mariadb",
    ),
    "remove_port": Run(("br-ex", "eth1"), "ovs-vsctl del-port br-ex eth1"),
    "set_system_id": Run(
        ("0a-1",), "ovs-vsctl set open . external_ids:system-id=0a-1", {SYSTEM_ID: "x\n"}, {SYSTEM_ID: "0a-1\n"}
    ),
    "renew_machine_id": Run(
        (), "systemd-machine-id-setup \nreboot", {"/etc/machine-id": "a"}, {"/etc/machine-id": None}
    ),
    "renew_system_id": Run((), "reboot", {SYSTEM_ID: "x"}, {SYSTEM_ID: None}),
    "renew_ssh_host_keys": Run(
        (),
        "ssh-keygen -A\nreboot",
        {"/etc/ssh/ssh_host_rsa_key": "a", "/etc/ssh/sshd_config": "b"},
        {"/etc/ssh/ssh_host_rsa_key": None, "/etc/ssh/sshd_config": "b"},
    ),
    "move_connections_to_keyfiles": Run((), "nmcli connection migrate"),
    "install_ovs_plugin": Run((), "dnf -y install NetworkManager-ovs\nsystemctl restart NetworkManager"),
    "create_virtual_functions": Run(
        ("eth4",),
        "",
        {"/sys/class/net/eth4/device/sriov_numvfs": "0\n"},
        {"/sys/class/net/eth4/device/sriov_numvfs": "4\n"},
    ),
    "wipe_device": Run(("/dev/vdb",), "wipefs -a /dev/vdb"),
    "show_contents": Run(("/dev/vdb",), "lsblk -f /dev/vdb\nblkid /dev/vdb"),
    "show_link": Run(("eth0",), "ip link show eth0"),
    "show_port_holder": Run((80,), "ss -ltnp sport = :80"),
    "show_boot_jobs": Run((), "systemctl list-jobs"),
    "show_disk_use": Run(("/var",), "du -xhd1 /var"),
    "show_kvm_messages": Run((), "dmesg"),
}
# Why tests/e2e/test_pitfalls.py does not run a command on a node.
_EL = "of CentOS: fixes of the same text run in tests/e2e/test_pitfalls_el.py"
_REBOOT = "reboots the node"
_SHOWS = "shows something and cures nothing"
NOT_IN_A_SANDBOX = {
    **dict.fromkeys(["yum_install", "yum_downgrade", "install_selinux_policy", "set_selinux_boot_mode"], _EL),
    **dict.fromkeys(["enable_selinux", "renew_machine_id", "renew_system_id", "renew_ssh_host_keys"], _REBOOT),
    **dict.fromkeys(["show_contents", "show_link", "show_port_holder", "show_boot_jobs"], _SHOWS),
    **dict.fromkeys(["show_disk_use", "show_kvm_messages"], _SHOWS),
    "apt_install": "the modules are missing on a deployed node only",
    "load_kernel_module": "a container has its host's kernel",
    "load_kvm_module": "a container has its host's kernel",
    "clean_package_cache": "a sandbox's disk is its host's: it cannot be filled",
    "update_package_lists": "shows whether a repair was enough; the repair is the user's",
    "enable_time_sync": "a container's clock is its host's, and must not be changed",
    "remove_port": "Open vSwitch is installed by apply",
    "set_system_id": "Open vSwitch is installed by apply",
    "move_connections_to_keyfiles": "Debian's NetworkManager has keyfiles only",
    "install_ovs_plugin": "Debian has no such plug-in",
    "create_virtual_functions": "needs a network card with SR-IOV",
    "wipe_device": "a container has no disks of its own",
}
# Programs that a hint may name only in a text of node_commands, with an argument behind them.
PROGRAM = re.compile(
    r"\b(systemctl|hostnamectl|timedatectl|yum|dnf|apt-get|apt-mark|dpkg|sed|echo|modprobe|nmcli|ovs-vsctl|ip|wipefs|rm"
    r"|ss|du|dmesg|lsblk|blkid|touch|reboot|mv|firewall-cmd|yum-config-manager|ssh-keygen) +[-a-z/'*]"
)
# Texts for which there is no command that could be run as it is: the user has to fill something in, or decide.
FILLED_IN_BY_THE_USER = re.compile(
    r"ip route add default via GATEWAY|ip addr add ADDRESS/LENGTH dev \S+|hostnamectl set-hostname NAME"
    r"|nmcli connection (add|modify) .*|vgcreate \S+ DEVICE|ssh-keygen -R ADDRESS|nmcli alone"
    r"|ip addr lists them|lsblk lists the devices"
    # Data of another cloud: --fix --move-data does it, the rest is explained.
    r"|systemctl stop mariadb; mv /var/lib/mysql \S+|systemctl start mariadb, then"
)


def public_functions():
    """Return the functions of node_commands that make a command, by name."""
    return {
        name: function
        for name, function in vars(node_commands).items()
        if inspect.isfunction(function)
        and function.__module__ == node_commands.__name__
        and function.__annotations__.get("return") == "NodeCommand"
        and not name.startswith("_")
    }


MOVED = ("/etc/", "/.autorelabel", "/sys/class/net", "/var/lib/dbus")
STAND_INS = (
    *("hostnamectl", "dpkg", "apt-mark", "apt-get", "yum", "dnf", "systemctl", "firewall-cmd", "modprobe", "ip", "ss"),
    *("timedatectl", "ovs-vsctl", "reboot", "systemd-machine-id-setup", "ssh-keygen", "nmcli", "wipefs", "lsblk"),
    *("blkid", "du", "dmesg", "mysqladmin", "mysql"),
)
REAL_PROGRAMS = ("sed", "echo", "rm", "touch", "grep", "sort")


@pytest.fixture
def dash(tmp_path):
    dash = Dash(tmp_path, MOVED)
    for name in STAND_INS:
        dash.tool(name, f'echo "{name} $*" >> "$T/started"; echo kvm')
    # It runs beside the others.
    dash.tool("mysqld_safe", "exit 0")
    return dash


def run_safely(dash, text):
    """Run a command that would reach nothing of this machine."""
    programs = re.findall(r"(?:^|& |; |\| )([a-z_-]+)", re.sub(r"'[^']*'", "''", text))
    assert programs and set(programs) <= {*STAND_INS, *REAL_PROGRAMS, "mysqld_safe", "wait"}, programs
    for argument in re.findall(r"\b(?:rm|sed|touch|echo)\b[^;&]*?\s(/[^\s;]+)", text):
        assert argument.startswith(MOVED), argument
    return dash.run(Command(text))


def test_every_command_has_a_row_in_both_tables():
    functions = set(public_functions())
    assert len(functions) > 30 and set(RUNS) == functions
    in_a_sandbox = {name for hint in HINTS for name in hint.commands}
    assert in_a_sandbox | set(NOT_IN_A_SANDBOX) == functions, "run it in test_pitfalls.py, or say here why not"
    assert not in_a_sandbox & set(NOT_IN_A_SANDBOX)


@pytest.mark.parametrize("name", RUNS)
def test_a_command_does_what_its_row_says_and_nothing_else(dash, name):
    arguments, started, before, after = RUNS[name]
    for path in {*before, *after}:
        (dash.root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    for path, text in before.items():
        (dash.root / path.lstrip("/")).write_text(text)
    reply = run_safely(dash, public_functions()[name](*arguments))
    assert (reply.code, reply.err) == (0, "")
    assert dash.read_note("started").strip() == started
    files = {f"/{path.relative_to(dash.root)}": path.read_text() for path in dash.root.rglob("*") if path.is_file()}
    files = {path: text for path, text in files.items() if not path.startswith(("/tools/", "/started"))}
    assert files == {path: text for path, text in {**before, **after}.items() if text is not None}


# What the tables of bad nodes lack: clones, a recorded identity, uplinks.
TWIN = facts(machine_id="1", ovs_system_id="2", ssh_host_key="3")
MORE_NODES = [
    ("clones", {"machine_id": "1", "ovs_system_id": "2", "ssh_host_key": "3"}, {}, DEBIAN13),
    ("identity", {"manifest": Manifest((), {"host name": "old"})}, {}, DEBIAN13),
    *(
        (
            "uplink",
            {"uplinks": uplinks, "interfaces": INTERFACES},
            {"CONFIG_NEUTRON_OVS_BRIDGE_IFACES": value},
            DEBIAN13,
        )
        for _, _, value, uplinks in ((*row[:2], (row[2],), row[3]) for row in UPLINKS)
    ),
    *((check, {**pitfalls.GOOD, **changes}, {}, "debian12-zed") for check, _, _, changes, _ in pitfalls.BAD),
]


@pytest.fixture
def collected(monkeypatch):
    """The hints of bad nodes, and the commands that were made for them."""
    made = []

    def note(make):
        def make_and_note(*arguments, **options):
            made.append(make(*arguments, **options))
            return made[-1]

        return make_and_note

    for name, make in public_functions().items():
        monkeypatch.setattr(node_commands, name, note(make))
    hints = []
    for check, changes, answers, profile in (*BAD_NODES, *MORE_NODES):
        context = CheckContext(
            facts(**changes), {**ANSWERS, **answers}, profile_of(profile), checks.NOW, earlier_nodes={"other": TWIN}
        )
        hints += [(check, finding.hint) for finding in CHECKS[check](context)]
    return hints, made


def uncollected(hints, made):
    """Return a sentence for each hint with a command that no function of node_commands made."""
    sentences = []
    for check, hint in hints:
        # Those that are part of another one come last.
        for command in sorted(set(made), key=len, reverse=True):
            hint = hint.replace(command, "...")
        remaining = PROGRAM.search(FILLED_IN_BY_THE_USER.sub("...", hint))
        if remaining:
            sentences.append(f"{check}: make this command in preflight/node_commands.py: {remaining[0]!r} of {hint!r}")
    return sentences


def test_every_command_in_a_hint_is_made_by_node_commands(collected):
    hints, made = collected
    assert len(hints) > 100 and len(set(made)) > 25
    sentences = uncollected(hints, made)
    assert not sentences, "\n".join(sorted(set(sentences)))


def test_a_command_that_was_not_collected_is_named():
    hints = [("ports", "systemctl disable --now a; or stop it"), ("memory", "give the node 8 GiB"), ("x", "rm -r /a b")]
    (sentence,) = uncollected(hints, ["systemctl disable --now a"])
    assert sentence.startswith("x: make this command")


def test_every_command_is_in_a_hint():
    modules = Path(node_commands.__file__).parent.glob("*.py")
    text = "\n".join(path.read_text() for path in modules if path.name not in ("fixes.py", "node_commands.py"))
    unused = [name for name in public_functions() if not re.search(rf"\bnode_commands\.{name}\b", text)]
    assert not unused, f"no check prints {', '.join(unused)}"
