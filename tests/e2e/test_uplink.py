"""Move a node's only interface into a bridge and back, with each network manager of Debian.

No cloud is deployed: Open vSwitch is enough. Each test continues where the one before ended.
"""

from __future__ import annotations

import shlex
import threading
import time
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

from packstack_lite import sandbox as sandbox_api
from packstack_lite.sandbox import container
from packstack_lite.sandbox.model import find_record
from tests.conftest import Outcome, Tool
from tests.e2e.conftest import OPENVSWITCH, Sandbox, bare_node

STATE_DIR = "/var/lib/packstack-lite/uplink/host0"
UPLINK_ANSWERS = {"CONFIG_NEUTRON_OVS_BRIDGE_IFACES": "br-ex:host0", "CONFIG_PROVISION_DEMO": "n"}
APT_INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install"
DISABLE_NETWORKD = """
mkdir -p /root/away && mv /etc/systemd/network/10-host0.network /root/away/
systemctl -q disable systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service
systemctl -q mask systemd-networkd.service
"""
USE_IFUPDOWN = """
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
USE_NETWORKMANAGER = """
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
def node(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with bare_node(tool, tmp_path_factory.mktemp("uplink"), "e2e-uplink", {**OPENVSWITCH, **UPLINK_ANSWERS}) as node:
        node.sh(f"apt-get -qq update && {APT_INSTALL} openvswitch-switch ethtool iptables")
        yield node


def apply(node: Sandbox, *expected_text: str) -> Outcome:
    return node("apply", "--only", "openvswitch", "--output", "json", *expected_text, timeout=300)


def network(node: Sandbox) -> Dict[str, str]:
    """Return the interfaces with the node's address and default route, and the bridge that host0 is a port of."""
    return {
        "address": node.sh(f"ip -o -4 addr | awk '$4 == \"{address(node)}/24\" {{print $2}}'").strip(),
        "route": node.sh("ip -4 route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p'").strip(),
        "port": node.sh("ovs-vsctl port-to-br host0 2>/dev/null || echo none").strip(),
    }


NETWORK_MOVED = {"address": "br-ex", "route": "br-ex", "port": "br-ex"}
NETWORK_BEFORE = {"address": "host0", "route": "host0", "port": "none"}


def wait_for_network(node: Sandbox, expected: Dict[str, str]) -> None:
    """Wait for this state: after a boot, SSH answers before the default route is set.

    Twenty seconds were once too few on this machine, at a load of 26.
    """
    end = time.monotonic() + 60
    while (found := network(node)) != expected and time.monotonic() < end:
        time.sleep(0.5)
    shown = "ip addr; ip route; networkctl --no-pager status br-ex host0; journalctl -b -q --no-pager -n 100"
    assert found == expected, node.sh(f"{shown} 2>&1; true")


def address(node: Sandbox) -> str:
    return sandbox_api.find(node.name).address


def reboot(node: Sandbox) -> None:
    sandbox_api.stop(node.name)
    sandbox_api.start(node.name)


def config_checksums(node: Sandbox) -> List[str]:
    """Return checksums of the network's configuration files."""
    paths = "/etc/network /etc/systemd/network /etc/NetworkManager /etc/systemd/system"
    return node.sh(f"find {paths} -type f -exec sha256sum {{}} + 2>/dev/null | sort -k2; true").splitlines()


def run_detached(node: Sandbox, script: str) -> None:
    """Run a script in a transient unit, as it may cut this connection."""
    node.sh(f"systemd-run --quiet --collect sh -c {shlex.quote(script)}")


def assert_moved(node: Sandbox) -> None:
    """Apply; fail unless host0 is in br-ex, large packets pass, and a second apply and a reboot change nothing."""
    first_result = apply(node)
    assert first_result.code == 0, first_result.err[-4000:]
    assert "uplink:host0" in [change["resource"] for change in first_result.data["changes"]]
    assert network(node) == NETWORK_MOVED
    assert node.sh("head -c 20000000 /dev/zero | wc -c; apt-get -qq update && echo fetched").split()[-1] == "fetched"
    assert len(node.sh("head -c 3000000 /dev/zero | tr '\\0' x")) == 3_000_000
    second_result = apply(node)
    assert (second_result.code, second_result.data["changes"]) == (0, []), second_result.err[-3000:]
    reboot(node)
    wait_for_network(node, NETWORK_MOVED)
    result_after_reboot = apply(node)
    assert (result_after_reboot.code, result_after_reboot.data["changes"]) == (0, []), result_after_reboot.err[-3000:]


def assert_restored(node: Sandbox, expected_text: str, seconds: int = 8) -> float:
    """Apply; fail unless it fails with this text and restores the network.

    Return the seconds it took.
    """
    before = config_checksums(node)
    started_at = time.monotonic()
    apply_result = apply(node, "--set", f"CONFIG_NEUTRON_BRIDGE_IFACES_TIMEOUT={seconds}")
    seconds_taken = time.monotonic() - started_at
    assert apply_result.code == 5, apply_result.err[-3000:]
    assert expected_text in apply_result.err
    assert "restoring host0 as it was" in apply_result.err
    assert network(node) == NETWORK_BEFORE
    assert config_checksums(node) == before
    assert node.sh(f"ls {STATE_DIR}/armed 2>/dev/null; true") == ""
    return seconds_taken


def move_back(node: Sandbox) -> None:
    """Undo the move with the node's own program."""
    run_detached(node, f"sh {STATE_DIR}/run back > /root/back.log 2>&1; touch /root/back.done")
    for _ in range(100):
        time.sleep(0.5)
        if node.sh("rm /root/back.done 2>/dev/null && echo done; true", check=False).strip() == "done":
            break
    assert network(node) == NETWORK_BEFORE, node.sh("cat /root/back.log")


def test_networkd(node: Sandbox) -> None:
    assert network(node) == NETWORK_BEFORE
    assert_moved(node)


def test_networkd_when_ssh_does_not_come_back(node: Sandbox) -> None:
    """The bridge drops only SSH's replies: nothing but the missing reconnect shows it."""
    move_back(node)
    node.sh("ovs-ofctl add-flow br-ex priority=100,tcp,tp_src=22,actions=drop")
    seconds_taken = assert_restored(node, "nobody reconnected over br-ex within 8 seconds")
    assert seconds_taken < 100


def test_networkd_when_the_job_is_killed(node: Sandbox) -> None:
    """The watching unit undoes the move long before the timeout."""
    job = "packstack-lite-job-uplink-host0.service"
    run_detached(node, f"until [ -e {STATE_DIR}/armed ]; do sleep 0.2; done; sleep 3; systemctl kill -s KILL {job}")
    apply_result = apply(node, "--set", "CONFIG_NEUTRON_BRIDGE_IFACES_TIMEOUT=300")
    assert apply_result.code == 5, apply_result.err[-3000:]
    wait_for_network(node, NETWORK_BEFORE)
    assert node.sh(f"ls {STATE_DIR}/armed 2>/dev/null; true") == ""


def test_networkd_when_the_power_fails(node: Sandbox) -> None:
    """The next boot undoes the incomplete move.

    The interrupted apply reconnects, and says that the node has rebooted; the next apply moves the address again.
    """
    armed = Path(find_record(node.name).root) / STATE_DIR.lstrip("/") / "armed"
    outcomes: List[Outcome] = []
    run = threading.Thread(target=lambda: outcomes.append(apply(node)))
    run.start()
    deadline = time.monotonic() + 60
    while not armed.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(3)
    container.kill(find_record(node.name))
    sandbox_api.start(node.name)
    run.join(200)
    assert [outcome.code for outcome in outcomes] == [5], outcomes
    assert "rebooted since this run began" in outcomes[0].err
    assert "restoring host0 as it was" in node.sh("journalctl -b -q --no-pager -u packstack-lite-uplink-host0")
    wait_for_network(node, NETWORK_BEFORE)
    apply_result = apply(node)
    assert apply_result.code == 0, apply_result.err[-3000:]
    assert network(node) == NETWORK_MOVED


def test_at_boot_a_bridge_that_the_agent_had_closed_passes_packets(node: Sandbox) -> None:
    """Neutron's agent leaves the bridge in secure mode with a controller, which does not run at boot yet."""
    run_detached(
        node,
        "ovs-vsctl set-fail-mode br-ex secure -- set-controller br-ex tcp:127.0.0.1:6633; ovs-ofctl del-flows br-ex",
    )
    time.sleep(1)
    reboot(node)
    wait_for_network(node, NETWORK_MOVED)


def switch_over(node: Sandbox, script: str) -> None:
    move_back(node)
    box = find_record(node.name)
    node.sh(script % {"address": box.address, "gateway": box.gateway})
    reboot(node)
    wait_for_network(node, NETWORK_BEFORE)


def test_ifupdown(node: Sandbox) -> None:
    switch_over(node, DISABLE_NETWORKD + USE_IFUPDOWN)
    assert_moved(node)
    text = node.sh("cat /etc/network/interfaces.d/host0")
    assert "# Not ours.\niface later inet manual\n" in text
    assert "iface br-ex inet static\n" in text


def test_ifupdown_with_a_wrong_vlan(node: Sandbox) -> None:
    """The bridge's own port is in a VLAN without other members."""
    move_back(node)
    node.sh("ovs-vsctl --may-exist add-br br-ex -- set bridge br-ex datapath_type=netdev -- set port br-ex tag=100")
    assert_restored(node, "did not answer through br-ex within 8 seconds")
    node.sh("ovs-vsctl --if-exists del-br br-ex")


def test_network_manager_without_its_plug_in(node: Sandbox) -> None:
    """Debian's NetworkManager has no plug-in for Open vSwitch.

    Preflight refuses the move.
    """
    node.sh(f"systemctl -q mask NetworkManager && apt-get -qq update && {APT_INSTALL} network-manager")
    box = find_record(node.name)
    node.sh(USE_NETWORKMANAGER % {"address": box.address, "gateway": box.gateway})
    reboot(node)
    wait_for_network(node, NETWORK_BEFORE)
    apply_result = apply(node)
    assert apply_result.code == 3
    assert "NetworkManager manages host0, and its plug-in for Open vSwitch is not installed" in apply_result.err
    assert "let systemd-networkd or ifupdown configure host0" in apply_result.err
    assert network(node) == NETWORK_BEFORE
