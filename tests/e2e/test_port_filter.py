"""Ports that the cloud's own hosts alone may reach, on bare hosts with real kernels and tools; no cloud is needed."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import Dict, Iterator, List, Sequence

import pytest

from packstack_lite import sandbox as room
from packstack_lite import services
from packstack_lite.engine.apply import apply
from packstack_lite.engine.events import Fanout
from packstack_lite.engine.plan import plan
from packstack_lite.host_setup import firewall
from packstack_lite.nodes.facts import gather
from packstack_lite.nodes.node import Node
from packstack_lite.remote.connections import SshConnection
from packstack_lite.remote.session import SshTarget
from packstack_lite.resources.base import Resource
from packstack_lite.secret import Masker
from tests.clouds import cloud
from tests.conftest import Tool
from tests.e2e.segment import sh

HOST = "e2e-guard"
PEER = f"{HOST}-2"
# A database, a display, a migration; then what everybody may reach: an API, something of the user's own.
CLOSED, OPEN = (3306, 5950, 49160), (5000, 8000)
LISTEN = "for port in {}; do systemd-run --quiet --unit listen$port python3 -m http.server $port; done"
ASK = r"""
import socket, sys
for port in map(int, sys.argv[2:]):
    try:
        socket.create_connection((sys.argv[1], port), 3).close()
        print(port)
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def hosts(tool: Tool) -> Iterator[List[room.Sandbox]]:
    tool("sandbox", "down", HOST)
    up = tool("sandbox", "up", HOST, "--hosts", "2")
    assert up.code == 0, up.err
    listen()
    yield [room.find(name) for name in (HOST, PEER)]
    assert tool("sandbox", "down", HOST).code == 0


def listen() -> None:
    sh(HOST, LISTEN.format(" ".join(map(str, (*CLOSED, *OPEN)))))
    deadline = time.monotonic() + 30
    while set(from_peer(room.find(HOST).address, HOST)) != {22, *CLOSED, *OPEN}:
        assert time.monotonic() < deadline, "what is to be reached does not listen"
        time.sleep(0.5)


def from_here(address: str) -> List[int]:
    """Which ports answer this machine, which is none of the cloud's hosts."""
    found = []
    for port in (22, *CLOSED, *OPEN):
        try:
            socket.create_connection((address, port), 3).close()
            found.append(port)
        except OSError:
            continue
    return found


def from_peer(address: str, peer: str = PEER) -> List[int]:
    ports = " ".join(map(str, (22, *CLOSED, *OPEN)))
    return [int(word) for word in sh(peer, f"python3 -c '{ASK}' {address} {ports}").split()]


@pytest.fixture
def remote(hosts: List[room.Sandbox]) -> Iterator[SshConnection]:
    box = hosts[0]
    connected = SshConnection(
        SshTarget(box.address, "root", key_file=str(box.key), known_hosts_file=str(box.known_hosts))
    )
    yield connected
    connected.close()


def declared(
    remote: SshConnection, peers: Sequence[str], on: bool = True, profile: str = "debian12-zed"
) -> List[Resource]:
    facts: Dict[str, str] = {"nft_support": gather.gather_facts(remote).security.nft_support}
    made = cloud({"CONFIG_FIREWALL": on}, profile=profile, **facts)
    made = replace(made, other_nodes=tuple(Node(name=peer, address=peer, hostname=peer) for peer in peers))
    return list(firewall.declare(made, services.services_on_node(made)))


def applied(remote: SshConnection, resources: List[Resource]) -> List[str]:
    report = apply(remote, resources, Fanout([]), Masker([]))
    assert not apply(remote, resources, Fanout([]), Masker([])).changes
    return [change.resource_id.split(":")[0] for change in report.changes]


