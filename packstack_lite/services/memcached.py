"""memcached: tokens and sessions that need not outlive a restart."""

from __future__ import annotations

from typing import List

from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services.cloud import PORTS, Cloud


def declare(cloud: Cloud) -> List[Resource]:
    """The cache, on loopback alone: everything that uses it runs on this host."""
    config = cloud.file("memcached", "memcached", phase=Phase.PLATFORM, port=PORTS["memcached"])
    return [config, cloud.unit("memcached", "memcached", watches=[config], phase=Phase.PLATFORM)]
