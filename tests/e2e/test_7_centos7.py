"""The main job on the test host with CentOS 7's layout, from bare: Train's own code, the network as in the notes."""

from __future__ import annotations

import json
from typing import Iterator

import pytest

from packstack_lite.sandbox import train
from tests.conftest import Tool
from tests.e2e.conftest import OPENVSWITCH, PASSWORDS, Sandbox, alone, bare_host, hostile

# Each service's own word for Train, as its program says it.
PROGRAMS = {
    "keystone-manage --version": "16.0.2",
    "glance-manage --version": "19.0.4",
    "placement-manage --version": "2.0.1",
    "nova-manage --version": "20.6.1",
    "neutron-server --version": "15.3.4",
    "openstack --version": "4.0.2",
}
# The newest that the running API speaks.
NOVA, GLANCE = "2.79", "v2.9"


@pytest.fixture(scope="module")
def centos7(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare host with CentOS 7's layout (E2E_CENTOS7_SANDBOX, _ANSWERS and _TREE: see bare_host)."""
    if not train.interpreter():
        pytest.skip("Train's own code needs a CPython 3.6, and pyenv has none on this machine")
    answers = tmp_path_factory.mktemp("centos7")
    with alone(), bare_host(tool, answers, "e2e-centos7", {**hostile(PASSWORDS), **OPENVSWITCH}, "el7") as host:
        yield host


def test_it_looks_like_centos_7(centos7: Sandbox) -> None:
    assert 'PRETTY_NAME="CentOS Linux 7 (Core)"' in centos7.sh("cat /etc/os-release")
    assert centos7.sh("cat /etc/centos-release").strip() == "CentOS Linux release 7.9.2009 (Core)"
    assert centos7.sh("rpm -q --whatprovides python2").startswith("python-2.7.5")
    assert centos7.sh("command -v python3 apt-get dpkg", check=False) == ""


def test_apply_does_what_plan_announced_and_ends_with_a_cloud(centos7: Sandbox) -> None:
    planned = centos7("plan", "--exit-code", "--output", "json", "--distro", "el7")
    assert planned.code == 10, planned.err
    applied = centos7("apply", "--output", "json")
    assert applied.code == 0, applied.err[-6000:]
    announced = {change["resource"] for change in planned.data["changes"]}
    assert {change["resource"] for change in applied.data["changes"]} <= announced


def test_smoke_proves_each_promise(centos7: Sandbox) -> None:
    smoked = centos7("smoke", "--output", "json")
    outcomes = {case["name"]: (case["outcome"], case["detail"]) for case in smoked.data["cases"]}
    assert smoked.code == 0, outcomes
    assert {outcome for outcome, _ in outcomes.values()} == {"passed"}, outcomes
    assert {"token", "catalog", "instance", "ping", "ssh", "console", "horizon"} <= set(outcomes)


def test_second_apply_changes_nothing_and_restarts_nothing(centos7: Sandbox) -> None:
    before = centos7.started()
    applied = centos7("apply", "--output", "json")
    assert applied.code == 0, applied.err[-3000:]
    assert (applied.data["changes"], applied.data["restarted"]) == ([], [])
    assert centos7.started() == before


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
