"""Deploy a complete cloud on a bare Debian 13 with its own OpenStack (Epoxy).

The cloud has OVN, secrets, objects, and volumes on Ceph.
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
    OPTIONAL_PASSWORDS,
    PASSWORDS,
    Sandbox,
    bare_node,
    hostile_passwords,
    other_sandboxes_stopped,
)

# The version that each service's program prints in Epoxy (2025.1).
PROGRAMS = {
    "keystone-manage --version": "27.",
    "glance-manage --version": "30.",
    "placement-manage --version": "13.",
    "nova-manage --version": "31.",
    "neutron-server --version": "26.",
    "cinder-manage --version": "26.",
    "barbican-manage --version": "20.",
}
# The newest versions of the running APIs: Epoxy's microversion of nova, Epoxy's image API (Zed's: 2.93 and v2.15).
NOVA, GLANCE = "2.100", "v2.17"


@pytest.fixture(scope="module")
def debian13(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare Debian 13 (E2E_DEBIAN13_SANDBOX, _ANSWERS and _TREE: see bare_node)."""
    directory = tmp_path_factory.mktemp("debian13")
    answers = {**hostile_passwords(PASSWORDS + OPTIONAL_PASSWORDS), **COMPLETE}
    with other_sandboxes_stopped(), bare_node(tool, directory, "e2e-debian13", answers, "debian13") as node:
        yield node


def test_it_is_debian_13(debian13: Sandbox) -> None:
    assert 'VERSION_ID="13"' in debian13.sh("cat /etc/os-release")


def test_distro_that_the_node_does_not_run_is_refused(debian13: Sandbox) -> None:
    refused = debian13("plan", "--distro", "debian12")
    assert refused.code == 2, refused.err
    assert "runs debian13, not debian12" in refused.err


def test_apply_makes_no_change_that_plan_did_not_announce(debian13: Sandbox) -> None:
    assert_apply_matches_plan(debian13, "--distro", "debian13")


def test_smoke_passes(debian13: Sandbox) -> None:
    assert_smoke_passes(debian13, STORAGE_CASES)


def test_second_apply_changes_nothing_and_restarts_nothing(debian13: Sandbox) -> None:
    assert_second_apply_changes_nothing(debian13)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_epoxys(debian13: Sandbox, program: str) -> None:
    assert debian13.sh(f"{program} 2>&1").split()[-1].startswith(PROGRAMS[program])


def test_running_apis_speak_epoxys_newest_versions(debian13: Sandbox) -> None:
    address = debian13.sh("hostname -I").split()[0]
    nova = json.loads(debian13.sh(f"curl -s http://{address}:8774/v2.1/"))["version"]
    assert nova["version"] == NOVA
    glance = json.loads(debian13.sh(f"curl -s http://{address}:9292/versions"))["versions"]
    assert GLANCE in {entry["id"] for entry in glance if entry["status"] == "CURRENT"}


def test_no_unit_is_failed_or_restarting(debian13: Sandbox) -> None:
    assert debian13.sh("systemctl list-units --type=service --state=failed,activating --plain --no-legend") == ""
