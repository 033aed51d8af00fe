"""Deploy a cloud that moves the node's only interface into the external bridge.

It runs OVN on Debian 12.
"""

from __future__ import annotations

import socket
import subprocess
import time
from typing import Iterator

import pytest

from packstack_lite import sandbox as sandbox_api
from tests.conftest import Tool
from tests.e2e.cloud_contract import assert_smoke_passes
from tests.e2e.conftest import Sandbox, bare_node, change_answers, other_sandboxes_stopped

pytestmark = pytest.mark.slow

CREATE = """
flavor create --ram 256 --disk 1 --vcpus 1 up
security group create up
security group rule create --protocol icmp up
network create up
subnet create --network up --subnet-range 10.97.1.0/24 up
router create up
router set --external-gateway public up
router add subnet up up
port create --network up --security-group up up
server create --wait --image cirros --flavor up --port up up
floating ip create --port up public
"""


@pytest.fixture(scope="module")
def moved(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare node whose floating addresses are in its own network, as on a machine with one network card."""
    with other_sandboxes_stopped(), bare_node(tool, tmp_path_factory.mktemp("moved"), "e2e-moved", {}) as node:
        prefix = sandbox_api.find(node.name).address.rpartition(".")[0]
        answers = {
            "CONFIG_PROVISION_DEMO": "y",
            "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": "br-ex:host0",
            "CONFIG_PROVISION_DEMO_FLOATRANGE": f"{prefix}.0/24",
            "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": f'["start={prefix}.100,end={prefix}.200"]',
        }
        change_answers(node.answers, answers)
        yield node


def neighbour_answers(address: str, seconds: float = 240) -> bool:
    """Return whether the floating address answers this machine's ARP requests within ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # To send a packet, the kernel first asks for the neighbour's address; that suffices, without ping.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_socket:
            udp_socket.sendto(b"", (address, 9))
        shown = subprocess.run(["ip", "neigh", "show", address], check=False, capture_output=True, text=True).stdout
        if "lladdr" in shown:
            return True
        time.sleep(1)
    return False


def test_apply_moves_the_interface_and_deploys_the_cloud(moved: Sandbox) -> None:
    applied = moved("apply", "--output", "json")
    assert applied.code == 0, applied.err[-6000:]
    assert "uplink:host0" in {change["resource"] for change in applied.data["changes"]}
    assert moved.sh("ip -4 route show default").split()[4] == "br-ex"
    again = moved("apply", "--output", "json")
    assert (again.code, again.data["changes"]) == (0, []), again.err[-3000:]


def test_smoke_passes(moved: Sandbox) -> None:
    assert_smoke_passes(moved)


def test_a_floating_address_answers_from_outside_before_and_after_a_reboot(moved: Sandbox) -> None:
    moved.sh(f". /root/keystonerc_admin; openstack <<'END' >/root/up.log 2>&1\n{CREATE.strip()}\nEND\ntrue")
    shown = moved.sh(". /root/keystonerc_admin; openstack floating ip list --port up -f value")
    address = shown.split()[1]
    assert neighbour_answers(address), moved.sh("tail -n 20 /root/up.log")
    sandbox_api.stop(moved.name)
    sandbox_api.start(moved.name)
    subprocess.run(["ip", "neigh", "flush", "to", address], check=False)
    assert moved.sh("ip -4 route show default").split()[4] == "br-ex"
    assert neighbour_answers(address)
    # Units that the boot is still starting would be changes of apply.
    end = time.monotonic() + 240
    while (verified := moved("verify", "--output", "json")).code:
        assert time.monotonic() < end, verified.out + verified.err[-2000:]
        time.sleep(5)
    after = moved("apply", "--output", "json")
    assert (after.code, after.data["changes"]) == (0, []), after.err[-3000:]
