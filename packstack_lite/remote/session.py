"""An SSH session with a host, and a root shell on it. The only user of sockets and keys."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from typing import Callable, Iterator, List, Optional, Union

import paramiko

from packstack_lite.errors import ConnectFault
from packstack_lite.remote.config import Route, Target, resolve
from packstack_lite.remote.hostkeys import Ask, KnownHosts
from packstack_lite.secret import Secret

TIMEOUT = 20.0
# Seconds without an acknowledgement after which a connection counts as lost; the kernel's own are 15 minutes.
PATIENCE_WITH_SILENCE = 60.0
# Seconds that a busy sshd may take to put a channel away.
PATIENCE = 10.0
Password = Optional[Callable[[str], Secret]]
Socket = Union[socket.socket, paramiko.Channel]

# Without a handler Python prints paramiko's own complaints; ours say what to do about them.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

__all__ = ["Session", "Target", "connect"]


class ChannelStream:
    """A channel as the shell's Stream."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def send(self, data: bytes) -> None:
        """Write all of it, as the window allows."""
        self._channel.sendall(data)

    def receive(self, size: int) -> bytes:
        """What has come, b"" at the end."""
        try:
            return self._channel.recv(size)
        except OSError:
            return b""

    def close(self) -> None:
        """End the stream; the shell on the host ends with it."""
        self._channel.close()


