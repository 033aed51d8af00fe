"""Gathering facts: the scripts run by sh on this machine, and the parser with replies of other nodes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from packstack_lite.errors import PhaseError
from packstack_lite.nodes.facts import Interface, package_source
from packstack_lite.nodes.facts.gather import build_commands, gather_facts, parse_facts
from packstack_lite.remote.command import Reply
from tests.unit.dash import Dash

SYSTEM = """\
hostname=cloud1
fqdn=cloud1.example.com
hostname_address=127.0.1.1
hostname_address=198.18.1.10
os_id=debian
os_version=12
os_name=Debian GNU/Linux 12 (bookworm)
arch=x86_64
init=systemd
virtualization=kvm
cpus=4
cpu_flags=fpu vmx sse2
memory=7950
memory=9223372036854
disk=/ 20000 /
disk=/var 900 /var with space
default_gateway=198.18.1.1
default_interface=eth0
address=198.18.1.10
ovs_module=yes
kvm_device=yes
time_synchronized=yes
deployed_by_us=jobs
other_openstack=/etc/nova/nova.conf
other_openstack=/etc/kolla
ml2_mechanisms=openvswitch, sriovnicswitch
epoch=1795457920
"""
LINKS = """\
interface=link 1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN\\    link/loopback 00:00
interface=link 2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 master br0\\    link/ether aa:bb promisc 0 \\ bridge_slave x
interface=link 3: host0@if7: <BROADCAST,MULTICAST> mtu 1400 qdisc x\\    link/ether aa:cc promiscuity 0 \\  veth numrx 1
interface=addr 1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
interface=addr 2: eth0    inet 198.18.1.10/24 brd 198.18.1.255 scope global eth0\\       valid_lft forever
interface=addr 2: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever
"""
PORTS = "port=22\tsshd\tssh.service\nport=80\tnginx\tnginx.service\nport=2024\t\t\n"


def parse_replies(system=SYSTEM, kvm="kvm_works=yes\n", packages="package_source=reachable\n", packages_code=0):
    return parse_facts(
        [Reply(0, system), Reply(packages_code, packages), Reply(0, kvm), Reply(0, LINKS), Reply(0, PORTS)]
    )


def run(description, **environment):
    (command,) = [command for command in build_commands() if command.description == description]
    return run_script(command, **environment)


def run_script(command, **environment):
    done = subprocess.run(
        ["/bin/sh", "-c", command.script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
    )
    return Reply(done.returncode, done.stdout, done.stderr)


class ThisMachine:
    name = "here"

    def __init__(self, replies=None):
        self.round_trips = 0
        self.replies = replies

    def run(self, batch):
        self.round_trips += 1
        return self.replies or [run(command.description) for command in batch]


def test_replies_are_parsed_into_facts():
    facts = parse_replies()
    assert (facts.system.hostname, facts.system.fqdn) == ("cloud1", "cloud1.example.com")
    assert facts.system.hostname_addresses == ("127.0.1.1", "198.18.1.10")
    assert (facts.hardware.memory_mib, facts.hardware.cpus) == (7950, 4)
    assert facts.storage.disk_free_mib == {"/": 20000, "/var": 900}
    assert facts.storage.mounts == {"/": "/", "/var": "/var with space"}
    assert facts.network.address == "198.18.1.10"
    assert facts.network.listening_ports == {22: "sshd", 80: "nginx", 2024: ""}
    assert facts.network.port_units == {22: "ssh.service", 80: "nginx.service"}
    assert facts.cloud.other_openstack == ("/etc/nova/nova.conf", "/etc/kolla")
    assert (
        facts.hardware.kvm_works
        and facts.cloud.deployed_by_us
        and facts.system.is_time_synchronized
        and facts.hardware.has_ovs_module
        and not facts.hardware.has_device_mapper
    )
    assert facts.software.package_source == "reachable"
    assert facts.cloud.ml2_mechanisms == ("openvswitch", "sriovnicswitch")


@pytest.mark.parametrize(
    ("head", "lines"), [("# Written by packstack-lite.", ["ml2_mechanisms=ovn,sriovnicswitch"]), ("[DEFAULT]", [])]
)
def test_ml2_mechanisms_are_read_from_our_own_file_only(tmp_path, head, lines):
    (command,) = [command for command in build_commands() if command.description == "gather facts of clouds"]
    (tmp_path / "ml2").write_text(f"{head}\n[ml2]\nmechanism_drivers = ovn,sriovnicswitch\n")
    script = command.script.replace("/etc/neutron/plugins/ml2/ml2_conf.ini", str(tmp_path / "ml2"))
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("ml2_mechanisms=")] == lines


@pytest.mark.parametrize(
    ("states", "call_count", "lines"),
    [
        (["running"], 1, []),
        (["degraded"], 1, []),
        (["initializing", "starting", "starting", "degraded"], 4, []),
        (["starting"] * 62, 61, ["booting=yes"]),
        ([""], 1, []),
    ],
)
def test_gathering_waits_for_the_end_of_the_boot(tmp_path, states, call_count, lines):
    """systemctl of systemd 219 knows the states, but not --wait."""
    (tmp_path / "states").write_text("".join(f"{state}\n" for state in states))
    tools = {
        "systemctl": f'[ "$*" = is-system-running ] || exit 0\necho x >> {tmp_path}/asked\n'
        f"sed -n 1p {tmp_path}/states; sed -i 1d {tmp_path}/states; exit 1",
        "sleep": "exit 0",
    }
    for name, script in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    reply = run("gather facts of the system", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert [line for line in reply.out.splitlines() if line.startswith("booting")] == lines
    assert len((tmp_path / "asked").read_text().splitlines()) == call_count


def port_holder(tmp_path, users, inode=1234):
    """Return the process that holds port 4369 if ss prints these users of it."""
    line = f"LISTEN 0 4096 127.0.0.1:4369 0.0.0.0:* users:({users}) ino:{inode} sk:1 <->"
    (tmp_path / "ss").write_text(f"#!/bin/sh\ncat <<'END'\n{line}\nEND\n")
    (tmp_path / "ss").chmod(0o755)
    (lines,) = run("gather listening ports", PATH=f"{tmp_path}:{os.environ['PATH']}").out.splitlines()
    port, name, _ = lines.split("\t")
    assert port == "port=4369"
    return name


def test_a_child_of_systemd_before_exec_does_not_hold_its_sockets(tmp_path):
    users = '("(agetty)",pid=2153,fd=53),("systemd",pid=1,fd=53)'
    assert port_holder(tmp_path, users) == Path("/proc/1/comm").read_text().strip()


def test_a_program_without_the_socket_does_not_hold_systemds_port(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as child:
        users = f'("sleep",pid={child.pid},fd=53),("systemd",pid=1,fd=53)'
        name = port_holder(tmp_path, users)
        child.kill()
    assert name == Path("/proc/1/comm").read_text().strip()


def test_a_program_with_a_socket_from_systemd_holds_the_port(tmp_path):
    with socket.socket() as server:
        users = f'("python",pid={os.getpid()},fd=3),("systemd",pid=1,fd=53)'
        inode = os.fstat(server.fileno()).st_ino
        assert port_holder(tmp_path, users, inode) == Path("/proc/self/comm").read_text().strip()


def test_interfaces_are_parsed():
    assert parse_replies().network.interfaces == (
        Interface("lo", True, 65536, ("127.0.0.1/8",)),
        Interface("eth0", True, 1500, ("198.18.1.10/24", "fe80::1/64")),
        Interface("host0", False, 1400, (), "veth"),
    )


def test_a_fact_without_a_line_is_not_there():
    facts = parse_replies("memory=512\nmemory=256\nepoch=1\n", kvm="", packages="", packages_code=124)
    assert facts.hardware.memory_mib == 256, "a container's limit counts"
    assert not (
        facts.hardware.kvm_works
        or facts.cloud.deployed_by_us
        or facts.system.is_time_synchronized
        or facts.system.hostname_addresses
        or facts.cloud.other_openstack
    )
    assert "50 seconds" in facts.software.package_source


def test_a_script_that_fails_is_an_error_that_names_the_node():
    replies = [Reply(124, "hostname=x\n", "killed"), *[Reply(0)] * 4]
    with pytest.raises(PhaseError, match="here: its facts cannot be read: exit code 124: killed"):
        gather_facts(ThisMachine(replies))


@pytest.mark.parametrize("late_reply", [3, 4, 5])
def test_a_script_that_times_out_is_an_error(late_reply):
    replies = [Reply(0, SYSTEM), *[Reply(0)] * 5]
    replies[late_reply] = Reply(124)
    with pytest.raises(PhaseError, match="so slow that some commands timed out"):
        gather_facts(ThisMachine(replies))


def test_facts_of_this_machine_are_gathered_in_one_round_trip():
    machine = ThisMachine()
    facts = gather_facts(machine)
    assert machine.round_trips == 1
    assert facts.system.hostname == socket.gethostname()
    assert facts.hardware.cpus == os.sysconf("SC_NPROCESSORS_ONLN")
    assert 0 < facts.hardware.memory_mib <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 + 1
    assert facts.storage.disk_free_mib["/tmp"] == pytest.approx(shutil.disk_usage("/tmp").free // 2**20, abs=2000)
    assert facts.system.os_id and facts.system.arch == os.uname().machine
    assert not facts.hardware.kvm_works or os.path.exists("/dev/kvm")


@pytest.fixture
def tools_without_ss(tmp_path):
    for tool in ("ls", "cat", "awk", "sort", "sed", "head", "grep"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    return str(tmp_path)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def test_listening_ports_are_found_with_and_without_ss(family, tools_without_ss):
    with socket.socket(family) as server:
        server.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        server.listen()
        port = server.getsockname()[1]
        with open("/proc/self/comm", encoding="ascii") as comm:
            expected = f"port={port}\t{comm.read().strip()}\t"
        for reply in (run("gather listening ports"), run("gather listening ports", PATH=tools_without_ss)):
            assert any(line.startswith(expected) for line in reply.out.splitlines()), reply
    assert f"\nport={port}\t" not in "\n" + run("gather listening ports").out


class PackageServer(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.path.startswith("/good/") and self.path.endswith("/Release")
        year = 2100 if "/new/" in self.path else 2020
        text = f"Origin: test\nCodename: stable\nDate: Wed, 01 Jan {year} 00:00:00 UTC\n"
        text += "Valid-Until: Thu, 02 Jan 2020 00:00:00 UTC\n" if "/old/" in self.path else ""
        data = f"{text}Architectures: amd64\nComponents: main\nSHA256:\n".encode() if known else b""
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Be quiet."""


