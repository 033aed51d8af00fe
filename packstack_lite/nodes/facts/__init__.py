"""Facts of a node by subject: its state before a run. ``gather`` reads them.

Each subject has its module: a dataclass whose fields name their KEY and parser, and the script that prints the KEYs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from packstack_lite.nodes.facts.cloud import CloudFacts
from packstack_lite.nodes.facts.hardware import HardwareFacts
from packstack_lite.nodes.facts.network import Interface, NetworkFacts
from packstack_lite.nodes.facts.repositories import Repo
from packstack_lite.nodes.facts.security import SecurityFacts
from packstack_lite.nodes.facts.software import SoftwareFacts
from packstack_lite.nodes.facts.storage import StorageFacts
from packstack_lite.nodes.facts.system import SystemFacts
from packstack_lite.nodes.facts.uplinks import UplinkFacts

__all__ = [
    "CloudFacts",
    "Facts",
    "HardwareFacts",
    "Interface",
    "NetworkFacts",
    "Repo",
    "SecurityFacts",
    "SoftwareFacts",
    "StorageFacts",
    "SystemFacts",
    "UplinkFacts",
    "sample_facts",
]


@dataclass(frozen=True)
class Facts:
    """The facts of a node, gathered in one round trip.

    A fact's default means "not there".
    """

    system: SystemFacts = field(default_factory=SystemFacts)
    hardware: HardwareFacts = field(default_factory=HardwareFacts)
    network: NetworkFacts = field(default_factory=NetworkFacts)
    storage: StorageFacts = field(default_factory=StorageFacts)
    software: SoftwareFacts = field(default_factory=SoftwareFacts)
    security: SecurityFacts = field(default_factory=SecurityFacts)
    cloud: CloudFacts = field(default_factory=CloudFacts)


def sample_facts(os_id: str, os_version: str, address: str) -> Facts:
    """Make the facts of a plain machine, to render without a node."""
    return Facts(
        system=SystemFacts(
            hostname="controller",
            fqdn="controller",
            hostname_addresses=(address,),
            os_id=os_id,
            os_version=os_version,
            arch="x86_64",
            init="systemd",
            virtualization="none",
            is_time_synchronized=True,
            locale="C.UTF-8",
            machine_id="0123456789abcdef0123456789abcdef",
        ),
        hardware=HardwareFacts(cpus=4, kvm_works=True, memory_mib=16384, has_ovs_module=True, has_device_mapper=True),
        network=NetworkFacts(
            default_interface="eth0",
            address=address,
            interfaces=(Interface("eth0", True, 1500, (f"{address}/24",)),),
        ),
        software=SoftwareFacts(package_source="reachable"),
    )
