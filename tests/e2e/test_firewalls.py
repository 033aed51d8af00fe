"""Firewalls as they really are: what is opened is open and stays so, floating addresses pass. firewalld is Debian's."""

from __future__ import annotations

import urllib.request
from typing import Iterator, List

import pytest

from packstack_lite import sandbox as room
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
from tests.e2e.conftest import Sandbox, bare_host

pytestmark = pytest.mark.slow
HOST = "e2e-firewalls"
RANGE = "198.18.250.0/24"
# A network behind the host, as floating addresses are, with one machine in it; and something that listens.
BUILD = r"""
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
# CentOS's iptables-services, and the rules that it comes with.
IPTABLES = r"""
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
OLD = r"""
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
FORWARD = FirewalldForward(source_cidr=RANGE, bridge="br-ex", needs=(PORTS.id,))


@pytest.fixture(scope="module")
def made(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with bare_host(tool, tmp_path_factory.mktemp("firewalls"), HOST, {}) as box:
        box.sh(BUILD)
        yield box


@pytest.fixture(scope="module")
def host(made: Sandbox) -> Iterator[SshConnection]:
    box = room.find(HOST)
    connected = SshConnection(
        SshTarget(box.address, "root", key_file=str(box.key), known_hosts_file=str(box.known_hosts))
    )
    yield connected
    connected.close()


def reachable() -> bool:
    try:
        return urllib.request.urlopen(f"http://{room.find(HOST).address}:5000/", timeout=5).status == 200
    except OSError:
        return False


def passes(made: Sandbox) -> bool:
    """Whether the machine behind the host gets an answer from beyond it."""
    return "1 received" in made.sh(
        "way=$(ip -4 route show default | awk '{print $3}'); ip netns exec guest ping -c 1 -w 5 $way || :"
    )


def applied(host: SshConnection, *resources: Resource) -> List[str]:
    report = apply(host, resources, Fanout([]), Masker([]))
    assert not apply(host, resources, Fanout([]), Masker([])).changes
    return [change.resource_id for change in report.changes]


def test_firewalld_lets_in_and_through_what_it_is_told(made, host):
    assert gather.gather_facts(host).security.firewall == "firewalld"
    assert not reachable() and not passes(made)
    assert applied(host, PORTS, FORWARD) == [PORTS.id, FORWARD.id]
    assert reachable() and passes(made)
    made.sh("systemctl restart firewalld")
    assert reachable() and passes(made)
    assert not plan(host, [PORTS, FORWARD], False, Masker([]))


def test_a_range_that_somebody_opened_is_enough(made, host):
    made.sh("for when in '' --permanent; do firewall-cmd $when --add-port=5000-6000/tcp; done")
    made.sh("firewall-cmd --reload")
    assert not plan(host, [PORTS], False, Masker([]))


def test_a_firewalld_without_policies_gets_direct_rules(made, host):
    made.sh(OLD)
    assert not passes(made)
    assert applied(host, PORTS, FORWARD) == [FORWARD.id]
    assert passes(made)
    made.sh("systemctl restart firewalld")
    assert passes(made)


def test_iptables_services_let_in_and_through_what_they_are_told(made, host):
    made.sh(IPTABLES)
    assert gather.gather_facts(host).security.firewall == "iptables"
    rules = IptablesPorts(ports=(80, 5000), forwarded_networks=(RANGE,))
    assert not reachable()
    assert applied(host, rules) == [rules.id]
    assert reachable()
    made.sh("systemctl restart iptables")
    assert reachable()
    # Addresses are translated by another resource's rule (Nat): here only what may pass is looked at.
    made.sh(f"iptables -t nat -A POSTROUTING -s {RANGE} ! -o br-ex -j MASQUERADE")
    assert passes(made)
    assert not plan(host, [rules], False, Masker([]))
