"""An SSH session with a host, and a root shell on it. The only user of sockets and keys."""

from __future__ import annotations

import logging
import socket
import time
from typing import List, Optional, Tuple, Union

import paramiko

from packstack_lite.errors import ConnectError, UsageError
from packstack_lite.remote.host_keys import ConfirmPrompt, KnownHosts
from packstack_lite.remote.keys import Password, keys_of
from packstack_lite.remote.known_hosts import Warn
from packstack_lite.remote.ssh_config import ResolvedSshTarget, SshTarget, jump_target, resolve_ssh_target

CONNECT_TIMEOUT = 20.0
# Seconds without an acknowledgement after which a connection counts as lost; the kernel's own are 15 minutes.
ACKNOWLEDGEMENT_TIMEOUT = 60.0
# Seconds that a busy sshd may take to put a channel away.
CHANNEL_TIMEOUT = 10.0
Socket = Union[socket.socket, paramiko.Channel]

# Without a handler Python prints paramiko's own complaints; ours say what to do about them.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

__all__ = ["Session", "SshTarget", "connect"]


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

    def __init__(
        self, transport: paramiko.Transport, route: ResolvedSshTarget, jump_session: "Optional[Session]" = None
    ) -> None:
        self.transport = transport
        self.route = route
        self._jump_session = jump_session

    def open_stream(self, command: str) -> ChannelStream:
        """Run a command; its standard input and output as one stream."""
        try:
            channel = self._open_channel()
            channel.exec_command(command)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise ConnectError(
                f"{self.route.name}: opens no further channel: {error}", "look at MaxSessions in its sshd_config"
            ) from error
        return ChannelStream(channel)

    def run(self, command: str, stdin: bytes = b"") -> "tuple[int, str]":
        """A single command: exit code and what it said on standard error."""
        channel = self._open_channel()
        channel.exec_command(command)
        if stdin:
            channel.sendall(stdin)
        channel.shutdown_write()
        channel.settimeout(CONNECT_TIMEOUT)
        stderr = b"".join(iter(lambda: channel.recv_stderr(4096), b""))
        code = channel.recv_exit_status()
        channel.close()
        return code, stderr.decode(errors="replace").strip()

    def _open_channel(self) -> paramiko.Channel:
        """Where MaxSessions is 1, sshd refuses a channel until it has put the one before away."""
        deadline = time.monotonic() + CHANNEL_TIMEOUT
        while True:
            try:
                return self.transport.open_session(timeout=CONNECT_TIMEOUT)
            except paramiko.ChannelException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def close(self) -> None:
        """End the connection, and the one it goes through."""
        self.transport.close()
        if self._jump_session:
            self._jump_session.close()


def unheard(text: str) -> None:
    """A listener for callers without one."""


def connect(
    target: SshTarget,
    confirm: ConfirmPrompt = None,
    ask_password: Password = None,
    warn: Warn = unheard,
    jumps_for: Tuple[str, ...] = (),
) -> Session:
    """Connect and authenticate. Raises ConnectFault with what is wrong and what to type.

    ``warn`` hears of damaged files that are passed over; ``jumps_for`` are the hosts that this one is a ProxyJump of.
    """
    route = resolve_ssh_target(target)
    if target.host in jumps_for:
        raise UsageError(
            f"{target.config_file}: ProxyJump leads in a circle: {' → '.join([*jumps_for, target.host])}",
            f"add to it, before the other lines: Host {target.host}, and below that: ProxyJump none",
        )
    jump_session: Optional[Session] = None
    for jump in route.jump_hosts:
        jump_session = connect(jump_target(jump, target), confirm, ask_password, warn, (*jumps_for, target.host))
    sock = _open_tunnel(jump_session, route) if jump_session else _open_socket(route)
    transport = paramiko.Transport(sock)
    try:
        known_hosts = KnownHosts(route, warn)
        known_hosts.prefer_known_key_types(transport)
        _handshake(transport, route)
        known_hosts.verify_key(transport.get_remote_server_key(), confirm)
        _authenticate(transport, route, ask_password)
    except BaseException:
        transport.close()
        if jump_session:
            jump_session.close()
        raise
    transport.set_keepalive(15)
    return Session(transport, route, jump_session)


def _open_tunnel(session: Session, route: ResolvedSshTarget) -> paramiko.Channel:
    try:
        return session.transport.open_channel(
            "direct-tcpip", (route.address, route.port), ("127.0.0.1", 0), timeout=CONNECT_TIMEOUT
        )
    except (paramiko.SSHException, EOFError) as error:
        raise ConnectError(
            f"{route.name}: cannot be reached through {session.route.name}: {error}", f"try: ssh {session.route.name}"
        ) from error


def _open_socket(route: ResolvedSshTarget) -> socket.socket:
    endpoint = f"{route.address} port {route.port}"
    try:
        sock = socket.create_connection((route.address, route.port), timeout=CONNECT_TIMEOUT)
    except (socket.gaierror, UnicodeError) as error:
        raise ConnectError(
            f"{route.name}: no such host name is known here", "check the name, or give its address"
        ) from error
    except socket.timeout as error:
        raise ConnectError(
            f"{route.name}: {endpoint} does not answer", "check the address, and firewalls between"
        ) from error
    except OSError as error:
        hint = "check that the host is up and that sshd runs there"
        raise ConnectError(f"{route.name}: {endpoint} cannot be reached: {error.strerror or error}", hint) from error
    # Without it a small request waits 40 ms for the acknowledgement of the one before.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A host that is cut off is noticed by what it does not acknowledge: the keepalive's packets at the latest.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(ACKNOWLEDGEMENT_TIMEOUT * 1000))
    sock.settimeout(None)
    return sock


def _handshake(transport: paramiko.Transport, route: ResolvedSshTarget) -> None:
    try:
        transport.start_client(timeout=CONNECT_TIMEOUT)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise ConnectError(
            f"{route.name}: port {route.port} of {route.address} does not speak SSH with us: {error or 'it hung up'}",
            f"try: ssh -v -p {route.port} {route.user}@{route.address}",
        ) from error


def _authenticate(transport: paramiko.Transport, route: ResolvedSshTarget, ask_password: Password) -> None:
    attempts: List[str] = []
    for label, key in keys_of(route, ask_password, attempts):
        attempts.append(label)
        reason = _offer(transport, route.user, key)
        if transport.is_authenticated():
            return
        attempts[-1] += f" ({reason})" if reason else ""
        if not transport.is_active():
            break
    raise ConnectError(
        f"{route.name}: does not let {route.user} in with {'; '.join(attempts) or 'no key, as there is none'}",
        f"try: ssh -p {route.port} {route.user}@{route.address}; "
        "name a user with --host USER@HOST, a key with --ssh-key FILE",
    )


def _offer(transport: paramiko.Transport, user: str, key: paramiko.PKey) -> str:
    """Try to log in with a key; why it could not be used, "" when the server has judged it."""
    try:
        transport.auth_publickey(user, key)
    except paramiko.AuthenticationException:
        return ""
    except (paramiko.SSHException, ValueError, EOFError) as error:
        return str(error) or "it hung up"
    return ""
