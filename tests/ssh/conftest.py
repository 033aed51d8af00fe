"""Servers and users that last for the tests of this folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Iterator

import pytest

from packstack_lite.remote.connections import SshConnection
from packstack_lite.remote.session import SshTarget
from tests.ssh.server import Server, Wire, start

# Two runs on one machine must not meet each other's users.
NOPASS, PASS, NOSUDO = (f"pl{os.getpid()}{kind}" for kind in ("free", "asked", "none"))
USERS = {NOPASS: "NOPASSWD: ALL", PASS: "ALL", NOSUDO: ""}
PASSWORD = "open $sesame 'now'"


@pytest.fixture(scope="session", autouse=True)
def root_only() -> None:
    assert os.geteuid() == 0, "tests/ssh logs in as root and as users that it makes: run it as root"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Not below pytest's own directory, which is closed to the other users who log in."""
    with tempfile.TemporaryDirectory(prefix="packstack-lite-sshd.") as home:
        made = start(Path(home))
        yield made
        made.process.terminate()
        made.process.wait()


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    made = Wire(server.port).open()
    yield made
    made.close()


@pytest.fixture
def target(server: Server) -> Any:
    """A target with this server's key and known_hosts; keywords change it."""

    def make(**changes: Any) -> SshTarget:
        told = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": "root",
            "key": server.key,
            "known_hosts": server.known_hosts,
            "config_file": "/nonexistent",
        }
        return SshTarget(**{**told, **changes})

    return make


@pytest.fixture
def host(target: Any) -> Iterator[SshConnection]:
    made = SshConnection(target())
    yield made
    made.close()


@pytest.fixture(scope="session")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Users with every kind of right to become root; gone afterwards."""
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
    """Also while sshd has not yet noticed that the user's session is over."""
    done = subprocess.run(["userdel", "--force", "--remove", name], check=False, capture_output=True, text=True)
    # 6: was never made; 12: made without a mail spool, say.
    assert done.returncode in (0, 6, 12), done.stderr
