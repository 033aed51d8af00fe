"""The host's lock: one run at a time, and a run that is gone holds nothing. Run for real by sh."""

from __future__ import annotations

import os
import subprocess

import pytest

from packstack_lite.engine import lock as room
from packstack_lite.errors import Locked
from packstack_lite.remote.command import Reply


class Host:
    """A host whose root shell is a process of its own, as every connection has one."""

    name = "here"
    flights = 0

    def __init__(self):
        self.shell = subprocess.Popen(["sleep", "60"])

    def run(self, commands):
        environment = {**os.environ, "PACKSTACK_LITE_SHELL": str(self.shell.pid)}
        replies = []
        for command in commands:
            done = subprocess.run(
                ["sh", "-c", command.script], input=command.stdin, capture_output=True, env=environment, check=False
            )
            replies.append(Reply(done.returncode, done.stdout.decode(), done.stderr.decode()))
        return replies

    def die(self):
        self.shell.kill()
        self.shell.wait()


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "LOCK", str(tmp_path / "state" / "lock"))
    made = [Host(), Host()]
    yield made
    for host in made:
        host.die()


def test_the_second_run_is_told_who_holds_it(hosts):
    first, second = hosts
    held = pytest.raises(Locked, match=r"ann@desk \(process 1\)")
    with room.lock(first, "ann@desk (process 1)"), held, room.lock(second, "bob"):
        raise AssertionError("two runs at once")
    with room.lock(second, "bob"):
        pass


def test_a_dead_run_holds_nothing(hosts):
    first, second = hosts
    assert first.run([room.take("ann")])[0].ok
    first.die()
    with room.lock(second, "bob"):
        pass


def test_a_lock_without_a_holder_is_stale(hosts, tmp_path):
    (tmp_path / "state" / "lock").mkdir(parents=True)
    with room.lock(hosts[0], "ann"):
        assert (tmp_path / "state" / "lock" / "holder").read_text().startswith('{"who": "ann"}\n')
    assert not (tmp_path / "state" / "lock").exists()
