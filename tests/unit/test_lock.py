"""The host's lock: one run at a time, and a run that is gone holds nothing. Run for real by sh."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest

from packstack_lite.engine import lock as room
from packstack_lite.errors import LockedError
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
    monkeypatch.setattr(room, "LOCK_DIR", str(tmp_path / "state" / "lock"))
    made = [Host(), Host()]
    yield made
    for host in made:
        host.die()


def test_the_second_run_is_told_who_holds_it(hosts):
    first, second = hosts
    held = pytest.raises(LockedError, match=r"ann@desk \(process 1\)")
    with room.hold_lock(first, "ann@desk (process 1)"), held, room.hold_lock(second, "bob"):
        raise AssertionError("two runs at once")
    with room.hold_lock(second, "bob"):
        pass


def test_a_dead_run_holds_nothing(hosts):
    first, second = hosts
    assert first.run([room.take_command("ann")])[0].ok
    first.die()
    with room.hold_lock(second, "bob"):
        pass


def test_the_last_command_of_a_killed_run_is_waited_for(hosts):
    first, second = hosts
    assert first.run([room.take_command("ann")])[0].ok
    told = []
    ending = threading.Timer(1.5, first.die)
    ending.start()
    with room.hold_lock(second, "bob", owner_is_gone=lambda who: who == "ann", announce=told.append):
        assert len(told) == 1 and "ann" in told[0]
    ending.join()


def test_a_killed_run_is_not_waited_for_without_end(hosts, monkeypatch):
    monkeypatch.setattr(room, "OWNER_GONE_TIMEOUT", 1.5)
    first, second = hosts
    assert first.run([room.take_command("ann")])[0].ok
    with pytest.raises(LockedError, match="ann"), room.hold_lock(second, "bob", owner_is_gone=lambda who: True):
        raise AssertionError("two runs at once")


def test_a_lock_without_a_holder_is_stale(hosts, tmp_path):
    (tmp_path / "state" / "lock").mkdir(parents=True)
    with room.hold_lock(hosts[0], "ann"):
        assert (tmp_path / "state" / "lock" / "holder").read_text().startswith('{"who": "ann"}\n')
    assert not (tmp_path / "state" / "lock").exists()
