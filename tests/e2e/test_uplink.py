"""The host's only interface goes into a bridge, for real, under each network system that Debian has; and comes back.

No cloud is deployed: the switch and its bridges are enough. The tests go on where the one before ended.
"""

from __future__ import annotations

import shlex
import threading
import time
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

from packstack_lite import sandbox as room
from packstack_lite.sandbox import container
from packstack_lite.sandbox.model import find_record
from tests.conftest import Outcome, Tool
from tests.e2e.conftest import OPENVSWITCH, Sandbox, bare_host

HOME = "/var/lib/packstack-lite/uplink/host0"
IFACES = {"CONFIG_NEUTRON_OVS_BRIDGE_IFACES": "br-ex:host0", "CONFIG_PROVISION_DEMO": "n"}
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install"
NETWORKD_OFF = """
mkdir -p /root/away && mv /etc/systemd/network/10-host0.network /root/away/
systemctl -q disable systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service
systemctl -q mask systemd-networkd.service
"""
IFUPDOWN = """
cat > /etc/network/interfaces.d/host0 <<'END'
# The only card of this host.
auto lo host0

iface lo inet loopback

iface host0 inet static
    address %(address)s/24
    gateway %(gateway)s
    dns-nameservers 198.18.0.1

# Not ours.
iface later inet manual
END
systemctl -q enable networking.service
"""
MANAGER = """
rm -rf /etc/network/interfaces.d/* /etc/network/*.packstack-lite.orig
systemctl -q disable networking.service
umask 077
cat > '/etc/NetworkManager/system-connections/Wired one.nmconnection' <<'END'
[connection]
id=Wired one
uuid=2ad4ba5a-33a1-4ec2-8ad0-5b6ee2cbd2a5
type=ethernet
interface-name=host0

[ipv4]
method=manual
address1=%(address)s/24,%(gateway)s

[ipv6]
method=disabled
END
printf '[main]\\ndns=none\\n[keyfile]\\nunmanaged-devices=none\\n[device]\\nmanaged=1\\n' \\
    > /etc/NetworkManager/conf.d/test.conf
systemctl -q unmask NetworkManager
systemctl -q enable NetworkManager
"""


