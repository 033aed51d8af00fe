"""How a resource's job is called on the host."""

from __future__ import annotations

import re


def job_name(resource_id: str) -> str:
    """``unit:nova-api`` is ``unit-nova-api``: fit for a directory and a systemd unit."""
    return re.sub(r"[^a-z0-9.@_-]+", "-", resource_id.lower())
