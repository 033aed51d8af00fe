"""Open an SSH session: resolve, connect, verify the host key, log in.

Used by ``connections``.
"""

from __future__ import annotations

import logging
import socket
import time
from typing import List, Optional, Tuple, Union

import paramiko

from packstack_lite.errors import ConnectError, UsageError
from packstack_lite.remote.host_keys import ConfirmPrompt, KnownHosts
from packstack_lite.remote.keys import Password, iter_keys
from packstack_lite.remote.known_hosts import Warn
from packstack_lite.remote.ssh_config import ResolvedSshTarget, SshTarget, parse_jump, resolve_ssh_target

CONNECT_TIMEOUT = 20.0
# Seconds without a TCP acknowledgement until a connection counts as lost; the kernel's default is about 15 minutes.
ACKNOWLEDGEMENT_TIMEOUT = 60.0
# Seconds that a login and sudo may take until the root shell answers; pam_systemd alone waits up to 25.
SHELL_TIMEOUT = 90.0
# Seconds that a busy sshd may take to close a channel.
CHANNEL_TIMEOUT = 10.0
Socket = Union[socket.socket, paramiko.Channel]

# Without a handler Python would print paramiko's messages; our errors say the same and what to do.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

__all__ = ["Session", "SshTarget", "connect"]


class ChannelStream:
    """An SSH channel as a Stream for ``Shell``."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def send(self, data: bytes) -> None:
        """Send all bytes; block while the channel's window is full."""
        self._channel.sendall(data)

    def receive(self, size: int) -> bytes:
        """Receive at most ``size`` bytes; b"" at the end of the stream."""
        try:
            return self._channel.recv(size)
        except OSError:
            return b""

    def set_timeout(self, seconds: Optional[float]) -> None:
        """Set after how many silent seconds the stream counts as ended; None for never."""
        self._channel.settimeout(seconds)

    def close(self) -> None:
        """Close the channel; the shell on the node exits."""
        self._channel.close()


class Session:
    """An authenticated SSH connection.

    ``route`` holds the address, user and keys that were used. A session over a jump host owns the session to that host.
    """

    def __init__(
        self, transport: paramiko.Transport, route: ResolvedSshTarget, jump_session: "Optional[Session]" = None
    ) -> None:
        self.transport = transport
        self.route = route
        self._jump_session = jump_session

    def open_stream(self, command: str) -> ChannelStream:
        """Start a command and return its standard input and output as one stream.

        Raises ConnectError.
        """
        try:
            channel = self._open_channel()
            channel.exec_command(command)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise ConnectError(
                f"{self.route.name}: sshd refuses another channel: {error}", "check MaxSessions in its sshd_config"
            ) from error
        return ChannelStream(channel)

    def run(self, command: str, stdin: bytes = b"") -> "tuple[int, str]":
        """Run a single command; return its exit code and its standard error."""
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
        """Open a channel; retry while sshd refuses it.

        With MaxSessions 1 sshd refuses a channel until the previous one is closed.
        """
        deadline = time.monotonic() + CHANNEL_TIMEOUT
        while True:
            try:
                return self.transport.open_session(timeout=CONNECT_TIMEOUT)
            except paramiko.ChannelException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def close(self) -> None:
        """Close the connection and that of its jump host."""
        self.transport.close()
        if self._jump_session:
            self._jump_session.close()


def ignore_warning(text: str) -> None:
    """Ignore a warning: the default where a caller passes no ``warn``."""


