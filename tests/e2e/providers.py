"""Test provider networks: an instance on one, and an interface of the node in the same network segment."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Dict, Iterator

from tests.e2e.conftest import Sandbox

KEY = "/root/provider-key"
SHOW = ". /root/keystonerc_admin; openstack"
COMMON = f"""
flavor create --ram 256 --disk 1 --vcpus 1 provider
keypair create --public-key {KEY}.pub provider
security group create provider
security group rule create --protocol icmp provider
security group rule create --protocol tcp --dst-port 22 provider
"""
REMOVE_COMMON = "security group delete provider\nkeypair delete provider\nflavor delete provider"


@dataclass(frozen=True)
class Segment:
    """A provider network.

    ``tag`` is its VLAN, 0 for flat. ``subnet`` has the first three octets of its /24.
    """

    physnet: str
    bridge: str
    tag: int
    subnet: str

    @property
    def name(self) -> str:
        """The name of the network, its subnet, port and instance."""
        return f"seg{self.tag}"

    @property
    def create_commands(self) -> str:
        """Commands of the OpenStack client that create the network and an instance on it."""
        kind = f"vlan --provider-segment {self.tag}" if self.tag else "flat"
        return f"""
network create --provider-network-type {kind} --provider-physical-network {self.physnet} {self.name}
subnet create --network {self.name} --subnet-range {self.subnet}.0/24 {self.name}
port create --network {self.name} --security-group provider {self.name}
server create --image cirros --flavor provider --key-name provider --port {self.name} {self.name}
"""

    def plug_command(self, tag: int) -> str:
        """Return the command that puts an interface of the node into the VLAN ``tag``.

        The switch does the tagging, as the test's kernel may have no VLANs.
        """
        port = "provider"
        return (
            f"ovs-vsctl --may-exist add-port {self.bridge} {port} -- set interface {port} type=internal"
            f" -- {f'set port {port} tag={tag}' if tag else f'clear port {port} tag'} &&"
            f" ip addr replace {self.subnet}.1/24 dev {port} && ip link set {port} up &&"
            f" ethtool -K {port} tso off gso off"
        )


def openstack(node: Sandbox, commands: str) -> None:
    """Run commands of the OpenStack client on the node, all in one process."""
    node.sh(f"{SHOW} <<'END' >/root/provider.log 2>&1\n{commands.strip()}\nEND\ntrue")


@contextmanager
def instance_on(node: Sandbox, segment: Segment) -> Iterator[str]:
    """Yield the address of an instance on the segment.

    The instance and its network are removed afterwards.
    """
    node.sh(f"rm -f {KEY}*; ssh-keygen -q -t ed25519 -N '' -f {KEY}")
    openstack(node, COMMON + segment.create_commands)
    addresses = node.sh(f"{SHOW} port show {segment.name} -f json -c fixed_ips | grep -o '{segment.subnet}[.][0-9]*'")
    yield addresses.split()[0]
    remove = f"server delete --wait {segment.name}\nport delete {segment.name}\nnetwork delete {segment.name}"
    openstack(node, f"{remove}\n{REMOVE_COMMON}")
    node.sh(f"ovs-vsctl --if-exists del-port {segment.bridge} provider")


def ping_becomes(node: Sandbox, address: str, should_answer: bool = True, seconds: float = 120) -> bool:
    """Return whether pings from the node are answered (or are not, for ``wanted`` False) within ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        is_answered = node.sh(f"ping -c 1 -W 2 {address} >/dev/null && echo yes || echo no").strip() == "yes"
        if is_answered == should_answer:
            return True
        time.sleep(1)
    return False


def try_instance(node: Sandbox, segment: Segment) -> Dict[str, str]:
    """Return what an instance on the segment did.

    That is: whether it answers in its VLAN and in the next one, and the host name that ssh shows.
    """
    with instance_on(node, segment) as address:
        node.sh(segment.plug_command(segment.tag))
        results = {"answers": str(ping_becomes(node, address))}
        options = f"-i {KEY} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5"
        command = f"ssh {options} -o LogLevel=ERROR root@{address} hostname </dev/null && break; sleep 2"
        results["login"] = node.sh(f"for i in $(seq 30); do {command}; done; true").strip()
        if segment.tag:
            node.sh(segment.plug_command(segment.tag + 1))
            results["next VLAN"] = str(ping_becomes(node, address, should_answer=False, seconds=20))
    return results
