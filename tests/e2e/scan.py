"""Every TCP port of a host, asked from outside: which answer."""

from __future__ import annotations

import asyncio
from typing import List, Set
from urllib.parse import urlsplit

from packstack_lite import sandbox as room
from packstack_lite.services._base.context import PORTS
from tests.e2e.conftest import Sandbox

# Connections at once, and seconds for one: a port that is closed says so at once, one that says nothing is closed too.
AT_ONCE, PATIENCE = 400, 5.0
SSH, DASHBOARD = 22, 80


async def _ask(address: str, ports: List[int], found: Set[int]) -> None:
    while ports:
        port = ports.pop()
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), PATIENCE)
        except (OSError, asyncio.TimeoutError):
            continue
        found.add(port)
        writer.close()


async def _ask_all(address: str) -> Set[int]:
    ports, found = list(range(1, 65536)), set()
    await asyncio.gather(*[_ask(address, ports, found) for _ in range(AT_ONCE)])
    return found


def open_ports(address: str) -> Set[int]:
    """The TCP ports that take a connection from this machine."""
    return asyncio.run(_ask_all(address))


def public_ports(cloud: Sandbox) -> Set[int]:
    """What the catalog tells everybody, the dashboard, the console and SSH."""
    script = ". /root/keystonerc_admin; openstack endpoint list --interface public -f value -c URL"
    urls = [urlsplit(line) for line in cloud.sh(script).splitlines()]
    assert len(urls) >= 5
    return {SSH, DASHBOARD, PORTS["novnc"], *(url.port or 80 for url in urls)}


def assert_public_alone(cloud: Sandbox) -> None:
    """A port scan finds exactly what is public."""
    found, public = open_ports(room.find(cloud.name).address), public_ports(cloud)
    told = cloud.sh("ss -tlnpH") if found != public else ""
    assert found == public, f"open and not public: {sorted(found - public)}, closed: {sorted(public - found)}\n{told}"
