"""A whole cloud whose deployment moves the host's only interface into the bridge to the outside: OVN on Debian 12."""

from __future__ import annotations

import socket
import subprocess
import time
from typing import Iterator

import pytest

from packstack_lite import sandbox as room
from tests.conftest import Tool
from tests.e2e.cloud_contract import smoke_proves
from tests.e2e.conftest import Sandbox, alone, bare_host, changed

pytestmark = pytest.mark.slow

MAKE = """
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
    """Floating addresses are of the network that the host itself is in, as with one network card on a desk."""
    with alone(), bare_host(tool, tmp_path_factory.mktemp("moved"), "e2e-moved", {}) as host:
        start = room.find(host.name).address.rpartition(".")[0]
        answers = {
            "CONFIG_PROVISION_DEMO": "y",
            "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": "br-ex:host0",
            "CONFIG_PROVISION_DEMO_FLOATRANGE": f"{start}.0/24",
            "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": f'["start={start}.100,end={start}.200"]',
        }
        changed(host.answers, answers)
        yield host


def reached(address: str, seconds: float = 240) -> bool:
    """Whether somebody outside the host, this machine, gets an answer of the floating address."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # The kernel asks for the neighbour before it sends anything; no ping is needed here.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"", (address, 9))
        shown = subprocess.run(["ip", "neigh", "show", address], check=False, capture_output=True, text=True).stdout
        if "lladdr" in shown:
            return True
        time.sleep(1)
    return False


def test_the_deployment_moves_the_interface_and_ends_with_a_cloud(moved: Sandbox) -> None:
    applied = moved("apply", "--output", "json")
    assert applied.code == 0, applied.err[-6000:]
    assert "uplink:host0" in {change["resource"] for change in applied.data["changes"]}
    assert moved.sh("ip -4 route show default").split()[4] == "br-ex"
    again = moved("apply", "--output", "json")
    assert (again.code, again.data["changes"]) == (0, []), again.err[-3000:]


def test_smoke_proves_each_promise(moved: Sandbox) -> None:
    smoke_proves(moved)


def test_a_floating_address_is_reached_from_outside_also_after_a_reboot(moved: Sandbox) -> None:
    moved.sh(f". /root/keystonerc_admin; openstack <<'END' >/root/up.log 2>&1\n{MAKE.strip()}\nEND\ntrue")
    shown = moved.sh(". /root/keystonerc_admin; openstack floating ip list --port up -f value")
    address = shown.split()[1]
    assert reached(address), moved.sh("tail -n 20 /root/up.log")
    room.stop(moved.name)
    room.start(moved.name)
    subprocess.run(["ip", "neigh", "flush", "to", address], check=False)
    assert moved.sh("ip -4 route show default").split()[4] == "br-ex"
    assert reached(address)
    # What a boot is still starting is a gap that apply closes, and tells.
    end = time.monotonic() + 240
    while (verified := moved("verify", "--output", "json")).code:
        assert time.monotonic() < end, verified.out + verified.err[-2000:]
        time.sleep(5)
    after = moved("apply", "--output", "json")
    assert (after.code, after.data["changes"]) == (0, []), after.err[-3000:]
