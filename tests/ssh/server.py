"""A real OpenSSH server on loopback, and a TCP relay to it that counts round trips."""

from __future__ import annotations

import os
import random
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
    """Return a port of 127.0.0.1 that is free now, outside the range that the kernel gives to clients.

    A server that restarts leaves its port free for a moment. Another test's connection or listener on port 0 could
    take it then, if it were in net.ipv4.ip_local_port_range (32768 to 60999 by default).
    """
    for port in random.SystemRandom().sample(range(20000, 32000), 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("none of 100 ports is free on 127.0.0.1")


def make_key(path: Path) -> None:
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


@dataclass
class Server:
    """A running sshd; ``key`` is accepted for root and for the other users."""

    home: Path
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def key(self) -> str:
        return str(self.home / "client")

    @property
    def known_hosts(self) -> str:
        return str(self.home / "known_hosts")

    def change_host_key(self) -> None:
        """Replace the host key, as another machine at the same address would have another one."""
        make_key(self.home / "host_ed25519")
        self.process.terminate()
        self.process.wait()
        self.process = start_sshd(self.home, self.port)


def start_sshd(home: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start sshd, and wait until this process itself says that it listens: another one may answer on its port."""
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    assert os.path.exists(sshd), "tests/ssh needs OpenSSH's server: make test-tools installs it"
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = home / "log"
    logged_before = log.stat().st_size if log.exists() else 0
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sshd, "-D", "-e", "-f", str(home / "sshd_config")], stdin=subprocess.DEVNULL, stderr=stderr
        )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        if b"Server listening on" in log.read_bytes()[logged_before:]:
            return process
        time.sleep(0.05)
    raise AssertionError(f"sshd does not listen on port {port}:\n{log.read_text()}")


def start_server(home: Path, sessions: int = 10) -> Server:
    """Start a server with its own keys; its known_hosts file holds its host key."""
    port = free_port()
    make_key(home / "host_ed25519")
    make_key(home / "client")
    shutil.copy(home / "client.pub", home / "authorized_keys")
    host_key = (home / "host_ed25519.pub").read_text().split()[:2]
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(host_key)}\n")
    (home / "sshd_config").write_text(CONFIG.format(port=port, home=home, sessions=sessions))
    home.chmod(0o755)
    return Server(home, port, start_sshd(home, port))


@dataclass
class CountingRelay:
    """A TCP relay. ``round_trips`` counts how often the client sends after the server has sent.

    Each chunk waits ``delay`` seconds, so that data sent together also arrive together.
    """

    target: int
    delay: float = 0.02
    port: int = 0
    round_trips: int = 0
    _last_direction: str = "down"
    _thawed: threading.Event = field(default_factory=threading.Event)
    _sockets: List[socket.socket] = field(default_factory=list)

    def freeze(self) -> None:
        """Pass nothing on and read nothing more, with every connection open."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Go on after ``freeze``."""
        self._thawed.set()

    def open(self) -> "CountingRelay":
        self.thaw()
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
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for endpoint in (client, server):
                endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [client, server]
            threading.Thread(target=self._pump, args=(client, server, "up"), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, "down"), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        while True:
            try:
                self._thawed.wait()
                data = source.recv(1 << 20)
                self._thawed.wait()
                if not data:
                    break
                if direction == "up" and self._last_direction == "down":
                    self.round_trips += 1
                self._last_direction = direction
                time.sleep(self.delay)
                sink.sendall(data)
            except OSError:
                break
        for endpoint in (source, sink):
            endpoint.close()

    def cut(self) -> None:
        """Cut every connection, like a pulled cable."""
        for endpoint in self._sockets[1:]:
            try:
                endpoint.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        del self._sockets[1:]

    def close(self) -> None:
        self.thaw()
        self.cut()
        self._sockets[0].close()
