"""Deploy a complete cloud on a bare Debian 13 with its own OpenStack (Epoxy).

The cloud has OVN, secrets, objects, and volumes on Ceph.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from packstack_lite import sandbox as sandbox_api
from packstack_lite.resources.unit_holds import HOLD_FILE
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
from tests.e2e.interruption import await_boot
from tests.e2e.scan import SSH, open_ports

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


# Packages that bring a daemon; each unit has its package's name.
DAEMONS = ("memcached", "rabbitmq-server", "apache2", "barbican-api", "glance-api", "keystone", "placement-api")


def installed_daemons(node: Sandbox) -> List[str]:
    """Return the packages of DAEMONS that are configured."""
    states = node.sh(f"dpkg-query -W -f '${{Package}} ${{db:Status-Status}}\\n' {' '.join(DAEMONS)} 2>/dev/null; true")
    return [line.split()[0] for line in states.splitlines() if line.endswith(" installed")]


def start_apply(node: Sandbox, log: Path) -> "subprocess.Popen[bytes]":
    return node.tool.start("apply", "--sandbox", node.name, "--answer-file", str(node.answers), log=log)


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 1800
    while not condition():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.5)


def newest_run_log(node: Sandbox) -> str:
    """Return run.log of the newest run; it has every line of a job, a console without a terminal has a few."""
    logs = (node.tool.home / "state/packstack-lite").glob("*/*/run.log")
    return max(logs, key=lambda log: log.stat().st_mtime_ns).read_text()


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


# Slow: with the apply that follows it takes the place of the uninterrupted deployment, which make test must show.
@pytest.mark.slow
def test_runs_that_are_killed_while_packages_are_installed(debian13: Sandbox, tmp_path: Path) -> None:
    """The installation is neither stopped by the next run nor does it open a port, at a reboot either."""
    job = "packstack-lite-job-packages-apt.service"
    first = start_apply(debian13, tmp_path / "first.log")
    wait_for(lambda: len(installed_daemons(debian13)) >= 1, first, tmp_path / "first.log")
    first.kill()
    first.wait()
    installation = debian13.sh(f"systemctl show -P InvocationID {job}")
    second = start_apply(debian13, tmp_path / "second.log")
    wait_for(lambda: "waiting for its end" in newest_run_log(debian13), second, tmp_path / "second.log")
    assert debian13.sh(f"systemctl is-active {job}; systemctl show -P InvocationID {job}") == f"active\n{installation}"
    assert open_ports(sandbox_api.find(debian13.name).address) == {SSH}
    wait_for(lambda: len(installed_daemons(debian13)) >= 3, second, tmp_path / "second.log")
    second.kill()
    second.wait()
    sandbox_api.stop(debian13.name)
    sandbox_api.start(debian13.name)
    daemons = installed_daemons(debian13)
    await_boot(debian13)
    states = debian13.sh(f"systemctl show -P ActiveState -P ConditionResult {' '.join(daemons)}; true").split()
    enabled = debian13.sh(f"systemctl is-enabled {' '.join(daemons)}; true").split()
    assert daemons and "enabled" in enabled, "nothing would have started: the test shows nothing"
    assert set(states) == {"inactive", "no"}, states
    assert open_ports(sandbox_api.find(debian13.name).address) == {SSH}, debian13.sh("ss -tlnpH")
    assert "tcp dport" in debian13.sh("nft list table inet packstack_lite"), "the port filter is in force"


def test_apply_makes_no_change_that_plan_did_not_announce(debian13: Sandbox) -> None:
    assert_apply_matches_plan(debian13, "--distro", "debian13")


def test_nothing_is_held_after_it(debian13: Sandbox) -> None:
    assert debian13.sh(f"find /etc/systemd/system -name {HOLD_FILE}") == ""


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
