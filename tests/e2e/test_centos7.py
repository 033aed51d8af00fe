"""The main job on the test host with CentOS 7's layout, from bare: Train's own code, the network as in the notes."""

from __future__ import annotations

import json
from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.cloud_contract import STORAGE, apply_does_what_plan_announced, second_apply_changes_nothing, smoke_proves
from tests.e2e.conftest import COMPLETE, MORE_PASSWORDS, OPENVSWITCH, PASSWORDS, Sandbox, alone, bare_host, hostile
from tests.e2e.pitfalls import goes
from tests.hosts import train

# Each service's own word for Train, as its program says it.
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
# The newest that the running API speaks.
NOVA, GLANCE = "2.79", "v2.9"


@pytest.fixture(scope="module")
def centos7(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare host with CentOS 7's layout (E2E_CENTOS7_SANDBOX, _ANSWERS and _TREE: see bare_host)."""
    if not train.find_interpreter():
        pytest.skip("Train's own code needs a CPython 3.6, and pyenv has none on this machine: see test_centos7_zed.py")
    answers = tmp_path_factory.mktemp("centos7")
    everything = {**hostile(PASSWORDS + MORE_PASSWORDS), **COMPLETE, **OPENVSWITCH}
    with alone(), bare_host(tool, answers, "e2e-centos7", everything, "el7") as host:
        yield host


def test_it_looks_like_centos_7(centos7: Sandbox) -> None:
    assert 'PRETTY_NAME="CentOS Linux 7 (Core)"' in centos7.sh("cat /etc/os-release")
    assert centos7.sh("cat /etc/centos-release").strip() == "CentOS Linux release 7.9.2009 (Core)"
    assert centos7.sh("rpm -q --whatprovides python2").startswith("python-2.7.5")
    assert centos7.sh("command -v python3 apt-get dpkg", check=False) == ""


def test_apply_does_what_plan_announced_and_ends_with_a_cloud(centos7: Sandbox) -> None:
    apply_does_what_plan_announced(centos7, "--distro", "el7")


def test_smoke_proves_each_promise(centos7: Sandbox) -> None:
    smoke_proves(centos7, STORAGE)


def test_second_apply_changes_nothing_and_restarts_nothing(centos7: Sandbox) -> None:
    second_apply_changes_nothing(centos7)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_trains(centos7: Sandbox, program: str) -> None:
    assert centos7.sh(f"{program} 2>&1").split()[-1] == PROGRAMS[program]


def test_running_apis_speak_trains_newest_versions(centos7: Sandbox) -> None:
    address = centos7.sh("hostname -I").split()[0]
    # Train's nova tells of one version to those it knows only; the list is for everybody.
    nova = json.loads(centos7.sh(f"curl -s http://{address}:8774/"))["versions"]
    assert NOVA in {entry["version"] for entry in nova if entry["status"] == "CURRENT"}
    glance = json.loads(centos7.sh(f"curl -s http://{address}:9292/versions"))["versions"]
    assert GLANCE in {entry["id"] for entry in glance if entry["status"] == "CURRENT"}


def test_nothing_has_failed_and_nothing_restarts_for_ever(centos7: Sandbox) -> None:
    assert centos7.sh("systemctl list-units --type=service --state=failed,activating --plain --no-legend") == ""


@pytest.mark.slow
def test_what_somebody_has_removed_from_under_the_cloud_comes_back(centos7: Sandbox) -> None:
    """The web server and two modules: preflight tells and brings the packages again, apply the rest."""
    centos7.sh("systemctl stop httpd && rpm -e --nodeps httpd PyYAML pytz")
    goes(
        centos7,
        {"httpd": "httpd is no longer installed", "python": "python2 cannot import yaml, pytz, which OpenStack's"},
    )
    applied = centos7("apply", "--output", "json")
    assert applied.code == 0, applied.err[-3000:]
    assert centos7("verify").code == 0
    assert centos7.sh(". /root/keystonerc_admin; openstack token issue -f value -c id")