@pytest.fixture(scope="module")
def host(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with bare_host(tool, tmp_path_factory.mktemp("uplink"), "e2e-uplink", {**OPENVSWITCH, **IFACES}) as made:
        made.sh(f"apt-get -qq update && {APT} openvswitch-switch ethtool iptables")
        yield made


def apply(host: Sandbox, *words: str) -> Outcome:
    return host("apply", "--only", "openvswitch", "--output", "json", *words, timeout=300)


def network(host: Sandbox) -> Dict[str, str]:
    """Which interface has the host's address and its default route, and who is a port of the bridge."""
    return {
        "address": host.sh(f"ip -o -4 addr | awk '$4 == \"{address(host)}/24\" {{print $2}}'").strip(),
        "route": host.sh("ip -4 route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p'").strip(),
        "port": host.sh("ovs-vsctl port-to-br host0 2>/dev/null || echo none").strip(),
    }


MOVED = {"address": "br-ex", "route": "br-ex", "port": "br-ex"}
BEFORE = {"address": "host0", "route": "host0", "port": "none"}


def becomes(host: Sandbox, wanted: Dict[str, str]) -> None:
    """Within seconds: SSH answers before a boot is over, and before the default route is there."""
    end = time.monotonic() + 20
    while network(host) != wanted and time.monotonic() < end:
        time.sleep(0.5)
    assert network(host) == wanted


def address(host: Sandbox) -> str:
    return room.find(host.name).address


def reboot(host: Sandbox) -> None:
    room.stop(host.name)
    room.start(host.name)


def texts(host: Sandbox) -> List[str]:
    """What configures the network, as checksums."""
    places = "/etc/network /etc/systemd/network /etc/NetworkManager /etc/systemd/system"
    return host.sh(f"find {places} -type f -exec sha256sum {{}} + 2>/dev/null | sort -k2; true").splitlines()


def later(host: Sandbox, script: str) -> None:
    """Run it on the host past this connection, which it may cut."""
    host.sh(f"systemd-run --quiet --collect sh -c {shlex.quote(script)}")


def moves(host: Sandbox) -> None:
    """The move, the proof that packets of every size pass, nothing left to do, and all of that after a reboot."""
    first = apply(host)
    assert first.code == 0, first.err[-4000:]
    assert "uplink:host0" in [change["resource"] for change in first.data["changes"]]
    assert network(host) == MOVED
    assert host.sh("head -c 20000000 /dev/zero | wc -c; apt-get -qq update && echo fetched").split()[-1] == "fetched"
    assert len(host.sh("head -c 3000000 /dev/zero | tr '\\0' x")) == 3_000_000
    again = apply(host)
    assert (again.code, again.data["changes"]) == (0, []), again.err[-3000:]
    reboot(host)
    becomes(host, MOVED)
    after = apply(host)
    assert (after.code, after.data["changes"]) == (0, []), after.err[-3000:]


def comes_back(host: Sandbox, words: str, seconds: int = 8) -> float:
    """An apply that fails with these words and leaves the host's network as it was."""
    before = texts(host)
    began = time.monotonic()
    failed = apply(host, "--set", f"CONFIG_NEUTRON_BRIDGE_IFACES_TIMEOUT={seconds}")
    took = time.monotonic() - began
    assert failed.code == 5, failed.err[-3000:]
    assert words in failed.err
    assert "restoring host0 as it was" in failed.err
    assert network(host) == BEFORE
    assert texts(host) == before
    assert host.sh(f"ls {HOME}/armed 2>/dev/null; true") == ""
    return took


def go_back(host: Sandbox) -> None:
    later(host, f"sh {HOME}/run back > /root/back.log 2>&1; touch /root/back.done")
    for _ in range(100):
        time.sleep(0.5)
        if host.sh("rm /root/back.done 2>/dev/null && echo done; true", check=False).strip() == "done":
            break
    assert network(host) == BEFORE, host.sh("cat /root/back.log")


def test_networkd(host: Sandbox) -> None:
    assert network(host) == BEFORE
    moves(host)


def test_networkd_when_ssh_does_not_come_back(host: Sandbox) -> None:
    """The bridge passes everything but SSH's answers: only the missing round trip can tell."""
    go_back(host)
    host.sh("ovs-ofctl add-flow br-ex priority=100,tcp,tp_src=22,actions=drop")
    took = comes_back(host, "nobody reconnected over br-ex within 8 seconds")
    assert took < 100


def test_networkd_when_the_job_is_killed(host: Sandbox) -> None:
    """What watches over the move puts everything back, long before its time is over; the next apply converges."""
    job = "packstack-lite-job-uplink-host0.service"
    later(host, f"until [ -e {HOME}/armed ]; do sleep 0.2; done; sleep 3; systemctl kill -s KILL {job}")
    failed = apply(host, "--set", "CONFIG_NEUTRON_BRIDGE_IFACES_TIMEOUT=300")
    assert failed.code == 5, failed.err[-3000:]
    becomes(host, BEFORE)
    assert host.sh(f"ls {HOME}/armed 2>/dev/null; true") == ""


def test_networkd_when_the_power_fails(host: Sandbox) -> None:
    """At the next boot the half-done move is taken back; the apply that was cut off finds the host again and begins the
    move anew."""
    armed = Path(find_record(host.name).root) / HOME.lstrip("/") / "armed"
    ended: List[Outcome] = []
    run = threading.Thread(target=lambda: ended.append(apply(host)))
    run.start()
    deadline = time.monotonic() + 60
    while not armed.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(3)
    container.kill(find_record(host.name))
    room.start(host.name)
    run.join(200)
    assert [outcome.code for outcome in ended] == [0], ended
    assert "restoring host0 as it was" in host.sh("journalctl -b -q --no-pager -u packstack-lite-uplink-host0")
    assert network(host) == MOVED


def test_at_boot_a_bridge_that_the_agent_had_closed_passes_packets(host: Sandbox) -> None:
    """Neutron's agent leaves the bridge in secure mode, with a controller that is not there at boot."""
    later(
        host,
        "ovs-vsctl set-fail-mode br-ex secure -- set-controller br-ex tcp:127.0.0.1:6633; ovs-ofctl del-flows br-ex",
    )
    time.sleep(1)
    reboot(host)
    becomes(host, MOVED)


def switch_over(host: Sandbox, script: str) -> None:
    go_back(host)
    box = find_record(host.name)
    host.sh(script % {"address": box.address, "gateway": box.gateway})
    reboot(host)
    becomes(host, BEFORE)


def test_ifupdown(host: Sandbox) -> None:
    switch_over(host, NETWORKD_OFF + IFUPDOWN)
    moves(host)
    text = host.sh("cat /etc/network/interfaces.d/host0")
    assert "# Not ours.\niface later inet manual\n" in text
    assert "iface br-ex inet static\n" in text


def test_ifupdown_with_a_wrong_vlan(host: Sandbox) -> None:
    """The bridge's own port is in a VLAN that nobody else is in."""
    go_back(host)
    host.sh("ovs-vsctl --may-exist add-br br-ex -- set bridge br-ex datapath_type=netdev -- set port br-ex tag=100")
    comes_back(host, "did not answer through br-ex within 8 seconds")
    host.sh("ovs-vsctl --if-exists del-br br-ex")


def test_network_manager_without_its_plug_in(host: Sandbox) -> None:
    """Debian builds NetworkManager without its plug-in for Open vSwitch: that is found before anything moves."""
    host.sh(f"systemctl -q mask NetworkManager && apt-get -qq update && {APT} network-manager")
    box = find_record(host.name)
    host.sh(MANAGER % {"address": box.address, "gateway": box.gateway})
    reboot(host)
    becomes(host, BEFORE)
    refused = apply(host)
    assert refused.code == 3
    assert "NetworkManager manages host0, and its plug-in for Open vSwitch is not installed" in refused.err
    assert "let systemd-networkd or ifupdown configure host0" in refused.err
    assert network(host) == BEFORE
