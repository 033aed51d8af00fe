"""Jobs on a real systemd: side by side, in order, found again after a lost connection."""

from __future__ import annotations

import time
from typing import Any, Iterator, List

import pytest

from packstack_lite import sandbox as room
from packstack_lite.remote.command import Command, Job, JobResult
from packstack_lite.remote.connections import SshConnection
from packstack_lite.remote.session import SshTarget


class Ear:
    """Hears of jobs; ``at_start`` is called when the first one begins."""

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
def host(sandbox: Any) -> Iterator[SshConnection]:
    box = room.find(sandbox.name)
    made = SshConnection(SshTarget(box.address, "root", key_file=str(box.key), known_hosts_file=str(box.known_hosts)))
    yield made
    made.close()


def test_side_by_side_in_order_and_with_their_codes(host: SshConnection) -> None:
    ear = Ear()
    began = time.monotonic()
    results = host.run_jobs(
        [
            Job("t-long", "sleep 3; echo done"),
            Job("t-beside", "sleep 3"),
            Job("t-after", "cat", b"from stdin\n", needs=("t-long",)),
            Job("t-fails", "echo wrong >&2; exit 9"),
            Job("t-never", "true", needs=("t-fails",)),
        ],
        ear,
    )
    assert [(result.name, result.code) for result in results] == [
        ("t-long", 0), ("t-beside", 0), ("t-after", 0), ("t-fails", 9), ("t-never", -1),
    ]  # fmt: skip
    assert results[3].out == "wrong\n"
    assert time.monotonic() - began < 6
    assert ear.started.index("t-after") > ear.started.index("t-beside")
    assert {"t-long: done", "t-after: from stdin", "t-fails: wrong"} <= set(ear.lines)


def test_too_long_is_124(host: SshConnection) -> None:
    assert host.run_jobs([Job("t-slow", "sleep 60", timeout=2)], Ear())[0].code == 124


def test_input_does_not_stay_on_the_host(host: SshConnection) -> None:
    host.run_jobs([Job("t-secret", "cat > /dev/null", b"open sesame")], Ear())
    search = Command("grep -rl 'ope[n] sesame' /var/lib/packstack-lite /run/packstack-lite* 2>/dev/null")
    assert host.run([search])[0].out == ""


def test_a_job_outlives_the_connection_and_is_not_begun_twice(host: SshConnection) -> None:
    ear, lost = Ear(), []

    def lose(line: str) -> None:
        if not lost:
            lost.append(line)
            host._session.transport.close()  # type: ignore[union-attr]

    ear.on_line = lose
    script = "echo began >> /tmp/t-lives; echo one; sleep 4; echo two"
    host.run([Command("rm -f /tmp/t-lives")])
    result = host.run_jobs([Job("t-lives", script)], ear)[0]
    assert lost == ["one"]
    assert (result.code, result.out) == (0, "one\ntwo\n")
    assert host.run([Command("cat /tmp/t-lives")])[0].out == "began\n"