def connect(
    target: SshTarget,
    confirm: ConfirmPrompt = None,
    ask_password: Password = None,
    warn: Warn = ignore_warning,
    jumps_for: Tuple[str, ...] = (),
) -> Session:
    """Connect and authenticate.

    Raises ConnectError that says what failed and what to type. ``warn`` gets a message for each damaged file that is
    skipped. ``jumps_for`` are the hosts that this one is a ProxyJump of; a loop among them raises UsageError.
    """
    route = resolve_ssh_target(target)
    if target.host in jumps_for:
        raise UsageError(
            f"{target.config_file}: ProxyJump is a loop: {' → '.join([*jumps_for, target.host])}",
            f"add to it, before the other lines: Host {target.host}, and below that: ProxyJump none",
        )
    jump_session: Optional[Session] = None
    for jump in route.jump_hosts:
        jump_session = connect(parse_jump(jump, target), confirm, ask_password, warn, (*jumps_for, target.host))
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


def _open_tunnel(jump_session: Session, route: ResolvedSshTarget) -> paramiko.Channel:
    """Open a connection to the host of ``route`` through its jump host's session.

    Raises ConnectError.
    """
    try:
        return jump_session.transport.open_channel(
            "direct-tcpip", (route.address, route.port), ("127.0.0.1", 0), timeout=CONNECT_TIMEOUT
        )
    except (paramiko.SSHException, EOFError) as error:
        raise ConnectError(
            f"{route.name}: cannot be reached through {jump_session.route.name}: {error}",
            f"try: ssh {jump_session.route.name}",
        ) from error


def _open_socket(route: ResolvedSshTarget) -> socket.socket:
    """Open a TCP connection that notices a lost peer. Raises ConnectError."""
    endpoint = f"{route.address} port {route.port}"
    try:
        sock = socket.create_connection((route.address, route.port), timeout=CONNECT_TIMEOUT)
    except (socket.gaierror, UnicodeError) as error:
        raise ConnectError(
            f"{route.name}: the host name cannot be resolved", "check the name, or use the address"
        ) from error
    except socket.timeout as error:
        raise ConnectError(
            f"{route.name}: {endpoint} does not answer", "check the address, and the firewalls on the way"
        ) from error
    except OSError as error:
        hint = "check that the host is up and that sshd runs there"
        raise ConnectError(f"{route.name}: {endpoint} cannot be reached: {error.strerror or error}", hint) from error
    # Without TCP_NODELAY a small request waits 40 ms for the previous one's acknowledgement (delayed ACK).
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A host that is cut off stops acknowledging; the keepalive's packets reveal it even when we send nothing.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(ACKNOWLEDGEMENT_TIMEOUT * 1000))
    sock.settimeout(None)
    return sock


def _handshake(transport: paramiko.Transport, route: ResolvedSshTarget) -> None:
    """Do the SSH key exchange. Raises ConnectError if the port does not speak SSH."""
    try:
        transport.start_client(timeout=CONNECT_TIMEOUT)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise ConnectError(
            f"{route.name}: no SSH connection on port {route.port} of {route.address}: {error or 'it was closed'}",
            f"try: ssh -v -p {route.port} {route.user}@{route.address}",
        ) from error


def _authenticate(transport: paramiko.Transport, route: ResolvedSshTarget, ask_password: Password) -> None:
    """Log in with the first key that the server accepts. Raises ConnectError."""
    attempts: List[str] = []
    for label, key in iter_keys(route, ask_password, attempts):
        attempts.append(label)
        reason = _offer(transport, route.user, key)
        if transport.is_authenticated():
            return
        attempts[-1] += f" ({reason})" if reason else ""
        if not transport.is_active():
            break
    raise ConnectError(
        f"{route.name}: cannot log in as {route.user} with {'; '.join(attempts) or 'a key: there is none'}",
        f"try: ssh -p {route.port} {route.user}@{route.address}; "
        "set the user with --host USER@HOST, the key with --ssh-key FILE",
    )


def _offer(transport: paramiko.Transport, user: str, key: paramiko.PKey) -> str:
    """Try to log in with a key.

    Return why the key could not be used, "" if the server accepted or refused it.
    """
    try:
        transport.auth_publickey(user, key)
    except paramiko.AuthenticationException:
        return ""
    except (paramiko.SSHException, ValueError, EOFError) as error:
        return str(error) or "the connection was closed"
    return ""
