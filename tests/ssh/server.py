"""A real OpenSSH server on loopback, and a wire to it that counts turn-arounds."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import List

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_ed25519
AuthorizedKeysFile {home}/authorized_keys
PidFile {home}/sshd.pid
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxSessions {sessions}
AllowTcpForwarding yes
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path) -> None:
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


@dataclass
class Server:
    """``key`` lets root and the other users in."""

    home: Path
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def key(self) -> str:
        return str(self.home / "client")

    @property
    def known_hosts(self) -> str:
        return str(self.home / "known_hosts")

    def new_host_key(self) -> None:
        """Another machine at the same address."""
        make_key(self.home / "host_ed25519")
        self.process.terminate()
        self.process.wait()
        self.process = run(self.home, self.port)


def run(home: Path, port: int) -> "subprocess.Popen[bytes]":
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    assert os.path.exists(sshd), "tests/ssh needs OpenSSH's server: make test-tools installs it"
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = (home / "log").open("ab")
    process = subprocess.Popen(
        [sshd, "-D", "-e", "-f", str(home / "sshd_config")], stdin=subprocess.DEVNULL, stderr=log
    )
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.05)
    raise AssertionError((home / "log").read_text())


def start(home: Path, sessions: int = 10) -> Server:
    """A server with keys of its own; known_hosts knows it."""
    port = free_port()
    make_key(home / "host_ed25519")
    make_key(home / "client")
    shutil.copy(home / "client.pub", home / "authorized_keys")
    host = (home / "host_ed25519.pub").read_text().split()[:2]
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(host)}\n")
    (home / "sshd_config").write_text(CONFIG.format(port=port, home=home, sessions=sessions))
    home.chmod(0o755)
    return Server(home, port, run(home, port))


@dataclass
class Wire:
    """A TCP relay. ``flights`` counts how often it was our turn to speak after the host had spoken.

    Each chunk waits ``delay`` seconds, so that what is sent together also arrives together.
    """

    target: int
    delay: float = 0.02
    port: int = 0
    flights: int = 0
    _last: str = "down"
    _sockets: List[socket.socket] = field(default_factory=list)

    def open(self) -> "Wire":
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._sockets.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [near, far]
            threading.Thread(target=self._pump, args=(near, far, "up"), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, "down"), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        while True:
            try:
                data = source.recv(1 << 20)
                if not data:
                    break
                if way == "up" and self._last == "down":
                    self.flights += 1
                self._last = way
                time.sleep(self.delay)
                sink.sendall(data)
            except OSError:
                break
        for end in (source, sink):
            end.close()

    def cut(self) -> None:
        """Lose every connection, as a pulled plug does."""
        for end in self._sockets[1:]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        del self._sockets[1:]

    def close(self) -> None:
        self.cut()
        self._sockets[0].close()
