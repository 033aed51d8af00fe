"""Test the port filter on bare nodes with real kernels and tools.

No cloud is deployed.
"""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import Dict, Iterator, List, Sequence

import pytest

from packstack_lite import sandbox as sandbox_api
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
from packstack_lite.resources.packages import Packages
from packstack_lite.secret import Masker
from tests.clouds import cloud
from tests.conftest import Tool
from tests.e2e.segment import sh

NAME = "e2e-guard"
PEER_NAME = f"{NAME}-2"
# Database, console and migration; then what everybody may reach: an API, and a server of the user's.
INTERNAL_PORTS, PUBLIC_PORTS = (3306, 5950, 49160), (5000, 8000)
LISTEN_SCRIPT = "for port in {}; do systemd-run --quiet --unit listen$port python3 -m http.server $port; done"
CONNECT_SCRIPT = r"""
import socket, sys
for port in map(int, sys.argv[2:]):
    try:
        socket.create_connection((sys.argv[1], port), 3).close()
        print(port)
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def nodes(tool: Tool) -> Iterator[List[sandbox_api.Sandbox]]:
    tool("sandbox", "down", NAME)
    up = tool("sandbox", "up", NAME, "--hosts", "2")
    assert up.code == 0, up.err
    start_listeners()
    yield [sandbox_api.find(name) for name in (NAME, PEER_NAME)]
    assert tool("sandbox", "down", NAME).code == 0


def start_listeners() -> None:
    sh(NAME, LISTEN_SCRIPT.format(" ".join(map(str, (*INTERNAL_PORTS, *PUBLIC_PORTS)))))
    deadline = time.monotonic() + 30
    while set(ports_open_from_node(sandbox_api.find(NAME).address, NAME)) != {22, *INTERNAL_PORTS, *PUBLIC_PORTS}:
        assert time.monotonic() < deadline, "the test's servers do not listen"
        time.sleep(0.5)


def ports_open_from_here(address: str) -> List[int]:
    """Return the ports that answer this machine, which is not a node of the cloud."""
    open_ports = []
    for port in (22, *INTERNAL_PORTS, *PUBLIC_PORTS):
        try:
            socket.create_connection((address, port), 3).close()
            open_ports.append(port)
        except OSError:
            continue
    return open_ports


def ports_open_from_node(address: str, peer: str = PEER_NAME) -> List[int]:
    ports = " ".join(map(str, (22, *INTERNAL_PORTS, *PUBLIC_PORTS)))
    return [int(word) for word in sh(peer, f"python3 -c '{CONNECT_SCRIPT}' {address} {ports}").split()]


@pytest.fixture
def connection(nodes: List[sandbox_api.Sandbox]) -> Iterator[SshConnection]:
    box = nodes[0]
    connection = SshConnection(
        SshTarget(box.address, "root", key_file=str(box.key), known_hosts_file=str(box.known_hosts))
    )
    yield connection
    connection.close()


def declare_filter(
    connection: SshConnection, peers: Sequence[str], on: bool = True, profile: str = "debian12-zed"
) -> List[Resource]:
    facts: Dict[str, str] = {"nft_support": gather.gather_facts(connection).security.nft_support}
    context = cloud({"CONFIG_FIREWALL": on}, profile=profile, **facts)
    context = replace(context, other_nodes=tuple(Node(name=peer, address=peer, hostname=peer) for peer in peers))
    resources = firewall.declare(context, services.services_on_node(context))
    # Another family's package manager is not on this Debian: the test installs the program itself.
    has_packages = profile.startswith("debian")
    return [resource for resource in resources if has_packages or not isinstance(resource, Packages)]


def apply_twice(connection: SshConnection, resources: List[Resource]) -> List[str]:
    report = apply(connection, resources, Fanout([]), Masker([]))
    assert not apply(connection, resources, Fanout([]), Masker([])).changes
    return [change.resource_id.split(":")[0] for change in report.changes]


def test_internal_ports_answer_only_the_node_itself(
    nodes: List[sandbox_api.Sandbox], connection: SshConnection
) -> None:
    address = nodes[0].address
    assert ports_open_from_here(address) == [22, *INTERNAL_PORTS, *PUBLIC_PORTS], (
        "nothing is closed yet: the test would not see it"
    )
    assert apply_twice(connection, declare_filter(connection, [])) == ["file", "file", "guard"]
    assert ports_open_from_here(address) == ports_open_from_node(address) == [22, *PUBLIC_PORTS]
    assert ports_open_from_node(address, NAME) == [22, *INTERNAL_PORTS, *PUBLIC_PORTS]


def test_a_peer_of_the_cloud_is_admitted_and_no_other_machine(
    nodes: List[sandbox_api.Sandbox], connection: SshConnection
) -> None:
    assert apply_twice(connection, declare_filter(connection, [nodes[1].address])) == ["peer"]
    assert ports_open_from_node(nodes[0].address) == [22, *INTERNAL_PORTS, *PUBLIC_PORTS]
    assert ports_open_from_here(nodes[0].address) == [22, *PUBLIC_PORTS]
    assert apply_twice(connection, declare_filter(connection, [])) == ["peers"]
    assert ports_open_from_node(nodes[0].address) == [22, *PUBLIC_PORTS], "a node that left the cloud"
    assert apply_twice(connection, declare_filter(connection, [nodes[1].address])) == ["peer"]


def test_removed_rules_are_noticed_and_loaded_again(
    nodes: List[sandbox_api.Sandbox], connection: SshConnection
) -> None:
    resources = declare_filter(connection, [nodes[1].address])
    for damage in (
        "nft flush ruleset",
        "nft flush chain inet packstack_lite input",
        "systemctl stop packstack-lite-guard",
    ):
        sh(NAME, damage)
        assert [change.resource_id.split(":")[0] for change in plan(connection, resources, False, Masker([]))] == [
            "guard"
        ], damage
        assert ports_open_from_here(nodes[0].address) == [22, *INTERNAL_PORTS, *PUBLIC_PORTS]
        assert apply_twice(connection, resources) == ["guard"]
        assert ports_open_from_here(nodes[0].address) == [22, *PUBLIC_PORTS]


def test_debians_nftables_service_does_not_remove_the_rules(nodes: List[sandbox_api.Sandbox]) -> None:
    """Its start flushes all rules."""
    sh(NAME, "systemctl start nftables")
    for action in ("restart", "reload"):
        sh(NAME, f"systemctl {action} nftables; sleep 1; systemctl is-active packstack-lite-guard")
        assert ports_open_from_here(nodes[0].address) == [22, *PUBLIC_PORTS], action
    sh(NAME, "systemctl disable --now nftables; systemctl restart packstack-lite-guard")


def test_rules_are_loaded_at_boot(nodes: List[sandbox_api.Sandbox]) -> None:
    sandbox_api.stop(NAME)
    sandbox_api.start(NAME)
    start_listeners()
    assert ports_open_from_here(nodes[0].address) == [22, *PUBLIC_PORTS]
    assert ports_open_from_node(nodes[0].address) == [22, *INTERNAL_PORTS, *PUBLIC_PORTS]


def test_config_firewall_n_removes_the_filter(nodes: List[sandbox_api.Sandbox], connection: SshConnection) -> None:
    assert apply_twice(connection, declare_filter(connection, [], on=False)) == ["guard", "peers", "absent", "absent"]
    assert ports_open_from_here(nodes[0].address) == [22, *INTERNAL_PORTS, *PUBLIC_PORTS]
    leftovers = "nft list ruleset; systemctl list-unit-files; find /etc/packstack-lite /run/packstack-lite -type f"
    assert "guard" not in sh(NAME, leftovers) and "packstack" not in sh(NAME, "nft list ruleset")


def test_iptables_is_used_where_there_is_no_nft(nodes: List[sandbox_api.Sandbox], connection: SshConnection) -> None:
    """With CentOS 7's profile, and Debian's iptables."""
    sh(NAME, "apt-get -q update && apt-get -q -y install --no-install-recommends iptables")
    sh(NAME, "iptables -I INPUT -p tcp --dport 8000 -j ACCEPT")
    changed_kinds = apply_twice(connection, declare_filter(connection, [nodes[1].address], profile="centos7-train"))
    assert changed_kinds == ["file", "file", "peer", "guard"]
    assert ports_open_from_node(nodes[0].address) == [22, *INTERNAL_PORTS, *PUBLIC_PORTS]
    assert ports_open_from_here(nodes[0].address) == [22, *PUBLIC_PORTS]
    sh(NAME, "iptables -F INPUT")
    resources = declare_filter(connection, [nodes[1].address], profile="centos7-train")
    assert apply_twice(connection, resources) == ["guard"]
    assert ports_open_from_here(nodes[0].address) == [22, *PUBLIC_PORTS]
    changed_kinds = apply_twice(connection, declare_filter(connection, [], on=False, profile="centos7-train"))
    assert changed_kinds == ["guard", "peers", "absent", "absent"]
    assert ports_open_from_here(nodes[0].address) == [22, *INTERNAL_PORTS, *PUBLIC_PORTS]
