"""The services of a cloud, one per file.

Answers and facts become resources. Pure: no I/O. ``registry`` lists the services, ``declaration`` is the entry point.
"""

from __future__ import annotations

# The registry first: it fills PORTS, which everything else reads.
from packstack_lite.services.registry import SERVICES, requested_services, services_on_node, unsupported_answers  # isort: skip
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services.declaration import declare, declare_delegated

__all__ = [
    "SERVICES",
    "NodeContext",
    "declare",
    "declare_delegated",
    "requested_services",
    "services_on_node",
    "unsupported_answers",
]
