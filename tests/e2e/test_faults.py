"""Build faults during a deployment and on a deployed cloud; the same apply has to end with the same cloud.

``make test-faults`` deploys a cloud of its own, interrupts that deployment in every phase, and builds all faults on
it. Variables: FAULTS_AGENT=openvswitch for the other agent; E2E_FAULTS_SANDBOX and E2E_FAULTS_ANSWERS as in
``bare_node``.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

import pytest

from packstack_lite import sandbox as sandbox_api
from tests.conftest import Outcome, Tool
from tests.e2e.cloud_contract import STORAGE_CASES, assert_smoke_passes
from tests.e2e.conftest import (
    COMPLETE,
    OPENVSWITCH,
    OPTIONAL_PASSWORDS,
    PASSWORDS,
    Sandbox,
    bare_node,
    change_answers,
    hostile_passwords,
    other_sandboxes_stopped,
)
from tests.e2e.fault_table import CHANGED_ANSWER, FAULTS, Fault
from tests.e2e.interruption import RunningApply, await_boot, begins_work_in, cut_link_for, reboot, starts_phase
from tests.e2e.scan import SSH, all_public_ports, assert_only_public_ports_open, watched_ports
from tests.e2e.stored_data import checksums, store_data

pytestmark = pytest.mark.slow

RIVALS = 20
# A second cell1 would make Nova list and count each instance twice.
CELLS = ["cell0", "cell1"]
SIGNALS = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM, "interrupt": signal.SIGINT}
# Exit codes of a run that a fault stopped: no connection, a phase failed.
STOPPED_CODES = (4, 5)
INTERRUPTED_CODE = 130


@dataclass(frozen=True)
class Interruption:
    """What happens to a deployment once a phase has work to do.

    ``kind`` is a signal's name, cut or reboot; ``seconds`` is the length of a cut, or the time before a signal.
    ``prepare`` runs on the node before, so that the phase has something to do again.
    """

    phase: str
    kind: str
    seconds: float = 0.0
    prepare: str = ""

    def __str__(self) -> str:
        return f"{self.kind}-{self.seconds:g}s-in-{self.phase}" if self.seconds else f"{self.kind}-in-{self.phase}"


# A job of the run before goes on alone; one that fills the databases would do so after they were emptied.
_AWAIT_JOBS = "while systemctl is-active -q 'packstack-lite-job-*'; do sleep 1; done"
_STOP_SERVICES = "systemctl stop nova-scheduler nova-conductor glance-api"
_CHANGE_FILE = "echo '# another line' >> /etc/glance/glance-api.conf; true"
_EMPTY_SCHEMA = 'for d in placement glance; do mariadb -e "DROP DATABASE $d; CREATE DATABASE $d CHARSET utf8"; done'
INTERRUPTIONS = (
    Interruption("Prepare", "kill"),
    Interruption("Packages", "kill", 10),
    Interruption("Packages", "cut", 10),
    Interruption("Packages", "reboot"),
    Interruption("Packages", "cut", 90),
    Interruption("Platform", "kill"),
    Interruption("Databases", "kill"),
    Interruption("Configure", "kill"),
    Interruption("Configure", "terminate", 0, _CHANGE_FILE),
    Interruption("Schema", "kill"),
    Interruption("Schema", "cut", 10, _EMPTY_SCHEMA),
    Interruption("Schema", "cut", 90, _EMPTY_SCHEMA),
    Interruption("Catalog", "kill"),
    Interruption("Services", "kill"),
    Interruption("Services", "cut", 10),
    Interruption("Services", "interrupt", 0, _STOP_SERVICES),
    Interruption("Services", "reboot", 0, _STOP_SERVICES),
    Interruption("Services", "cut", 90, _STOP_SERVICES),
    Interruption("Networks", "kill"),
    Interruption("Demo", "kill"),
)


@pytest.fixture(scope="module")
def cloud(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare node, which the first tests deploy."""
    agent = OPENVSWITCH if os.environ.get("FAULTS_AGENT") == "openvswitch" else {}
    answers = {**hostile_passwords(PASSWORDS + OPTIONAL_PASSWORDS), **COMPLETE, **agent}
    with (
        other_sandboxes_stopped(),
        bare_node(tool, tmp_path_factory.mktemp("faults"), "e2e-faults", answers) as node,
    ):
        yield node


@pytest.fixture(scope="module")
def healthy(cloud: Sandbox) -> Dict[str, Any]:
    """What must be the same after every fault: data, and sockets that listen."""
    store_data(cloud)
    return {"data": checksums(cloud), "sockets": listening_sockets(cloud)}


def listening_sockets(cloud: Sandbox) -> Set[str]:
    """Return address, port and program of every TCP socket that listens; not an instance's, nor dynamic ones."""
    script = "ss -ltnpH | sed 's/pid=[0-9]*,fd=[0-9]*//g' | awk '{print $4, $6}' | grep -v -e qemu -e ceph"
    return set(cloud.sh(script).splitlines())


