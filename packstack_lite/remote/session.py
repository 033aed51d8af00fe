"""An SSH session: minimal hedge."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import paramiko

from packstack_lite.errors import ConnectFault


@dataclass(frozen=True)
class Target:
    host: str
    user: str = "root"
    port: int = 22
    key: str = ""
    known_hosts: str = ""
    accept_new: bool = False


class _Channel:
    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def send(self, data: bytes) -> None:
        self._channel.sendall(data)

    def receive(self, size: int) -> bytes:
        return self._channel.recv(size)

    def close(self) -> None:
        self._channel.close()


class Session:
    def __init__(self, transport: paramiko.Transport) -> None:
        self._transport = transport

    def root_shell(self, command: str) -> _Channel:
        channel = self._transport.open_session()
        channel.exec_command(command)
        return _Channel(channel)

    def close(self) -> None:
        self._transport.close()


def connect(target: Target) -> Session:
    try:
        sock = socket.create_connection((target.host, target.port), timeout=20)
    except OSError as error:
        raise ConnectFault(f"{target.host}: cannot be reached: {error}", "check the address and that sshd runs there")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(None)
    transport = paramiko.Transport(sock)
    transport.start_client(timeout=20)
    transport.auth_publickey(target.user, paramiko.Ed25519Key.from_private_key_file(target.key))
    transport.set_keepalive(15)
    return Session(transport)
