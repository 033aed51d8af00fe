"""Scan all TCP ports of a sandbox from this machine. Used by the tests of clouds."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from typing import Iterator, List, Sequence, Set
from urllib.parse import urlsplit

from packstack_lite import sandbox as sandbox_api
from packstack_lite.services._base.context import PORTS
from packstack_lite.services.registry import SPECS
from tests.e2e.conftest import Sandbox

# A closed port refuses at once; one that does not answer within TIMEOUT_SECONDS counts as closed too.
MAX_CONNECTIONS, TIMEOUT_SECONDS = 400, 5.0
SSH, DASHBOARD = 22, 80


def neighbour_socket() -> socket.socket:
    """Return a TCP socket that connects to neighbours only.

    While a sandbox is down there is no route to it, and the gateway of this machine may accept every connection.
    """
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
    return connection


async def _scan_ports(address: str, ports: List[int], open_ports_found: Set[int]) -> None:
    loop = asyncio.get_running_loop()
    while ports:
        port = ports.pop()
        with neighbour_socket() as connection:
            connection.setblocking(False)
            try:
                await asyncio.wait_for(loop.sock_connect(connection, (address, port)), TIMEOUT_SECONDS)
            except (OSError, asyncio.TimeoutError):
                continue
        open_ports_found.add(port)


async def _scan_all_ports(address: str) -> Set[int]:
    ports = list(range(1, 65536))
    open_ports_found: Set[int] = set()
    await asyncio.gather(*[_scan_ports(address, ports, open_ports_found) for _ in range(MAX_CONNECTIONS)])
    return open_ports_found


def open_ports(address: str) -> Set[int]:
    """Return the TCP ports that accept a connection from this machine."""
    return asyncio.run(_scan_all_ports(address))


# What Debian's packages of MariaDB, RabbitMQ and memcached open by themselves, beside the ports of our services.
PACKAGE_PORTS = (3306, 4369, 5672, 11211, 25672)


@contextmanager
def watched_ports(address: str) -> Iterator[Set[int]]:
    """Try the ports of services and packages again and again; yield the set of those that answered.

    The set is complete at the end of the block, after one more try of each.
    """
    ports, answered, is_over = sorted({SSH, *PORTS.values(), *PACKAGE_PORTS}), set[int](), threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            answered.update(_ports_that_answer(address, ports))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield answered
    finally:
        is_over.set()
        thread.join()
    answered.update(_ports_that_answer(address, ports))


def _ports_that_answer(address: str, ports: Sequence[int]) -> Set[int]:
    answered = set()
    for port in ports:
        with neighbour_socket() as connection:
            connection.settimeout(0.5)
            if connection.connect_ex((address, port)) == 0:
                answered.add(port)
    return answered


def public_ports(cloud: Sandbox) -> Set[int]:
    """Return the ports of the catalog's public endpoints, the dashboard, the console and SSH."""
    script = ". /root/keystonerc_admin; openstack endpoint list --interface public -f value -c URL"
    urls = [urlsplit(line) for line in cloud.sh(script).splitlines()]
    assert len(urls) >= 5
    return {SSH, DASHBOARD, PORTS["novnc"], *(url.port or 80 for url in urls)}


def all_public_ports() -> Set[int]:
    """Return all that may ever answer other machines: SSH, the dashboard and the services' public ports."""
    ports = [port for spec in SPECS for port in spec.listening_ports() if port.is_public]
    return {SSH, DASHBOARD, *(port.number for port in ports)}


def assert_only_public_ports_open(cloud: Sandbox) -> None:
    """Fail unless a port scan finds exactly the public ports."""
    found, expected = open_ports(sandbox_api.find(cloud.name).address), public_ports(cloud)
    sockets = cloud.sh("ss -tlnpH") if found != expected else ""
    assert found == expected, (
        f"open and not public: {sorted(found - expected)}, closed: {sorted(expected - found)}\n{sockets}"
    )
