"""memcached: the cache for tokens and sessions, which may be lost at a restart."""

from __future__ import annotations

from typing import List

from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import PORTS, NodeContext
from packstack_lite.services._base.spec import Port, ServiceSpec

SPEC = ServiceSpec(
    name="memcached",
    after=("rabbitmq",),
    ports=(Port("memcached", 11211, ("memcached",)),),
    internal_ports=("11211",),
    units=("memcached",),
    template_dir="memcached",
)


def declare(context: NodeContext) -> List[Resource]:
    """Declare the cache, on loopback only: all of its clients run on this node."""
    config = context.render_file("memcached", "memcached", phase=Phase.PLATFORM, port=PORTS["memcached"])
    return [config, context.declare_unit("memcached", "memcached", restart_triggers=[config], phase=Phase.PLATFORM)]
