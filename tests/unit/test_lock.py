"""The node's lock: one run at a time, and an ended run holds nothing. Run for real by sh."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading

import pytest
from tenacity import wait_fixed

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

    def after_reopening(self, action):
        self.reopened = action

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


@pytest.fixture
def short_waits(monkeypatch):
    """Try a lock of a killed run again after a twentieth of the time."""
    monkeypatch.setattr(lock, "wait_fixed", lambda seconds: wait_fixed(seconds / 20))


def test_a_second_run_is_refused_and_names_the_owner(nodes):
    first, second = nodes
    refusal = pytest.raises(LockedError, match=r"ann@desk \(process 1\)")
    with lock.hold_lock(first, "ann@desk (process 1)"), refusal, lock.hold_lock(second, "bob"):
        raise AssertionError("two runs at once")
    with lock.hold_lock(second, "bob"):
        pass


def test_the_lock_of_a_dead_run_is_stale(nodes):
    first, second = nodes
    assert first.run([lock.take_command("ann", "run-ann")])[0].ok
    first.die()
    with lock.hold_lock(second, "bob"):
        pass


def test_the_last_command_of_a_killed_run_is_awaited(nodes, short_waits):
    first, second = nodes
    assert first.run([lock.take_command("ann", "run-ann")])[0].ok
    messages = []
    # Longer than two waits: the second one is not announced.
    timer = threading.Timer(0.2, first.die)

    def announce(text):
        messages.append(text)
        timer.start()

    with lock.hold_lock(second, "bob", owner_is_gone=lambda owner: owner == "ann", announce=announce):
        assert len(messages) == 1 and "ann" in messages[0]
    timer.join()


def test_a_killed_run_is_awaited_for_a_limited_time(nodes, monkeypatch, short_waits):
    monkeypatch.setattr(lock, "OWNER_GONE_TIMEOUT", 0.2)
    first, second = nodes
    assert first.run([lock.take_command("ann", "run-ann")])[0].ok
    with pytest.raises(LockedError, match="ann"), lock.hold_lock(second, "bob", owner_is_gone=lambda owner: True):
        raise AssertionError("two runs at once")


def test_a_lock_without_an_owner_is_stale(nodes, tmp_path):
    (tmp_path / "state" / "lock").mkdir(parents=True)
    state = tmp_path / "state" / "lock"
    with lock.hold_lock(nodes[0], "ann"):
        assert (state / "holder").read_text().startswith('{"who": "ann", "run": "')
    assert not (tmp_path / "state" / "lock").exists()


# Without its flock the script fails in at least 15 of 20 rounds with 4, 6, 8 or 20 rivals: six rounds show it.
RIVALS, ROUNDS = 10, 6
# A rival: the root shell of a connection. In each round it waits until the pipe
# "go" has a writer, as all the others do, then runs the command and prints the exit code.
RIVAL = """
PACKSTACK_LITE_SHELL=$$; export PACKSTACK_LITE_SHELL
while read -r ready; do
    : < "$1/go"
    printf '{"who": "%s"}' $$ | sh "$1/take" > /dev/null 2>&1
    echo $?
done
"""


@pytest.mark.parametrize("left_behind", ["stale", "empty", "nothing"])
def test_of_ten_rivals_one_gets_the_lock(left_behind, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_DIR", str(tmp_path / "state" / "lock"))
    command = lock.take_command("rival", "")
    (tmp_path / "take").write_text(command.script)
    os.mkfifo(tmp_path / "go")
    holder = tmp_path / "state" / "lock" / "holder"
    rivals = [
        subprocess.Popen(
            ["sh", "-c", RIVAL, "sh", str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for _ in range(RIVALS)
    ]
    try:
        for number in range(ROUNDS):
            if left_behind != "nothing":
                holder.parent.mkdir(parents=True, exist_ok=True)
            if left_behind == "stale":
                # No process has this number: it is above the kernel's greatest (PID_MAX_LIMIT, 2^22).
                holder.write_text('{"who": "gone"}\n4194305 1\n')
            for rival in rivals:
                rival.stdin.write(f"{number}\n")
            with (tmp_path / "go").open("w"):
                codes = [int(rival.stdout.readline()) for rival in rivals]
            winners = [rival.pid for rival, code in zip(rivals, codes) if code == 0]
            assert sorted(codes) == [0] + [7] * (RIVALS - 1), f"round {number}"
            assert holder.read_text().split("\n")[1].split()[0] == str(winners[0])
            shutil.rmtree(holder.parent)
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()
    assert [path.name for path in (tmp_path / "state").iterdir()] == []


def test_a_run_takes_its_lock_again_after_a_lost_connection(nodes):
    first, second = nodes
    with lock.hold_lock(first, "ann"):
        old_shell, first.shell = first.shell, second.shell
        first.reopened()
        first.shell = old_shell
        first.die()
        with pytest.raises(LockedError, match="ann"), lock.hold_lock(Node(), "bob"):
            raise AssertionError("two runs at once")


def test_a_run_whose_lock_was_taken_meanwhile_stops(nodes):
    first, second = nodes
    with pytest.raises(LockedError, match="bob"), lock.hold_lock(first, "ann"):
        first.die()
        assert second.run([lock.take_command("bob", "run-bob")])[0].ok
        first.reopened()
    assert "bob" in first.run([lock.take_command("ann", "run-ann")])[0].out


def test_a_run_that_lost_its_lock_does_not_release_that_of_another(nodes):
    first, second = nodes
    assert first.run([lock.take_command("ann", "run-ann")])[0].ok
    first.die()
    assert second.run([lock.take_command("bob", "run-bob")])[0].ok
    late = Node()
    try:
        assert late.run([lock.release_command()])[0].ok
        assert "bob" in late.run([lock.take_command("ann", "run-ann")])[0].out
    finally:
        late.die()
