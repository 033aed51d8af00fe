"""Deploy a complete cloud on a test node with CentOS 7's layout.

It runs Train's own code, and Open vSwitch.
"""

from __future__ import annotations

import json
from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.cloud_contract import (
    STORAGE_CASES,
    assert_apply_matches_plan,
    assert_second_apply_changes_nothing,
    assert_smoke_passes,
)
from tests.e2e.conftest import (
    COMPLETE,
    OPENVSWITCH,
    OPTIONAL_PASSWORDS,
    PASSWORDS,
    Sandbox,
    bare_node,
    hostile_passwords,
    other_sandboxes_stopped,
)
from tests.e2e.pitfalls import assert_fixable
from tests.hosts import train
from tests.rehearsal_services import without_absent_services

# The version that each service's program prints in Train.
PROGRAMS = {
    "keystone-manage --version": "16.0.2",
    "glance-manage --version": "19.0.4",
    "placement-manage --version": "2.0.1",
    "nova-manage --version": "20.6.1",
    "neutron-server --version": "15.3.4",
    "cinder-manage --version": "15.6.0",
    "barbican-manage --version": "9.0.1",
    "openstack --version": "4.0.2",
}
# The newest versions of the running APIs.
NOVA, GLANCE = "2.79", "v2.9"


@pytest.fixture(scope="module")
def centos7(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare node with CentOS 7's layout.

    For E2E_CENTOS7_SANDBOX, _ANSWERS and _TREE see bare_node.
    """
    if not train.find_interpreter():
        pytest.skip("Train's own code needs a CPython 3.6, and pyenv has none on this machine: see test_centos7_zed.py")
    directory = tmp_path_factory.mktemp("centos7")
    answers = {
        **hostile_passwords(PASSWORDS + OPTIONAL_PASSWORDS),
        **without_absent_services(COMPLETE, "el7"),
        **OPENVSWITCH,
    }
    with other_sandboxes_stopped(), bare_node(tool, directory, "e2e-centos7", answers, "el7") as node:
        yield node


def test_it_looks_like_centos_7(centos7: Sandbox) -> None:
    assert 'PRETTY_NAME="CentOS Linux 7 (Core)"' in centos7.sh("cat /etc/os-release")
    assert centos7.sh("cat /etc/centos-release").strip() == "CentOS Linux release 7.9.2009 (Core)"
    assert centos7.sh("rpm -q --whatprovides python2").startswith("python-2.7.5")
    assert centos7.sh("command -v python3 apt-get dpkg", check=False) == ""


def test_apply_makes_no_change_that_plan_did_not_announce(centos7: Sandbox) -> None:
    assert_apply_matches_plan(centos7, "--distro", "el7")


def test_smoke_passes(centos7: Sandbox) -> None:
    assert_smoke_passes(centos7, STORAGE_CASES)


def test_second_apply_changes_nothing_and_restarts_nothing(centos7: Sandbox) -> None:
    assert_second_apply_changes_nothing(centos7)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_trains(centos7: Sandbox, program: str) -> None:
    assert centos7.sh(f"{program} 2>&1").split()[-1] == PROGRAMS[program]


def test_running_apis_speak_trains_newest_versions(centos7: Sandbox) -> None:
    address = centos7.sh("hostname -I").split()[0]
    # Train's nova shows a single version to authenticated users only, the list to everybody.
    nova = json.loads(centos7.sh(f"curl -s http://{address}:8774/"))["versions"]
    assert NOVA in {entry["version"] for entry in nova if entry["status"] == "CURRENT"}
    glance = json.loads(centos7.sh(f"curl -s http://{address}:9292/versions"))["versions"]
    assert GLANCE in {entry["id"] for entry in glance if entry["status"] == "CURRENT"}


def test_no_unit_is_failed_or_restarting(centos7: Sandbox) -> None:
    assert centos7.sh("systemctl list-units --type=service --state=failed,activating --plain --no-legend") == ""


@pytest.mark.slow
def test_removed_packages_are_reinstalled_by_fix_and_apply(centos7: Sandbox) -> None:
    """preflight --fix reinstalls the web server and two modules; apply does the rest."""
    centos7.sh("systemctl stop httpd && rpm -e --nodeps httpd PyYAML pytz")
    assert_fixable(
        centos7,
        {"httpd": "httpd is no longer installed", "python": "python2 cannot import yaml, pytz, which OpenStack's"},
    )
    applied = centos7("apply", "--output", "json")
    assert applied.code == 0, applied.err[-3000:]
    assert centos7("verify").code == 0
    assert centos7.sh(". /root/keystonerc_admin; openstack token issue -f value -c id")