class Session:
    """An authenticated connection; ``user`` is who we are there."""

    def __init__(self, transport: paramiko.Transport, route: Route, below: "Optional[Session]" = None) -> None:
        self.transport = transport
        self.route = route
        self._below = below

    def stream(self, command: str) -> ChannelStream:
        """Run a command; its standard input and output as one stream."""
        try:
            channel = self._channel()
            channel.exec_command(command)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise ConnectFault(
                f"{self.route.name}: opens no further channel: {error}", "look at MaxSessions in its sshd_config"
            ) from error
        return ChannelStream(channel)

    def run(self, command: str, payload: bytes = b"") -> "tuple[int, str]":
        """A single command: exit code and what it said on standard error."""
        channel = self._channel()
        channel.exec_command(command)
        if payload:
            channel.sendall(payload)
        channel.shutdown_write()
        channel.settimeout(TIMEOUT)
        said = b"".join(iter(lambda: channel.recv_stderr(4096), b""))
        code = channel.recv_exit_status()
        channel.close()
        return code, said.decode(errors="replace").strip()

    def _channel(self) -> paramiko.Channel:
        """Where MaxSessions is 1, sshd refuses a channel until it has put the one before away."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.transport.open_session(timeout=TIMEOUT)
            except paramiko.ChannelException:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def close(self) -> None:
        """End the connection, and the one it goes through."""
        self.transport.close()
        if self._below:
            self._below.close()


def connect(target: Target, ask: Ask = None, password: Password = None) -> Session:
    """Connect and authenticate. Raises ConnectFault with what is wrong and what to type."""
    route = resolve(target)
    below = _jump(route, target, ask, password)
    sock = _through(below, route) if below else _dial(route)
    transport = paramiko.Transport(sock)
    try:
        known = KnownHosts(route)
        known.prefer(transport)
        _handshake(transport, route)
        known.check(transport.get_remote_server_key(), ask)
        _authenticate(transport, route, password)
    except BaseException:
        transport.close()
        if below:
            below.close()
        raise
    transport.set_keepalive(15)
    return Session(transport, route, below)


def _jump(route: Route, target: Target, ask: Ask, password: Password) -> Optional[Session]:
    """The session with the last host before this one (ProxyJump), if there is any."""
    session: Optional[Session] = None
    for jump in route.jumps:
        user, _, host = jump.rpartition("@")
        name, _, port = host.partition(":")
        via = Target(name, user, int(port or 0), known_hosts=target.known_hosts, accept_new=target.accept_new)
        session = connect(Target(**{**via.__dict__, "config_file": target.config_file}), ask, password)
    return session


def _through(session: Session, route: Route) -> paramiko.Channel:
    try:
        return session.transport.open_channel(
            "direct-tcpip", (route.address, route.port), ("127.0.0.1", 0), timeout=TIMEOUT
        )
    except (paramiko.SSHException, EOFError) as error:
        raise ConnectFault(
            f"{route.name}: cannot be reached through {session.route.name}: {error}", f"try: ssh {session.route.name}"
        ) from error


def _dial(route: Route) -> socket.socket:
    where = f"{route.address} port {route.port}"
    try:
        sock = socket.create_connection((route.address, route.port), timeout=TIMEOUT)
    except socket.gaierror as error:
        raise ConnectFault(
            f"{route.name}: no such host name is known here", "check the name, or give its address"
        ) from error
    except socket.timeout as error:
        raise ConnectFault(
            f"{route.name}: {where} does not answer", "check the address, and firewalls between"
        ) from error
    except OSError as error:
        hint = "check that the host is up and that sshd runs there"
        raise ConnectFault(f"{route.name}: {where} cannot be reached: {error.strerror or error}", hint) from error
    # Without it a small request waits 40 ms for the acknowledgement of the one before.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A host that is cut off is noticed by what it does not acknowledge: the keepalive's packets at the latest.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(PATIENCE_WITH_SILENCE * 1000))
    sock.settimeout(None)
    return sock


def _handshake(transport: paramiko.Transport, route: Route) -> None:
    try:
        transport.start_client(timeout=TIMEOUT)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise ConnectFault(
            f"{route.name}: port {route.port} of {route.address} does not speak SSH with us: {error or 'it hung up'}",
            f"try: ssh -v -p {route.port} {route.user}@{route.address}",
        ) from error


def _authenticate(transport: paramiko.Transport, route: Route, password: Password) -> None:
    tried: List[str] = []
    for label, key in _keys(route, password, tried):
        tried.append(label)
        with contextlib.suppress(paramiko.AuthenticationException):
            transport.auth_publickey(route.user, key)
            if transport.is_authenticated():
                return
        if not transport.is_active():
            break
    raise ConnectFault(
        f"{route.name}: does not let {route.user} in with {'; '.join(tried) or 'no key, as there is none'}",
        f"try: ssh -p {route.port} {route.user}@{route.address}; "
        "name a user with --host USER@HOST, a key with --ssh-key FILE",
    )


def _keys(route: Route, password: Password, notes: List[str]) -> Iterator["tuple[str, paramiko.PKey]"]:
    """The keys to try, named ones first: each failed try costs a flight, and sshd allows six."""
    files = ((path, _read_key(path, password, notes, route.explicit)) for path in route.keys)
    agent = [] if route.only_keys else [(f"agent key {key.fingerprint}", key) for key in paramiko.Agent().get_keys()]
    if not route.explicit:
        yield from agent
    yield from ((path, key) for path, key in files if key)
    if route.explicit:
        yield from agent


def _read_key(path: str, password: Password, notes: List[str], explicit: bool) -> Optional[paramiko.PKey]:
    if not os.path.exists(path):
        if explicit:
            notes.append(f"{path} (no such file)")
        return None
    try:
        return paramiko.PKey.from_path(path)
    except TypeError:
        return _unlock(path, password, notes)
    except (paramiko.SSHException, ValueError, OSError) as error:
        notes.append(f"{path} (cannot be used: {error})")
        return None


def _unlock(path: str, password: Password, notes: List[str]) -> Optional[paramiko.PKey]:
    if not password:
        notes.append(f"{path} (has a passphrase; ssh-add it first)")
        return None
    try:
        word = password(f"Passphrase of {path}").reveal().encode()
        # paramiko hands it to cryptography, which wants bytes; the stubs say str.
        return paramiko.PKey.from_path(path, word)  # type: ignore[arg-type]
    except (paramiko.SSHException, ValueError, OSError):
        notes.append(f"{path} (wrong passphrase)")
        return None