@pytest.fixture
def package_server():
    server = HTTPServer(("127.0.0.1", 0), PackageServer)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.skipif(not os.path.exists("/usr/lib/apt/apt-helper"), reason="this machine has no apt")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deb [trusted=yes] http://{at}/good stable main", "reachable"),
        ("deb http://{at}/good stable main", "LIST:1: The repository 'http://{at}/good stable Release' is not signed."),
        ("deb http://user:hunter22@{at}/bad stable main", "LIST:1: http://{at}/bad stable: 404  Not Found"),
        (
            "deb [trusted=yes] http://{at}/good stable main\n\ndeb http://127.0.0.1:9/x stable main",
            "LIST:3: http://127.0.0.1:9/x stable: Could not connect to 127.0.0.1:9",
        ),
        (
            "deb [trusted=yes check-date=yes check-valid-until=yes] http://{at}/good/old stable main",
            "LIST:1: Release file for http://{at}/good/old/dists/stable/Release is expired",
        ),
        (
            "deb [trusted=yes check-date=yes] http://{at}/good/new stable main",
            "LIST:1: Release file for http://{at}/good/new/dists/stable/Release is not valid yet",
        ),
        ("deb cdrom:[Debian 12 _Bookworm_ - NETINST]/ bookworm main", "LIST:1: cdrom://"),
        ("deb nonsense", "LIST:1: malformed entry"),
        ("", "no package source is configured"),
    ],
    ids=["answers", "unsigned", "not there", "one refuses", "expired", "not yet valid", "disc", "malformed", "none"],
)
def test_apts_sources_are_asked_with_apts_settings(line, expected, package_server, tmp_path):
    (tmp_path / "sources.list").write_text(line.format(at=package_server) + "\n")
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::SourceList "{tmp_path}/sources.list"; Dir::Etc::SourceParts "/dev/null";'
        f'Dir::State::lists "{tmp_path}/none/"; APT::Sandbox::User "root";'
        'Acquire::http::Proxy "false";'
    )
    reply = run("ask the package source", APT_CONFIG=str(tmp_path / "apt.conf"), TMPDIR=str(tmp_path))
    assert reply.ok
    result = package_source.parse_result(reply)
    assert expected.format(at=package_server).replace("LIST", f"{tmp_path}/sources.list") in result
    assert "hunter22" not in reply.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["apt.conf", "sources.list"], "nothing is left behind"


