"""Test real firewalls: opened ports stay open, floating addresses are forwarded.

firewalld is Debian's.
"""

from __future__ import annotations

import urllib.request
from typing import Iterator, List

import pytest

from packstack_lite import sandbox as sandbox_api
from packstack_lite.engine.apply import apply
from packstack_lite.engine.events import Fanout
from packstack_lite.engine.plan import plan
from packstack_lite.nodes.facts import gather
from packstack_lite.remote.connections import SshConnection
from packstack_lite.remote.session import SshTarget
from packstack_lite.resources import FirewalldForward, FirewalldPorts, IptablesPorts
from packstack_lite.resources.base import Resource
from packstack_lite.secret import Masker
from tests.conftest import Tool
from tests.e2e.conftest import Sandbox, bare_node

pytestmark = pytest.mark.slow
NAME = "e2e-firewalls"
FLOATING_NETWORK = "198.18.250.0/24"
# A network behind the node, like that of floating addresses, with one machine; and a server on port 5000.
SET_UP = r"""
set -e
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends firewalld iptables python3
systemctl is-active firewalld || systemctl start firewalld
sysctl -q -w net.ipv4.ip_forward=1
ip link add br-ex type bridge
ip addr add 198.18.250.1/24 dev br-ex
ip link set br-ex up
ip netns add guest
ip link add outer type veth peer name inner netns guest
ip link set outer master br-ex up
ip -n guest addr add 198.18.250.50/24 dev inner
ip -n guest link set inner up
ip -n guest route add default via 198.18.250.1
systemd-run --quiet --unit web python3 -m http.server 5000
"""
# CentOS's iptables-services with its default rules.
USE_IPTABLES = r"""
set -e
systemctl disable --now firewalld
mkdir -p /etc/sysconfig
cat > /etc/sysconfig/iptables <<'RULES'
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
COMMIT
RULES
cat > /etc/systemd/system/iptables.service <<'UNIT'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'iptables-restore < /etc/sysconfig/iptables'
ExecStop=/bin/sh -c 'iptables -F'
UNIT
systemctl daemon-reload
systemctl start iptables
"""
# firewalld as CentOS 7 has it: no policies, iptables behind it.
USE_OLD_FIREWALLD = r"""
set -e
firewall-cmd --permanent --delete-policy packstack-lite
sed -i 's/^FirewallBackend=.*/FirewallBackend=iptables/' /etc/firewalld/firewalld.conf
mkdir -p /usr/local/bin
cat > /usr/local/bin/firewall-cmd <<'TOOL'
#!/bin/sh
case "$*" in *polic*) echo "unrecognized arguments" >&2; exit 2 ;; esac
exec /usr/bin/firewall-cmd "$@"
TOOL
chmod 755 /usr/local/bin/firewall-cmd
systemctl restart firewalld
"""
PORTS = FirewalldPorts(ports=(80, 5000), interface="host0")
FORWARD = FirewalldForward(source_cidr=FLOATING_NETWORK, bridge="br-ex", needs=(PORTS.id,))


@pytest.fixture(scope="module")
def node(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with bare_node(tool, tmp_path_factory.mktemp("firewalls"), NAME, {}) as box:
        box.sh(SET_UP)
        yield box


@pytest.fixture(scope="module")
def connection(node: Sandbox) -> Iterator[SshConnection]:
    box = sandbox_api.find(NAME)
    ssh_connection = SshConnection(
        SshTarget(box.address, "root", key_file=str(box.key), known_hosts_file=str(box.known_hosts))
    )
    yield ssh_connection
    ssh_connection.close()


def port_answers() -> bool:
    try:
        return urllib.request.urlopen(f"http://{sandbox_api.find(NAME).address}:5000/", timeout=5).status == 200
    except OSError:
        return False


def forwards(node: Sandbox) -> bool:
    """Return whether the machine behind the node gets an answer from the node's gateway."""
    return "1 received" in node.sh(
        "way=$(ip -4 route show default | awk '{print $3}'); ip netns exec guest ping -c 1 -w 5 $way || :"
    )


def apply_twice(connection: SshConnection, *resources: Resource) -> List[str]:
    report = apply(connection, resources, Fanout([]), Masker([]))
    assert not apply(connection, resources, Fanout([]), Masker([])).changes
    return [change.resource_id for change in report.changes]


def test_firewalld_opens_ports_and_forwards_after_a_restart_too(node: Sandbox, connection: SshConnection) -> None:
    assert gather.gather_facts(connection).security.firewall == "firewalld"
    assert not port_answers() and not forwards(node)
    assert apply_twice(connection, PORTS, FORWARD) == [PORTS.id, FORWARD.id]
    assert port_answers() and forwards(node)
    node.sh("systemctl restart firewalld")
    assert port_answers() and forwards(node)
    assert not plan(connection, [PORTS, FORWARD], False, Masker([]))


def test_an_open_port_range_that_covers_the_port_is_enough(node: Sandbox, connection: SshConnection) -> None:
    node.sh("for when in '' --permanent; do firewall-cmd $when --add-port=5000-6000/tcp; done")
    node.sh("firewall-cmd --reload")
    assert not plan(connection, [PORTS], False, Masker([]))


def test_a_firewalld_without_policies_gets_direct_rules(node: Sandbox, connection: SshConnection) -> None:
    node.sh(USE_OLD_FIREWALLD)
    assert not forwards(node)
    assert apply_twice(connection, PORTS, FORWARD) == [FORWARD.id]
    assert forwards(node)
    node.sh("systemctl restart firewalld")
    assert forwards(node)


def test_iptables_services_open_ports_and_forward_after_a_restart_too(node: Sandbox, connection: SshConnection) -> None:
    node.sh(USE_IPTABLES)
    assert gather.gather_facts(connection).security.firewall == "iptables"
    rules = IptablesPorts(ports=(80, 5000), forwarded_networks=(FLOATING_NETWORK,))
    assert not port_answers()
    assert apply_twice(connection, rules) == [rules.id]
    assert port_answers()
    node.sh("systemctl restart iptables")
    assert port_answers()
    # Another resource (Nat) translates addresses; this test is about forwarding only.
    node.sh(f"iptables -t nat -A POSTROUTING -s {FLOATING_NETWORK} ! -o br-ex -j MASQUERADE")
    assert forwards(node)
    assert not plan(connection, [rules], False, Masker([]))
