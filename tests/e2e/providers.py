"""A provider network on a bridge of the host, an instance on it, and the host's own interface in the same segment."""

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
COMMON_AWAY = "security group delete provider\nkeypair delete provider\nflavor delete provider"


@dataclass(frozen=True)
class Segment:
    """``tag`` is the VLAN, 0 for a flat network; ``subnet`` the first three numbers of its /24."""

    physnet: str
    bridge: str
    tag: int
    subnet: str

    @property
    def name(self) -> str:
        return f"seg{self.tag}"

    @property
    def create(self) -> str:
        kind = f"vlan --provider-segment {self.tag}" if self.tag else "flat"
        return f"""
network create --provider-network-type {kind} --provider-physical-network {self.physnet} {self.name}
subnet create --network {self.name} --subnet-range {self.subnet}.0/24 {self.name}
port create --network {self.name} --security-group provider {self.name}
server create --image cirros --flavor provider --key-name provider --port {self.name} {self.name}
"""

    def plug(self, tag: int) -> str:
        """The host's own interface in the segment, which the test's kernel knows no VLANs for: the switch tags."""
        port = "provider"
        return (
            f"ovs-vsctl --may-exist add-port {self.bridge} {port} -- set interface {port} type=internal"
            f" -- {f'set port {port} tag={tag}' if tag else f'clear port {port} tag'} &&"
            f" ip addr replace {self.subnet}.1/24 dev {port} && ip link set {port} up &&"
            f" ethtool -K {port} tso off gso off"
        )


def openstack(host: Sandbox, commands: str) -> None:
    """Commands of the OpenStack client, all in one process."""
    host.sh(f"{SHOW} <<'END' >/root/provider.log 2>&1\n{commands.strip()}\nEND\ntrue")


@contextmanager
def instance_on(host: Sandbox, segment: Segment) -> Iterator[str]:
    """The address of an instance on the segment; all of it goes again."""
    host.sh(f"rm -f {KEY}*; ssh-keygen -q -t ed25519 -N '' -f {KEY}")
    openstack(host, COMMON + segment.create)
    found = host.sh(f"{SHOW} port show {segment.name} -f json -c fixed_ips | grep -o '{segment.subnet}[.][0-9]*'")
    yield found.split()[0]
    away = f"server delete --wait {segment.name}\nport delete {segment.name}\nnetwork delete {segment.name}"
    openstack(host, f"{away}\n{COMMON_AWAY}")
    host.sh(f"ovs-vsctl --if-exists del-port {segment.bridge} provider")


def answers(host: Sandbox, address: str, wanted: bool = True, seconds: float = 120) -> bool:
    """Whether pings from the host come to be answered, or no longer are, as wanted."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen = host.sh(f"ping -c 1 -W 2 {address} >/dev/null && echo yes || echo no").strip() == "yes"
        if seen == wanted:
            return True
        time.sleep(1)
    return False


def proves(host: Sandbox, segment: Segment) -> Dict[str, str]:
    """What was seen of an instance on the segment: it answers in it and only in it, and has got its key."""
    with instance_on(host, segment) as address:
        host.sh(segment.plug(segment.tag))
        seen = {"answers": str(answers(host, address))}
        options = f"-i {KEY} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5"
        command = f"ssh {options} -o LogLevel=ERROR root@{address} hostname </dev/null && break; sleep 2"
        seen["login"] = host.sh(f"for i in $(seq 30); do {command}; done; true").strip()
        if segment.tag:
            host.sh(segment.plug(segment.tag + 1))
            seen["next VLAN"] = str(answers(host, address, wanted=False, seconds=20))
    return seen