@pytest.mark.parametrize(
    ("config", "is_printed"),
    [("", True), ("CONFIG_NF_CONNTRACK_ZONES=y\n", True), ("# CONFIG_NF_CONNTRACK_ZONES is not set\n", False)],
)
def test_a_datapath_without_connection_zones_does_not_count(tmp_path, config, is_printed):
    (command,) = [command for command in build_commands() if "ovs_module" in command.script]
    dash = Dash(tmp_path, moved=["/boot/", "/sys/module/openvswitch"])
    dash.tool("uname", "echo 9.9")
    dash.tool("modprobe", "exit 0")
    (tmp_path / "boot").mkdir()
    if config:
        (tmp_path / "boot/config-9.9").write_text(f"CONFIG_X=y\n{config}")
    assert ("ovs_module=yes\n" in dash.run(command).out) is is_printed


@pytest.mark.parametrize(
    "line",
    [
        "hostname_address=198.18.1.300",
        "address=eth0",
        "default_gateway=x",
        "route=10.0.0.0/99",
        "interface=addr 9: eth9 inet 198.18.1.10/240 scope global",
        "uplink=eth9 address x",
        "device=/dev/vdb 100 -",
        "epoch=nan",
        "epoch=1e999",
    ],
)
def test_a_fact_of_another_form_is_refused_where_it_is_read(line):
    """A check that met it later said that it had a bug."""
    system = "\n".join(one for one in SYSTEM.splitlines() if one.partition("=")[0] != line.partition("=")[0])
    with pytest.raises(ValueError):
        parse_replies(f"{system}\n{line}\n")


def test_an_ipv6_gateway_of_the_ipv4_route_is_no_ipv4_gateway():
    """ip(8): "default via inet6 fe80::1 dev eth0" (RFC 5549)."""
    facts = parse_replies(SYSTEM.replace("default_gateway=198.18.1.1", "default_gateway=inet6"))
    assert facts.network.default_gateway == ""


def test_a_digit_that_is_none_to_int_is_no_number():
    assert parse_replies(SYSTEM.replace("cpus=4", "cpus=\u00b2")).hardware.cpus == 0
