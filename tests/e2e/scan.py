"""Scan all TCP ports of a sandbox from this machine. Used by the tests of clouds."""

from __future__ import annotations

import asyncio
from typing import List, Set
from urllib.parse import urlsplit

from packstack_lite import sandbox as sandbox_api
from packstack_lite.services._base.context import PORTS
from tests.e2e.conftest import Sandbox

# A closed port refuses at once; one that does not answer within TIMEOUT_SECONDS counts as closed too.
MAX_CONNECTIONS, TIMEOUT_SECONDS = 400, 5.0
SSH, DASHBOARD = 22, 80


async def _scan_ports(address: str, ports: List[int], open_ports_found: Set[int]) -> None:
    while ports:
        port = ports.pop()
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), TIMEOUT_SECONDS)
        except (OSError, asyncio.TimeoutError):
            continue
        open_ports_found.add(port)
        writer.close()


async def _scan_all_ports(address: str) -> Set[int]:
    ports = list(range(1, 65536))
    open_ports_found: Set[int] = set()
    await asyncio.gather(*[_scan_ports(address, ports, open_ports_found) for _ in range(MAX_CONNECTIONS)])
    return open_ports_found


def open_ports(address: str) -> Set[int]:
    """Return the TCP ports that accept a connection from this machine."""
    return asyncio.run(_scan_all_ports(address))


def public_ports(cloud: Sandbox) -> Set[int]:
    """Return the ports of the catalog's public endpoints, the dashboard, the console and SSH."""
    script = ". /root/keystonerc_admin; openstack endpoint list --interface public -f value -c URL"
    urls = [urlsplit(line) for line in cloud.sh(script).splitlines()]
    assert len(urls) >= 5
    return {SSH, DASHBOARD, PORTS["novnc"], *(url.port or 80 for url in urls)}


def assert_only_public_ports_open(cloud: Sandbox) -> None:
    """Fail unless a port scan finds exactly the public ports."""
    found, expected = open_ports(sandbox_api.find(cloud.name).address), public_ports(cloud)
    sockets = cloud.sh("ss -tlnpH") if found != expected else ""
    assert found == expected, (
        f"open and not public: {sorted(found - expected)}, closed: {sorted(expected - found)}\n{sockets}"
    )
