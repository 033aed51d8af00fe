"""The node's lock: one run at a time, and an ended run holds nothing. Run for real by sh."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest

from packstack_lite.engine import lock
from packstack_lite.errors import LockedError
from packstack_lite.remote.command import Reply


class Node:
    """A node whose root shell is a process of its own, as with every connection."""

    name = "here"
    round_trips = 0

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
def nodes(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_DIR", str(tmp_path / "state" / "lock"))
    pair = [Node(), Node()]
    yield pair
    for node in pair:
        node.die()


def test_a_second_run_is_refused_and_names_the_owner(nodes):
    first, second = nodes
    refusal = pytest.raises(LockedError, match=r"ann@desk \(process 1\)")
    with lock.hold_lock(first, "ann@desk (process 1)"), refusal, lock.hold_lock(second, "bob"):
        raise AssertionError("two runs at once")
    with lock.hold_lock(second, "bob"):
        pass


def test_the_lock_of_a_dead_run_is_stale(nodes):
    first, second = nodes
    assert first.run([lock.take_command("ann")])[0].ok
    first.die()
    with lock.hold_lock(second, "bob"):
        pass


def test_the_last_command_of_a_killed_run_is_awaited(nodes):
    first, second = nodes
    assert first.run([lock.take_command("ann")])[0].ok
    messages = []
    timer = threading.Timer(1.5, first.die)
    timer.start()
    with lock.hold_lock(second, "bob", owner_is_gone=lambda owner: owner == "ann", announce=messages.append):
        assert len(messages) == 1 and "ann" in messages[0]
    timer.join()


def test_a_killed_run_is_awaited_for_a_limited_time(nodes, monkeypatch):
    monkeypatch.setattr(lock, "OWNER_GONE_TIMEOUT", 1.5)
    first, second = nodes
    assert first.run([lock.take_command("ann")])[0].ok
    with pytest.raises(LockedError, match="ann"), lock.hold_lock(second, "bob", owner_is_gone=lambda owner: True):
        raise AssertionError("two runs at once")


def test_a_lock_without_an_owner_is_stale(nodes, tmp_path):
    (tmp_path / "state" / "lock").mkdir(parents=True)
    with lock.hold_lock(nodes[0], "ann"):
        assert (tmp_path / "state" / "lock" / "holder").read_text().startswith('{"who": "ann"}\n')
    assert not (tmp_path / "state" / "lock").exists()
