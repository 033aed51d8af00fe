"""memcached: tokens and sessions that need not outlive a restart."""

from __future__ import annotations

from typing import List

from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import PORTS, NodeContext


def declare(context: NodeContext) -> List[Resource]:
    """The cache, on loopback alone: everything that uses it runs on this host."""
    config = context.render_file("memcached", "memcached", phase=Phase.PLATFORM, port=PORTS["memcached"])
    return [config, context.declare_unit("memcached", "memcached", watches=[config], phase=Phase.PLATFORM)]
