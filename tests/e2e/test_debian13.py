"""The main job on Debian 13 with its own OpenStack (Epoxy), from bare: OVN, secrets, objects, volumes on Ceph."""

from __future__ import annotations

import json
from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.cloud_contract import STORAGE, apply_does_what_plan_announced, second_apply_changes_nothing, smoke_proves
from tests.e2e.conftest import COMPLETE, MORE_PASSWORDS, PASSWORDS, Sandbox, alone, bare_host, hostile

# Each service's own word for Epoxy (2025.1), as its program says it.
PROGRAMS = {
    "keystone-manage --version": "27.",
    "glance-manage --version": "30.",
    "placement-manage --version": "13.",
    "nova-manage --version": "31.",
    "neutron-server --version": "26.",
    "cinder-manage --version": "26.",
    "barbican-manage --version": "20.",
}
# The newest that the running API speaks: Epoxy's microversion of nova, Epoxy's image API (Zed's: 2.93 and v2.15).
NOVA, GLANCE = "2.100", "v2.17"


@pytest.fixture(scope="module")
def debian13(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare Debian 13 (E2E_DEBIAN13_SANDBOX, _ANSWERS and _TREE: see bare_host)."""
    answers = tmp_path_factory.mktemp("debian13")
    everything = {**hostile(PASSWORDS + MORE_PASSWORDS), **COMPLETE}
    with alone(), bare_host(tool, answers, "e2e-debian13", everything, "debian13") as host:
        yield host


def test_it_is_debian_13(debian13: Sandbox) -> None:
    assert 'VERSION_ID="13"' in debian13.sh("cat /etc/os-release")


def test_another_distro_is_not_promised_of_a_host_that_is_there(debian13: Sandbox) -> None:
    refused = debian13("plan", "--distro", "debian12")
    assert refused.code == 2, refused.err
    assert "runs debian13, not debian12" in refused.err


def test_apply_does_what_plan_announced_and_ends_with_a_cloud(debian13: Sandbox) -> None:
    apply_does_what_plan_announced(debian13, "--distro", "debian13")


def test_smoke_proves_each_promise(debian13: Sandbox) -> None:
    smoke_proves(debian13, STORAGE)


def test_second_apply_changes_nothing_and_restarts_nothing(debian13: Sandbox) -> None:
    second_apply_changes_nothing(debian13)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_epoxys(debian13: Sandbox, program: str) -> None:
    assert debian13.sh(f"{program} 2>&1").split()[-1].startswith(PROGRAMS[program])


def test_running_apis_speak_epoxys_newest_versions(debian13: Sandbox) -> None:
    address = debian13.sh("hostname -I").split()[0]
    nova = json.loads(debian13.sh(f"curl -s http://{address}:8774/v2.1/"))["version"]
    assert nova["version"] == NOVA
    glance = json.loads(debian13.sh(f"curl -s http://{address}:9292/versions"))["versions"]
    assert GLANCE in {entry["id"] for entry in glance if entry["status"] == "CURRENT"}


def test_nothing_has_failed_and_nothing_restarts_for_ever(debian13: Sandbox) -> None:
    assert debian13.sh("systemctl list-units --type=service --state=failed,activating --plain --no-legend") == ""
