"""Fixtures: an OpenSSH server, a relay that counts round trips, and users with different sudo rights."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Iterator

import pytest

from packstack_lite.remote.connections import SshConnection
from packstack_lite.remote.session import SshTarget
from tests.ssh.server import CountingRelay, Server, start_server

# The process id keeps parallel runs on one machine apart.
NOPASS, PASS, NOSUDO = (f"pl{os.getpid()}{kind}" for kind in ("free", "asked", "none"))
USERS = {NOPASS: "NOPASSWD: ALL", PASS: "ALL", NOSUDO: ""}
PASSWORD = "open $sesame 'now'"


@pytest.fixture(scope="session", autouse=True)
def root_only() -> None:
    """Fail at once unless the tests run as root."""
    assert os.geteuid() == 0, "tests/ssh needs root, to log in as root and to create users"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server whose files are outside pytest's directory, which other users cannot read."""
    with tempfile.TemporaryDirectory(prefix="packstack-lite-sshd.") as home:
        started = start_server(Path(home))
        yield started
        started.process.terminate()
        started.process.wait()


@pytest.fixture
def relay(server: Server) -> Iterator[CountingRelay]:
    started = CountingRelay(server.port).open()
    yield started
    started.close()


@pytest.fixture
def target(server: Server) -> Any:
    """A function that makes an SshTarget with this server's key and known_hosts; keywords change it."""

    def make(**changes: Any) -> SshTarget:
        defaults = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": "root",
            "key_file": server.key,
            "known_hosts_file": server.known_hosts,
            "config_file": "/nonexistent",
        }
        return SshTarget(**{**defaults, **changes})

    return make


@pytest.fixture
def connection(target: Any) -> Iterator[SshConnection]:
    started = SshConnection(target())
    yield started
    started.close()


@pytest.fixture(scope="session")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Users with every kind of sudo right; removed afterwards."""
    rules = Path(f"/etc/sudoers.d/packstack-lite-tests-{os.getpid()}")
    try:
        for name in USERS:
            subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", name], check=True)
            subprocess.run(["chpasswd"], input=f"{name}:{PASSWORD}".encode(), check=True)
        rules.write_text("".join(f"{name} ALL=(ALL) {right}\n" for name, right in USERS.items() if right))
        rules.chmod(0o440)
        yield
    finally:
        rules.unlink(missing_ok=True)
        for name in USERS:
            _remove(name)


def _remove(name: str) -> None:
    """Remove a user, even while sshd has not yet ended the user's session."""
    process = subprocess.run(["userdel", "--force", "--remove", name], check=False, capture_output=True, text=True)
    # 6: was never started; 12: started without a mail spool, say.
    assert process.returncode in (0, 6, 12), process.stderr
