"""OVN's two databases, and northd that translates between them."""

from __future__ import annotations

from typing import List, Mapping

from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services.cloud import Cloud

# OVN's own defaults.
PORTS: Mapping[str, int] = {"nb": 6641, "sb": 6642}


def databases(cloud: Cloud) -> Mapping[str, str]:
    """Where the databases are asked. They want no password: whoever reaches them rules the network. So they listen on
    the loopback where everything that asks them is on that host, and the firewall keeps all but the cloud's hosts out
    where it is not."""
    address = cloud.address if cloud.others else "127.0.0.1"
    return {which: f"tcp:{address}:{port}" for which, port in PORTS.items()}


def declare(cloud: Cloud) -> List[Resource]:
    """The databases and northd."""
    options = cloud.file("ovn", "ovn-central", phase=Phase.PLATFORM, databases=databases(cloud))
    files = [options, *cloud.optional("ovn", "ovn-northd-unit", phase=Phase.PLATFORM)]
    # Restarting this one restarts the others with it: so it goes first.
    whole = cloud.unit("ovn-central", "ovn", needs=[file.id for file in files], phase=Phase.PLATFORM)
    stores = [
        cloud.unit(f"ovn-{which}", "ovn", [options], [whole.id], _answers(cloud, which), Phase.PLATFORM)
        for which in databases(cloud)
    ]
    northd = cloud.unit("ovn-northd", "ovn", files, [store.id for store in stores], phase=Phase.PLATFORM)
    return [*files, whole, *stores, northd]


def _answers(cloud: Cloud, which: str) -> str:
    return f"ovn-{which}ctl --timeout=5 --no-leader-only --db={databases(cloud)[which]} show"