def assert_recovers(cloud: Sandbox, healthy: Dict[str, Any]) -> None:
    """Fail unless the same apply leads to the cloud as it was."""
    applied = cloud("apply", "--output", "json")
    assert applied.code == 0, applied.err[-6000:]
    assert_as_before(cloud, healthy)


def assert_as_before(cloud: Sandbox, healthy: Dict[str, Any]) -> None:
    """Fail unless verify is content, the data are kept and the same sockets listen.

    FAULTS_SMOKE=each runs the smoke test, too (``make test-faults``).
    """
    assert_verify_becomes_content(cloud)
    assert checksums(cloud) == healthy["data"]
    assert_sockets_become(cloud, healthy["sockets"])
    assert cloud.sh("mariadb -N -e 'SELECT name FROM nova_api.cell_mappings ORDER BY id'").split() == CELLS
    if os.environ.get("FAULTS_SMOKE") == "each":
        assert_smoke_passes(cloud, STORAGE_CASES)


def assert_verify_becomes_content(cloud: Sandbox, seconds: float = 120) -> None:
    """Fail unless verify finds nothing within so many seconds.

    Agents that lost the queue report themselves again after a while: Neutron's every 30 s, dead after 75.
    """
    deadline = time.monotonic() + seconds
    while (verified := cloud("verify", "--output", "json")).code:
        faults = verified.data["faults"] if verified.out else verified.err[-3000:]
        assert time.monotonic() < deadline, faults
        time.sleep(5)
    assert verified.data["faults"] == []


def assert_sockets_become(cloud: Sandbox, expected: Set[str], seconds: float = 60) -> None:
    """Fail unless exactly these sockets listen within so many seconds: some services open theirs late."""
    deadline = time.monotonic() + seconds
    while (found := listening_sockets(cloud)) != expected:
        assert time.monotonic() < deadline, f"more: {found - expected}, missing: {expected - found}"
        time.sleep(2)


def assert_explained(result: Outcome) -> None:
    """Fail if a run that failed shows a traceback, or calls itself a bug."""
    assert "Traceback" not in result.err and "should not have happened" not in result.err, result.err[-4000:]


@pytest.mark.parametrize("interruption", INTERRUPTIONS, ids=str)
def test_a_deployment_is_interrupted(cloud: Sandbox, interruption: Interruption) -> None:
    """In order, on one node: each apply goes on where the one before was interrupted."""
    if interruption.prepare:
        cloud.sh(f"{_AWAIT_JOBS}; {interruption.prepare}")
    run = RunningApply(cloud)
    met = run.wait_for(begins_work_in(interruption.phase))
    if met is None:
        pytest.fail(f"nothing to do in {interruption.phase}: {run.finish().err[-3000:]}")
    if interruption.kind in SIGNALS:
        time.sleep(interruption.seconds)
    elif interruption.kind == "cut":
        cut_link_for(cloud, interruption.seconds)
        count = len(run.events())
        run.wait_for(lambda event: len(run.events()) > count)
    else:
        with watched_ports(sandbox_api.find(cloud.name).address) as answered:
            reboot(cloud)
            await_boot(cloud)
        assert SSH in answered and answered <= all_public_ports(), answered
        result = run.finish(timeout=300)
        assert result.code in STOPPED_CODES, result.err[-3000:]
        assert_explained(result)
        return
    result = run.kill(SIGNALS.get(interruption.kind, signal.SIGKILL))
    assert result.code in (-signal.SIGKILL, INTERRUPTED_CODE, 0, *STOPPED_CODES), result.err[-3000:]
    if result.code == INTERRUPTED_CODE:
        assert "run the same command again" in result.err, result.err[-3000:]
    assert_explained(result)


def test_the_interrupted_deployment_ends_with_a_cloud(cloud: Sandbox) -> None:
    applied = cloud("apply", "--output", "json")
    assert applied.code == 0, applied.err[-6000:]
    assert_smoke_passes(cloud, STORAGE_CASES)
    assert_only_public_ports_open(cloud)
    again = cloud("apply", "--output", "json")
    assert (again.code, again.data["changes"], again.data["restarted"]) == (0, [], []), again.err[-3000:]


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, id=fault.name) for fault in FAULTS],
)
def test_a_fault_is_mended_by_the_same_apply(cloud: Sandbox, healthy: Dict[str, Any], fault: Fault) -> None:
    before = cloud.answers.read_text()
    cloud.sh(fault.build)
    try:
        if fault.with_change:
            change_answers(cloud.answers, CHANGED_ANSWER)
        if fault.refusal or fault.repair:
            try:
                result = cloud("apply", "--output", "json")
            finally:
                cloud.sh(fault.repair)
            assert_explained(result)
            if fault.refusal:
                assert result.code in (3, 5), result.err[-3000:]
                assert fault.refusal in result.err, result.err[-3000:]
        assert_recovers(cloud, healthy)
    finally:
        if fault.with_change:
            cloud.answers.write_text(before)
            assert cloud("apply").code == 0


