"""An interrupted run ends within ten seconds wherever it waits, and says what goes on on the node."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.conftest import heed_signals

LIMIT = 10
# A run: CONNECT opens a connection, WORK is what it does; "ready" says that it is about to wait.
SCRIPT = """
import ctypes, sys, time
from contextlib import ExitStack
from packstack_lite import activity
from packstack_lite.cli import interrupt
from packstack_lite.cli.failures import run_guarded
from packstack_lite.cli.interrupt import GUARD
from packstack_lite.deployment.node_sessions import run_parallel
from packstack_lite.engine import lock
from packstack_lite.remote.command import Command, Job
from packstack_lite.remote.connections import LocalConnection, SshConnection
from packstack_lite.remote.jobs import JobRunner
from packstack_lite.remote.session import SshTarget

lock.LOCK_DIR = {lock!r}
def connect(port={port}):
    return SshConnection(SshTarget(
        host="127.0.0.1", port=port, user="root", key_file={key!r}, known_hosts_file={known!r},
        config_file="/nonexistent", accept_new_host_key=True))
def ready():
    print("ready", flush=True)
class Watcher:
    def job_started(self, job): ready()
    def job_output(self, job, line): pass
    def job_finished(self, job, result): pass
def work():
{work}
with GUARD:
    sys.exit(run_guarded(work, []))
"""
SLOW = 'Command("sleep 15", description="write 3 files")'


@pytest.fixture
def start(server, tmp_path):
    """Start a run that does this; return its process once it waits."""
    processes = []

    @contextmanager
    def run(work, port=server.port):
        lines = "".join(f"    {line}\n" for line in work.strip().splitlines())
        script = SCRIPT.format(
            work=lines, port=port, key=server.key, known=f"{tmp_path}/known", lock=f"{tmp_path}/state/lock"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_signals,
        )
        processes.append(process)
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        time.sleep(1)
        yield process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def interrupt(process, number=signal.SIGTERM, within=LIMIT):
    """Send the signal; return what the run printed on stderr."""
    started_at = time.monotonic()
    process.send_signal(number)
    err = process.communicate(timeout=within)[1]
    assert time.monotonic() - started_at < within
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.startswith("packstack-lite: interrupted\n"), err
    return err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_in_a_command_under_the_lock(start, number):
    work = f'connection = connect()\nwith lock.hold_lock(connection, "ann"):\n    ready()\n    connection.run([{SLOW}])'
    with start(work) as process:
        err = interrupt(process, number)
    assert "127.0.0.1: still running: write 3 files; it ends within 120 seconds by itself" in err


def test_in_threads_of_several_nodes(start):
    work = f"""
with ExitStack() as locks:
    connections = [connect() for _ in range(3)]
    locks.enter_context(lock.hold_lock(connections[0], "ann"))
    ready()
    run_parallel(lambda connection: connection.run([{SLOW}]), connections, 3)
"""
    with start(work) as process:
        interrupt(process)


def test_on_this_machine_itself(start):
    with start(f"connection = LocalConnection()\nready()\nconnection.run([{SLOW}])") as process:
        err = interrupt(process)
    assert "localhost: still running: write 3 files" in err


def test_in_a_job(start):
    work = """
connection = connect()
job = Job("unit-nova-api", "sleep 9", description="start nova-api")
wait = lambda commands: connection.run([Command("sleep 15", description="follow jobs")])
JobRunner(wait, "127.0.0.1", Watcher()).run_all([job])
"""
    with start(work) as process:
        err = interrupt(process)
    unit = "packstack-lite-job-unit-nova-api.service"
    assert f"127.0.0.1: still running: start nova-api ({unit})" in err
    assert f"systemctl stop {unit}\n" in err
    assert "follow jobs" not in err


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_server_that_says_nothing(start, nodes):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        work = f"ready()\nrun_parallel(connect, [{silent.getsockname()[1]}] * {nodes}, 32)"
        with start(work) as process:
            interrupt(process)


def test_a_server_that_falls_silent(start, relay):
    """While the run reads a reply, and while it writes more than the network takes."""
    work = "connection = connect()\nready()\nconnection.run([Command('cat', b'x' * 20_000_000)])"
    relay.delay = 0
    with start(f"connection = connect()\nready()\ntime.sleep(2)\nconnection.run([{SLOW}])", relay.port) as process:
        relay.freeze()
        time.sleep(2)
        interrupt(process)
    relay.thaw()
    with start(work.replace("ready()", "ready()\ntime.sleep(2)"), relay.port) as process:
        relay.freeze()
        time.sleep(2)
        interrupt(process)


def test_a_login_without_an_answer(start, tmp_path_factory, server):
    """The server logs the run in and starts no shell."""
    config = server.home / "sshd_config"
    text = config.read_text()
    config.write_text(f"{text}\nForceCommand sleep 30\n")
    try:
        server.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        with start("ready()\nconnect()") as process:
            interrupt(process)
    finally:
        config.write_text(text)
        server.process.send_signal(signal.SIGHUP)
        time.sleep(1)


DEADLOCK = """
libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
libc.pthread_mutex_lock(mutex)
ready()
libc.pthread_mutex_lock(mutex)
"""


def test_in_a_call_of_c_that_no_signal_ends(start):
    """As getaddrinfo is while a name server does not answer."""
    with start(DEADLOCK) as process:
        interrupt(process)


def test_a_second_signal_ends_at_once(start):
    with start("try:\n    ready()\n    time.sleep(60)\nfinally:\n    time.sleep(60)") as process:
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        assert process.poll() is None
        interrupt(process, signal.SIGINT, within=5)


def test_a_closed_terminal_is_told_twice_and_counts_once(start):
    work = "try:\n    ready()\n    time.sleep(60)\nfinally:\n    time.sleep(1)\n    print('cleaned')"
    with start(work) as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=LIMIT)
        assert "cleaned" in out


def test_an_ignored_signal_stays_ignored(server, tmp_path):
    script = "import os, signal\nfrom packstack_lite.cli.interrupt import GUARD\n"
    script += "with GUARD:\n    os.kill(os.getpid(), signal.SIGHUP)\n    print('goes on')"
    done = subprocess.run(
        ["sh", "-c", 'trap "" HUP; exec "$0" -c "$1"', sys.executable, script], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "goes on\n"), done.stderr


def test_no_further_command_of_a_batch_begins(start, tmp_path):
    """The command that runs when the run ends is the last."""
    path = tmp_path / "second"
    work = f"connection = connect()\nready()\nconnection.run([Command('sleep 9'), Command('touch {path}')])"
    with start(work) as process:
        interrupt(process)
        time.sleep(10)
    assert not path.exists()
    assert os.path.isdir(tmp_path)


def test_a_cleanup_of_this_machine_is_finished(start):
    work = "interrupt.GRACE_SECONDS = 1\ntry:\n    ready()\n    time.sleep(60)\nfinally:\n"
    work += "    with activity.cleanup('removing it'):\n        time.sleep(4)\n    print('cleaned')"
    with start(work) as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=LIMIT)
    assert "cleaned" in out
    assert "still removing it; interrupt again to end at once" in err
    assert process.returncode == 130