def test_internal_ports_answer_the_host_itself_alone(hosts, remote):
    address = hosts[0].address
    assert from_here(address) == [22, *CLOSED, *OPEN], "nothing is closed yet: the test would not see it"
    assert applied(remote, declared(remote, [])) == ["file", "file", "guard"]
    assert from_here(address) == from_peer(address) == [22, *OPEN]
    assert from_peer(address, HOST) == [22, *CLOSED, *OPEN]


def test_another_host_of_the_cloud_is_let_in_and_nobody_else(hosts, remote):
    assert applied(remote, declared(remote, [hosts[1].address])) == ["peer"]
    assert from_peer(hosts[0].address) == [22, *CLOSED, *OPEN]
    assert from_here(hosts[0].address) == [22, *OPEN]
    assert applied(remote, declared(remote, [])) == ["peers"]
    assert from_peer(hosts[0].address) == [22, *OPEN], "a host that is the cloud's no longer"
    assert applied(remote, declared(remote, [hosts[1].address])) == ["peer"]


def test_rules_that_somebody_threw_out_are_seen_and_loaded_again(hosts, remote):
    wanted = declared(remote, [hosts[1].address])
    for harm in (
        "nft flush ruleset",
        "nft flush chain inet packstack_lite input",
        "systemctl stop packstack-lite-guard",
    ):
        sh(HOST, harm)
        assert [change.resource_id.split(":")[0] for change in plan(remote, wanted, False, Masker([]))] == ["guard"], (
            harm
        )
        assert from_here(hosts[0].address) == [22, *CLOSED, *OPEN]
        assert applied(remote, wanted) == ["guard"]
        assert from_here(hosts[0].address) == [22, *OPEN]


def test_debians_own_nftables_service_does_not_throw_them_out(hosts):
    """Its start flushes every rule."""
    sh(HOST, "systemctl start nftables")
    for what in ("restart", "reload"):
        sh(HOST, f"systemctl {what} nftables; sleep 1; systemctl is-active packstack-lite-guard")
        assert from_here(hosts[0].address) == [22, *OPEN], what
    sh(HOST, "systemctl disable --now nftables; systemctl restart packstack-lite-guard")


def test_they_are_there_after_a_boot(hosts):
    room.stop(HOST)
    room.start(HOST)
    listen()
    assert from_here(hosts[0].address) == [22, *OPEN]
    assert from_peer(hosts[0].address) == [22, *CLOSED, *OPEN]


def test_without_the_answer_everything_is_as_it_was(hosts, remote):
    assert applied(remote, declared(remote, [], on=False)) == ["guard", "peers", "absent", "absent"]
    assert from_here(hosts[0].address) == [22, *CLOSED, *OPEN]
    left = "nft list ruleset; systemctl list-unit-files; find /etc/packstack-lite /run/packstack-lite -type f"
    assert "guard" not in sh(HOST, left) and "packstack" not in sh(HOST, "nft list ruleset")


def test_iptables_does_the_same_where_there_is_no_nft(hosts, remote):
    """CentOS 7's way, with Debian's tool."""
    sh(HOST, "apt-get -q update && apt-get -q -y install --no-install-recommends iptables")
    sh(HOST, "iptables -I INPUT -p tcp --dport 8000 -j ACCEPT")
    told = applied(remote, declared(remote, [hosts[1].address], profile="centos7-train"))
    assert told == ["file", "file", "peer", "guard"]
    assert from_peer(hosts[0].address) == [22, *CLOSED, *OPEN]
    assert from_here(hosts[0].address) == [22, *OPEN]
    sh(HOST, "iptables -F INPUT")
    wanted = declared(remote, [hosts[1].address], profile="centos7-train")
    assert applied(remote, wanted) == ["guard"]
    assert from_here(hosts[0].address) == [22, *OPEN]
    told = applied(remote, declared(remote, [], on=False, profile="centos7-train"))
    assert told == ["guard", "peers", "absent", "absent"]
    assert from_here(hosts[0].address) == [22, *CLOSED, *OPEN]