def test_a_port_that_is_taken_after_preflight_is_named(cloud: Sandbox, healthy: Dict[str, Any]) -> None:
    """Glance's port, while its configuration is being changed."""
    before = cloud.answers.read_text()
    change_answers(cloud.answers, {"CONFIG_SERVICE_WORKERS": "3"})
    run = RunningApply(cloud)
    try:
        assert run.wait_for(starts_phase("Configure")), run.finish().err[-3000:]
        cloud.sh(
            "systemctl stop glance-api; systemd-run -q --unit=taker python3 -m http.server 9292; "
            "for i in 1 2 3 4 5 6 7 8 9; do ss -ltnH | grep -q ':9292 ' && exit 0; sleep 0.5; done; exit 1"
        )
        result = run.finish()
    finally:
        cloud.sh("systemctl stop taker; true")
    assert result.code == 5, (result.code, result.err[-3000:])
    assert_explained(result)
    assert "glance-api" in result.err and "9292" in result.err, result.err[-3000:]
    cloud.answers.write_text(before)
    assert_recovers(cloud, healthy)


def test_of_two_runs_at_once_one_works_and_one_names_it(
    cloud: Sandbox, healthy: Dict[str, Any], tmp_path: Path
) -> None:
    """From two homes with the same passwords, the second on a machine of another name."""
    for passwords in cloud.tool.home.glob("state/packstack-lite/*/passwords.json"):
        copy = tmp_path / passwords.relative_to(cloud.tool.home)
        copy.parent.mkdir(parents=True)
        shutil.copy(passwords, copy)
    before = cloud.answers.read_text()
    change_answers(cloud.answers, CHANGED_ANSWER)
    first = RunningApply(cloud)
    assert first.wait_for(starts_phase("Configure"))
    other_machine = ["unshare", "--uts", "sh", "-c", 'hostname another-machine && exec "$@"', "sh"]
    second = RunningApply(cloud, prefix=other_machine, home=tmp_path).finish()
    result = first.finish()
    assert result.code == 0, result.err[-3000:]
    assert second.code == 7, second.err[-3000:]
    assert "locked by another run" in second.err and "process" in second.err
    cloud.answers.write_text(before)
    assert_recovers(cloud, healthy)


def test_of_many_rivals_at_a_stale_lock_each_works_alone(cloud: Sandbox, healthy: Dict[str, Any]) -> None:
    """Twenty runs find the lock of a run that was killed; whoever has it ends, and all others name an owner."""
    cloud.sh(next(fault.build for fault in FAULTS if fault.name == "a lock of a process that has ended"))
    with ThreadPoolExecutor(RIVALS) as pool:
        results: List[Outcome] = list(pool.map(lambda _: cloud("apply", "--output", "json"), range(RIVALS)))
    codes = sorted(result.code for result in results)
    assert codes[0] == 0 and set(codes) <= {0, 7}, [result.err[-500:] for result in results]
    assert all("locked by another run" in result.err for result in results if result.code == 7)
    assert_as_before(cloud, healthy)


def test_every_password_and_name_is_changed_at_once(cloud: Sandbox, healthy: Dict[str, Any]) -> None:
    """All passwords of the answer file, and the names of accounts and region; then back.

    The hash suffix of Swift's rings and Barbican's key encryption key are not passwords: data depend on them.
    """
    before = cloud.answers.read_text()
    names = [name for name in PASSWORDS + OPTIONAL_PASSWORDS if name != "CONFIG_SWIFT_HASH"]
    changed = {
        **{name: f"another one {index}: $x`'" for index, name in enumerate(names)},
        "CONFIG_AMQP_AUTH_USER": "courier",
        "CONFIG_KEYSTONE_ADMIN_USERNAME": "chief",
        "CONFIG_KEYSTONE_REGION": "RegionTwo",
    }
    change_answers(cloud.answers, changed)
    assert_recovers(cloud, healthy)
    cloud.answers.write_text(before)
    assert_recovers(cloud, healthy)


def test_all_is_back_after_a_reboot_at_the_end(cloud: Sandbox, healthy: Dict[str, Any]) -> None:
    reboot(cloud)
    assert_only_public_ports_open_soon(cloud)
    assert_recovers(cloud, healthy)
    assert_smoke_passes(cloud, STORAGE_CASES)


def assert_only_public_ports_open_soon(cloud: Sandbox) -> None:
    """Scan once the services have come back after a boot."""
    assert_verify_becomes_content(cloud, 600)
    assert_only_public_ports_open(cloud)
