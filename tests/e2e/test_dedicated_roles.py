"""Deploy every role on another node than the controller, with an existing database and Open vSwitch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.cloud_contract import STORAGE_CASES, assert_smoke_passes
from tests.e2e.conftest import (
    COMPLETE,
    OPENVSWITCH,
    RUNNING_SANDBOXES,
    Sandbox,
    change_answers,
    other_sandboxes_stopped,
    write_answers,
)
from tests.e2e.segment import address, sh

pytestmark = pytest.mark.slow

NAME = "e2e-spread"
NETWORK, COMPUTE, SERVERS = (f"{NAME}-{number}" for number in (2, 3, 4))
PASSWORD = 'it\'s "theirs" $x'
INSTALL_DATABASE = """
export DEBIAN_FRONTEND=noninteractive
apt-get -q update && apt-get -q -y install --no-install-recommends mariadb-server || exit 1
printf '[mysqld]\\nbind-address = 0.0.0.0\\nmax_connections = 2000\\n' > /etc/mysql/mariadb.conf.d/99-theirs.cnf
systemctl restart mariadb && mariadb
"""
CREATE_ACCOUNT = """
CREATE DATABASE theirs;
CREATE USER packer@'%' IDENTIFIED BY '{password}';
GRANT ALL ON *.* TO packer@'%' WITH GRANT OPTION;
"""


@pytest.fixture(scope="module")
def cloud(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Controller, network node, hypervisor, and a node with an existing database, the queue and the storage.

    For developers: E2E_SPREAD_ANSWERS names an answer file; the sandboxes, named as here, are used and kept.
    """
    if "E2E_SPREAD_ANSWERS" in os.environ:
        yield Sandbox(NAME, tool, Path(os.environ["E2E_SPREAD_ANSWERS"]))
        return
    with other_sandboxes_stopped():
        RUNNING_SANDBOXES.append(NAME)
        up_result = tool("sandbox", "up", NAME, "--hosts", "4")
        assert up_result.code == 0, up_result.err
        sh(SERVERS, INSTALL_DATABASE, CREATE_ACCOUNT.format(password=PASSWORD.replace("'", "''")))
        answers = tmp_path_factory.mktemp("spread") / "answers.txt"
        database_answers = {"INSTALL": "n", "HOST": address(SERVERS), "USER": "packer", "PW": PASSWORD}
        changes = {
            **COMPLETE,
            **OPENVSWITCH,
            "CONFIG_CONTROLLER_HOST": address(NAME),
            # As with Packstack, storage on another node needs this answer.
            "CONFIG_UNSUPPORTED": "y",
            "CONFIG_STORAGE_HOST": address(SERVERS),
            "CONFIG_NETWORK_HOSTS": address(NETWORK),
            "CONFIG_COMPUTE_HOSTS": address(COMPUTE),
            "CONFIG_AMQP_HOST": address(SERVERS),
            **{f"CONFIG_MARIADB_{name}": text for name, text in database_answers.items()},
        }
        write_answers(answers, tool, NAME, changes)
        yield Sandbox(NAME, tool, answers)
        assert tool("sandbox", "down", NAME).code == 0
        RUNNING_SANDBOXES.remove(NAME)


def test_apply_deploys_every_node_and_a_second_one_changes_nothing(cloud: Sandbox) -> None:
    if "E2E_SPREAD_ANSWERS" not in os.environ:
        first_result = cloud("apply", "--output", "json", timeout=2400)
        assert first_result.code == 0, first_result.err[-5000:]
        assert all(node["changes"] > 5 for node in first_result.data["hosts"]), first_result.data["hosts"]
        assert len(first_result.data["hosts"]) == 4
    second_result = cloud("apply", "--output", "json")
    assert second_result.code == 0, second_result.err[-3000:]
    assert (second_result.data["changes"], second_result.data["restarted"]) == ([], [])
    assert cloud("verify", "--output", "json").data["faults"] == []


def test_each_node_runs_only_the_services_of_its_roles(cloud: Sandbox) -> None:
    listening = "ss -Htln | awk '{ sub(/.*:/, \"\", $4); print $4 }'"
    ports = {name: set(sh(name, listening).split()) for name in (NAME, NETWORK, COMPUTE, SERVERS)}
    assert {"5000", "8774", "9696"} <= ports[NAME] and not {"3306", "5672"} & ports[NAME]
    assert {"3306", "5672"} <= ports[SERVERS] and "5000" not in ports[SERVERS]
    running = "systemctl list-units --state=running --plain --no-legend | cut -d. -f1"
    units = {name: set(sh(name, running).split()) for name in (NAME, NETWORK, COMPUTE, SERVERS)}
    assert {"neutron-l3-agent", "neutron-dhcp-agent", "neutron-openvswitch-agent"} <= units[NETWORK]
    assert {"nova-compute", "neutron-openvswitch-agent"} <= units[COMPUTE]
    # Objects and images are on the controller, with their APIs.
    storage = {"cinder-volume", "cinder-backup", "ceph-mon@" + SERVERS, "ceph-osd@0"}
    assert storage <= units[SERVERS] and {"barbican-api", "swift-object", "glance-api"} <= units[NAME]
    assert not {"nova-compute", "neutron-l3-agent", *storage} & units[NAME]
    assert "nova-compute" not in units[NETWORK] and "neutron-l3-agent" not in units[COMPUTE]


def test_an_existing_database_server_is_used_and_keeps_its_other_data(cloud: Sandbox) -> None:
    databases = sh(SERVERS, "mariadb -N -e 'SHOW DATABASES'").split()
    assert {"theirs", "keystone", "nova_cell0", "neutron"} <= set(databases)
    assert sh(SERVERS, "cat /etc/mysql/mariadb.conf.d/99-theirs.cnf").startswith("[mysqld]")


def test_smoke_passes_from_the_network_node(cloud: Sandbox) -> None:
    # Smoke runs on the network node: the image file is on the controller, so Glance's copy is used. The devices of
    # encrypted volumes are on the storage node.
    assert_smoke_passes(cloud, STORAGE_CASES, not_passed=["volume_encrypted"])


def test_an_excluded_node_is_not_probed(cloud: Sandbox) -> None:
    excluded_address = address(COMPUTE)
    sh(COMPUTE, "systemctl stop nova-compute")
    result = cloud("plan", f"--exclude-servers={excluded_address}", "--output", "json")
    assert result.code == 0, result.err
    assert [change for change in result.data["changes"] if change["host"] == excluded_address] == []
    apply_result = cloud("apply", "--output", "json")
    assert apply_result.code == 0, apply_result.err[-3000:]
    assert "unit:nova-compute" in {
        change["resource"] for change in apply_result.data["changes"] if change["host"] == excluded_address
    }


def test_smoke_passes_with_security_groups_by_iptables(cloud: Sandbox) -> None:
    """With iptables_hybrid a Linux bridge is between each instance and the switch."""
    change_answers(cloud.answers, {"CONFIG_NEUTRON_FIREWALL_DRIVER": "iptables_hybrid"})
    result = cloud("apply", "--output", "json")
    assert result.code == 0, result.err[-3000:]
    assert {change["host"] for change in result.data["changes"]} == {address(NETWORK), address(COMPUTE)}
    assert_smoke_passes(cloud, not_passed=["volume_encrypted"])
