"""Run jobs on a real systemd: in parallel, in order, and over a lost connection."""

from __future__ import annotations

import time
from typing import Any, Iterator, List

import pytest

from packstack_lite import sandbox as sandbox_api
from packstack_lite.remote.command import Command, Job, JobResult
from packstack_lite.remote.connections import SshConnection
from packstack_lite.remote.jobs import make_start_command
from packstack_lite.remote.session import SshTarget
from tests.e2e.conftest import Sandbox


class RecordingWatcher:
    """A JobWatcher that records what it receives, and calls ``on_line`` for each line of output."""

    def __init__(self) -> None:
        self.started: List[str] = []
        self.lines: List[str] = []
        self.finished: List[str] = []
        self.on_line: Any = lambda line: None

    def job_started(self, job: Job) -> None:
        self.started.append(job.name)

    def job_finished(self, job: Job, result: JobResult) -> None:
        self.finished.append(job.name)

    def job_output(self, job: Job, line: str) -> None:
        self.lines.append(f"{job.name}: {line}")
        self.on_line(line)


@pytest.fixture
def connection(sandbox: Sandbox) -> Iterator[SshConnection]:
    box = sandbox_api.find(sandbox.name)
    connection = SshConnection(
        SshTarget(box.address, "root", key_file=str(box.key), known_hosts_file=str(box.known_hosts))
    )
    yield connection
    connection.close()


def test_jobs_run_in_parallel_in_order_of_needs_and_return_their_codes(connection: SshConnection) -> None:
    watcher = RecordingWatcher()
    started_at = time.monotonic()
    results = connection.run_jobs(
        [
            Job("t-long", "sleep 3; echo done"),
            Job("t-parallel", "sleep 3"),
            Job("t-after", "cat", b"from stdin\n", needs=("t-long",)),
            Job("t-fails", "echo wrong >&2; exit 9"),
            Job("t-never", "true", needs=("t-fails",)),
        ],
        watcher,
    )
    assert [(result.name, result.code) for result in results] == [
        ("t-long", 0), ("t-parallel", 0), ("t-after", 0), ("t-fails", 9), ("t-never", -1),
    ]  # fmt: skip
    assert results[3].out == "wrong\n"
    assert time.monotonic() - started_at < 6
    assert watcher.started.index("t-after") > watcher.started.index("t-parallel")
    assert {"t-long: done", "t-after: from stdin", "t-fails: wrong"} <= set(watcher.lines)


def test_a_job_that_exceeds_its_timeout_returns_124(connection: SshConnection) -> None:
    assert connection.run_jobs([Job("t-slow", "sleep 60", timeout=2)], RecordingWatcher())[0].code == 124


def test_input_is_not_kept_on_the_node(connection: SshConnection) -> None:
    connection.run_jobs([Job("t-secret", "cat > /dev/null", b"open sesame")], RecordingWatcher())
    search = Command("grep -rl 'ope[n] sesame' /var/lib/packstack-lite /run/packstack-lite* 2>/dev/null")
    assert connection.run([search])[0].out == ""


def test_a_job_survives_a_lost_connection_and_runs_once(connection: SshConnection) -> None:
    watcher = RecordingWatcher()
    lines_at_loss: List[str] = []

    def close_transport(line: str) -> None:
        if not lines_at_loss:
            lines_at_loss.append(line)
            connection._session.transport.close()  # type: ignore[union-attr]

    watcher.on_line = close_transport
    script = "echo began >> /tmp/t-lives; echo one; sleep 4; echo two"
    connection.run([Command("rm -f /tmp/t-lives")])
    result = connection.run_jobs([Job("t-lives", script)], watcher)[0]
    assert lines_at_loss == ["one"]
    assert (result.code, result.out) == (0, "one\ntwo\n")
    assert connection.run([Command("cat /tmp/t-lives")])[0].out == "began\n"


@pytest.mark.parametrize("must_end", [True, False])
def test_a_job_of_an_earlier_run_is_stopped_unless_it_must_end(connection: SshConnection, must_end: bool) -> None:
    connection.run([Command("rm -f /tmp/t-ends")])
    earlier = Job("t-ends", "echo begun; sleep 4; echo earlier >> /tmp/t-ends", must_end=must_end)
    assert connection.run([make_start_command(earlier)])[0].ok
    watcher = RecordingWatcher()
    result = connection.run_jobs([Job("t-ends", "echo ours >> /tmp/t-ends", must_end=must_end)], watcher)[0]
    assert result.code == 0 and watcher.started == watcher.finished == ["t-ends"]
    waiting = "t-ends: an earlier run began this with other input: waiting for its end"
    assert watcher.lines == ([waiting, "t-ends: begun"] if must_end else [])
    lines = connection.run([Command("cat /tmp/t-ends")])[0].out.split()
    assert lines == (["earlier", "ours"] if must_end else ["ours"])
