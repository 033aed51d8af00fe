"""Linux bridges in place of a switch, with the agents that count traffic and end tunnels: a whole cloud on Zed."""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.cloud_contract import second_apply_changes_nothing, smoke_proves
from tests.e2e.conftest import Sandbox, alone, bare_host

pytestmark = pytest.mark.slow

ANSWERS = {
    "CONFIG_NEUTRON_L2_AGENT": "linuxbridge",
    "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": "linuxbridge",
    "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "vxlan,flat",
    "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": "vxlan",
    "CONFIG_NEUTRON_METERING_AGENT_INSTALL": "y",
    "CONFIG_NEUTRON_VPNAAS": "y",
}


@pytest.fixture(scope="module")
def bridges(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The cloud, deployed."""
    with alone(), bare_host(tool, tmp_path_factory.mktemp("linuxbridge"), "e2e-linuxbridge", ANSWERS) as host:
        applied = host("apply", "--output", "json")
        assert applied.code == 0, applied.err[-6000:]
        yield host


def test_smoke_proves_each_promise_of_every_cloud(bridges: Sandbox) -> None:
    smoke_proves(bridges)


def test_its_agents_are_those_of_bridges(bridges: Sandbox) -> None:
    told = bridges.sh(". /root/keystonerc_admin; openstack network agent list -f value -c Binary -c Alive")
    alive = {line.split()[-1] for line in told.splitlines() if "True" in line}
    routing = {"neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent"}
    assert alive == routing | {"neutron-linuxbridge-agent", "neutron-metering-agent"}
    assert "ovs-vswitchd" not in bridges.sh("ps -eo comm")


def test_tunnels_to_the_outside_can_be_asked_for(bridges: Sandbox) -> None:
    ask = "curl -s -o /dev/null -w '%{http_code}' -H \"X-Auth-Token: $(openstack token issue -f value -c id)\""
    url = "$(openstack endpoint list --service network --interface public -f value -c URL)/v2.0/vpn/ikepolicies"
    assert bridges.sh(f". /root/keystonerc_admin; {ask} {url}").strip() == "200"


def test_a_second_apply_changes_nothing(bridges: Sandbox) -> None:
    second_apply_changes_nothing(bridges)
