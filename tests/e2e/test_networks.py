"""Change the answers of the shared Open vSwitch cloud.

They add a second bridge, VLANs, metering, iptables security groups.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from tests.e2e.cloud_contract import assert_smoke_passes
from tests.e2e.conftest import Sandbox, change_answers
from tests.e2e.providers import Segment, try_instance

NETWORK_ANSWERS = {
    "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "vxlan,gre,vlan,flat,local",
    "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES": "1:1000",
    "CONFIG_NEUTRON_ML2_VLAN_RANGES": "lab:100:199,extnet",
    "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS": "extnet:br-ex,lab:br-lab",
    "CONFIG_NEUTRON_METERING_AGENT_INSTALL": "y",
    "CONFIG_NEUTRON_FIREWALL_DRIVER": "iptables_hybrid",
}
OVN = {
    "CONFIG_NEUTRON_L2_AGENT": "ovn",
    "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": "ovn",
    "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "geneve,flat",
    "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": "geneve",
}


@pytest.fixture(scope="module")
def networks(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The shared cloud with these answers.

    Deployed here if no earlier test has done it.
    """
    before = sandbox.answers.read_text()
    change_answers(sandbox.answers, NETWORK_ANSWERS)
    applied = sandbox("apply", "--output", "json")
    assert applied.code == 0, applied.err[-6000:]
    yield sandbox
    sandbox.answers.write_text(before)


def test_bridges_exist_and_a_second_apply_changes_nothing(networks: Sandbox) -> None:
    assert networks.sh("ovs-vsctl list-br").split() == ["br-ex", "br-int", "br-lab", "br-tun"]
    again = networks("apply", "--output", "json")
    assert (again.code, again.data["changes"], again.data["restarted"]) == (0, [], []), again.err[-3000:]


def test_an_instance_in_a_vlan_answers_only_in_that_vlan(networks: Sandbox) -> None:
    results = try_instance(networks, Segment("lab", "br-lab", 101, "198.19.101"))
    assert results == {"answers": "True", "login": "seg101", "next VLAN": "True"}


def test_an_instance_on_a_flat_network_answers(networks: Sandbox) -> None:
    assert try_instance(networks, Segment("lab", "br-lab", 0, "198.19.100")) == {"answers": "True", "login": "seg0"}


def test_smoke_passes_with_security_groups_by_iptables(networks: Sandbox) -> None:
    outcomes = assert_smoke_passes(networks)
    assert "agents alive: 5" in outcomes["agents"][1], "the metering agent among them"


def test_ovn_is_refused_with_the_reason(networks: Sandbox, tmp_path: Path) -> None:
    other = tmp_path / "ovn.txt"
    other.write_text(networks.answers.read_text())
    change_answers(other, OVN)
    before = networks.fingerprint()
    result = networks.tool("apply", "--sandbox", networks.name, "--answer-file", str(other))
    assert result.code == 3, result.err
    assert "networks were made with openvswitch" in result.err
    assert networks.fingerprint() == before
