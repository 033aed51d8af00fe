"""Deploy a cloud on Zed with Linux bridges, the metering agent and VPNaaS."""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.cloud_contract import assert_second_apply_changes_nothing, assert_smoke_passes
from tests.e2e.conftest import Sandbox, bare_node, other_sandboxes_stopped

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
    """The deployed cloud."""
    with (
        other_sandboxes_stopped(),
        bare_node(tool, tmp_path_factory.mktemp("linuxbridge"), "e2e-linuxbridge", ANSWERS) as node,
    ):
        applied = node("apply", "--output", "json")
        assert applied.code == 0, applied.err[-6000:]
        yield node


def test_smoke_passes(bridges: Sandbox) -> None:
    assert_smoke_passes(bridges)


def test_linux_bridge_agents_are_alive_and_no_switch_runs(bridges: Sandbox) -> None:
    output = bridges.sh(". /root/keystonerc_admin; openstack network agent list -f value -c Binary -c Alive")
    alive = {line.split()[-1] for line in output.splitlines() if "True" in line}
    routing = {"neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent"}
    assert alive == routing | {"neutron-linuxbridge-agent", "neutron-metering-agent"}
    assert "ovs-vswitchd" not in bridges.sh("ps -eo comm")


def test_the_vpn_api_answers(bridges: Sandbox) -> None:
    curl = "curl -s -o /dev/null -w '%{http_code}' -H \"X-Auth-Token: $(openstack token issue -f value -c id)\""
    url = "$(openstack endpoint list --service network --interface public -f value -c URL)/v2.0/vpn/ikepolicies"
    assert bridges.sh(f". /root/keystonerc_admin; {curl} {url}").strip() == "200"


def test_a_second_apply_changes_nothing(bridges: Sandbox) -> None:
    assert_second_apply_changes_nothing(bridges)
