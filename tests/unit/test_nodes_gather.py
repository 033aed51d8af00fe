"""Facts: the commands run for real by sh on this machine; the parser over replies of other hosts."""

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
from packstack_lite.nodes.facts import Interface
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
interface=link 2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc mq master br0\\    link/ether aa:bb promisc 0 \\    bridge_slave x
interface=link 3: host0@if7: <BROADCAST,MULTICAST> mtu 1400 qdisc noqueue\\    link/ether aa:cc promiscuity 0 \\    veth numrx 1
interface=addr 1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
interface=addr 2: eth0    inet 198.18.1.10/24 brd 198.18.1.255 scope global eth0\\       valid_lft forever
interface=addr 2: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever
"""
PORTS = "port=22\tsshd\tssh.service\nport=80\tnginx\tnginx.service\nport=2024\t\t\n"


def parsed(system=SYSTEM, kvm="kvm_works=yes\n", source="package_source=reachable\n", source_code=0):
    return parse_facts([Reply(0, system), Reply(source_code, source), Reply(0, kvm), Reply(0, LINKS), Reply(0, PORTS)])


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


class Here:
    name = "here"

    def __init__(self, replies=None):
        self.flights = 0
        self.replies = replies

    def run(self, batch):
        self.flights += 1
        return self.replies or [run(command.description) for command in batch]


def test_parse():
    facts = parsed()
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
    ("head", "told"), [("# Written by packstack-lite.", ["ml2_mechanisms=ovn,sriovnicswitch"]), ("[DEFAULT]", [])]
)
def test_mechanisms_are_those_of_our_own_file(tmp_path, head, told):
    (command,) = [command for command in build_commands() if command.description == "gather facts of clouds"]
    (tmp_path / "ml2").write_text(f"{head}\n[ml2]\nmechanism_drivers = ovn,sriovnicswitch\n")
    script = command.script.replace("/etc/neutron/plugins/ml2/ml2_conf.ini", str(tmp_path / "ml2"))
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("ml2_mechanisms=")] == told


@pytest.mark.parametrize(
    ("states", "asked", "told"),
    [
        (["running"], 1, []),
        (["degraded"], 1, []),
        (["initializing", "starting", "starting", "degraded"], 4, []),
        (["starting"] * 62, 61, ["booting=yes"]),
        ([""], 1, []),
    ],
)
def test_a_host_that_boots_is_waited_for(tmp_path, states, asked, told):
    """Whatever it says: 219's systemctl knows the states, but no --wait."""
    (tmp_path / "states").write_text("".join(f"{state}\n" for state in states))
    tools = {
        "systemctl": f'[ "$*" = is-system-running ] || exit 0\necho x >> {tmp_path}/asked\n'
        f"sed -n 1p {tmp_path}/states; sed -i 1d {tmp_path}/states; exit 1",
        "sleep": "exit 0",
    }
    for name, does in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    reply = run("gather facts of the system", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert [line for line in reply.out.splitlines() if line.startswith("booting")] == told
    assert len((tmp_path / "asked").read_text().splitlines()) == asked


def holder(tmp_path, users, inode=1234):
    """Who is told to hold port 4369 where ss shows these users of it."""
    line = f"LISTEN 0 4096 127.0.0.1:4369 0.0.0.0:* users:({users}) ino:{inode} sk:1 <->"
    (tmp_path / "ss").write_text(f"#!/bin/sh\ncat <<'END'\n{line}\nEND\n")
    (tmp_path / "ss").chmod(0o755)
    (told,) = run("gather listening ports", PATH=f"{tmp_path}:{os.environ['PATH']}").out.splitlines()
    port, name, _ = told.split("\t")
    assert port == "port=4369"
    return name


def test_a_port_is_not_held_by_a_child_of_systemds_that_has_yet_to_become_a_program(tmp_path):
    users = '("(agetty)",pid=2153,fd=53),("systemd",pid=1,fd=53)'
    assert holder(tmp_path, users) == Path("/proc/1/comm").read_text().strip()


def test_a_port_of_systemds_is_not_held_by_who_became_a_program_while_ss_looked(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as child:
        users = f'("sleep",pid={child.pid},fd=53),("systemd",pid=1,fd=53)'
        found = holder(tmp_path, users)
        child.kill()
    assert found == Path("/proc/1/comm").read_text().strip()


def test_a_port_is_held_by_who_has_it_from_systemd(tmp_path):
    with socket.socket() as server:
        users = f'("python",pid={os.getpid()},fd=3),("systemd",pid=1,fd=53)'
        inode = os.fstat(server.fileno()).st_ino
        assert holder(tmp_path, users, inode) == Path("/proc/self/comm").read_text().strip()


def test_parse_interfaces():
    assert parsed().network.interfaces == (
        Interface("lo", True, 65536, ("127.0.0.1/8",)),
        Interface("eth0", True, 1500, ("198.18.1.10/24", "fe80::1/64")),
        Interface("host0", False, 1400, (), "veth"),
    )


def test_what_is_not_told_is_not_there():
    facts = parsed("memory=512\nmemory=256\nepoch=1\n", kvm="", source="", source_code=124)
    assert facts.hardware.memory_mib == 256, "a container's limit counts"
    assert not (
        facts.hardware.kvm_works
        or facts.cloud.deployed_by_us
        or facts.system.is_time_synchronized
        or facts.system.hostname_addresses
        or facts.cloud.other_openstack
    )
    assert "50 seconds" in facts.software.package_source


def test_facts_that_broke_off_are_an_error_that_names_the_host():
    replies = [Reply(124, "hostname=x\n", "killed"), *[Reply(0)] * 4]
    with pytest.raises(PhaseError, match="here: its facts cannot be read: exit code 124: killed"):
        gather_facts(Here(replies))


@pytest.mark.parametrize("late", [3, 4, 5])
def test_facts_that_were_not_told_in_time_are_not_taken_for_what_is_not_there(late):
    replies = [Reply(0, SYSTEM), *[Reply(0)] * 5]
    replies[late] = Reply(124)
    with pytest.raises(PhaseError, match="so slow that some commands timed out"):
        gather_facts(Here(replies))


def test_this_machine():
    host = Here()
    facts = gather_facts(host)
    assert host.flights == 1
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
def test_listening_ports_with_and_without_ss(family, tools_without_ss):
    with socket.socket(family) as server:
        server.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        server.listen()
        port = server.getsockname()[1]
        with open("/proc/self/comm", encoding="ascii") as comm:
            expected = f"port={port}\t{comm.read().strip()}\t"
        for reply in (run("gather listening ports"), run("gather listening ports", PATH=tools_without_ss)):
            assert any(line.startswith(expected) for line in reply.out.splitlines()), reply
    assert f"\nport={port}\t" not in "\n" + run("gather listening ports").out


class Source(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.path.startswith("/good/") and self.path.endswith("/InRelease")
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(b"Origin: test\n" if known else b"")

    def log_message(self, *_):
        """Be quiet."""


@pytest.fixture
def source():
    server = HTTPServer(("127.0.0.1", 0), Source)
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
        ("deb http://{at}/good stable main", "reachable"),
        ("deb http://user:hunter22@{at}/bad stable main", "/bad/dists/stable/InRelease  404"),
        ("deb http://{at}/good stable main\ndeb http://127.0.0.1:9/x stable main", "Could not connect to 127.0.0.1:9"),
        ("deb nonsense", "Malformed entry 1"),
        ("", "no package source is configured"),
    ],
    ids=["answers", "not there", "one of two refuses", "malformed", "none"],
)
def test_package_source(line, expected, source, tmp_path):
    (tmp_path / "sources.list").write_text(line.format(at=source) + "\n")
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::SourceList "{tmp_path}/sources.list"; Dir::Etc::SourceParts "/dev/null";'
        'Acquire::http::Proxy "false";'
    )
    reply = run("ask the package source", APT_CONFIG=str(tmp_path / "apt.conf"), TMPDIR=str(tmp_path))
    assert reply.ok
    assert expected in reply.out
    assert "hunter22" not in reply.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["apt.conf", "sources.list"], "nothing is left behind"


@pytest.mark.parametrize(
    ("config", "told"),
    [("", True), ("CONFIG_NF_CONNTRACK_ZONES=y\n", True), ("# CONFIG_NF_CONNTRACK_ZONES is not set\n", False)],
)
def test_a_datapath_without_zones_is_none(tmp_path, config, told):
    (command,) = [command for command in build_commands() if "openvswitch" in command.script]
    dash = Dash(tmp_path, moved=["/boot/", "/sys/module/openvswitch"])
    dash.tool("uname", "echo 9.9")
    dash.tool("modprobe", "exit 0")
    (tmp_path / "boot").mkdir()
    if config:
        (tmp_path / "boot/config-9.9").write_text(f"CONFIG_X=y\n{config}")
    assert ("ovs_module=yes\n" in dash.run(command).out) is told
