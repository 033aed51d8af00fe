"""Verify: what is no longer as declared."""

from __future__ import annotations

from typing import List, Sequence

from packstack_lite.engine.changes import changes, in_words
from packstack_lite.engine.read import read
from packstack_lite.engine.results import Fault
from packstack_lite.remote.command import Host
from packstack_lite.resources.base import Gap, Resource
from packstack_lite.secret import Masker


def verify(host: Host, resources: Sequence[Resource], masker: Masker) -> List[Fault]:
    """What is no longer as declared, each with the way back; reads in one flight."""
    return [
        Fault(host.name, gap.resource.id, masker(_fault(gap)), "packstack-lite apply")
        for gap in changes(resources, read(host, resources))
        if gap.keys
    ]


def _fault(gap: Gap) -> str:
    if gap.unknown:
        return "cannot be read: " + in_words(gap)
    if gap.missing:
        return "is missing"
    if gap.resource.want() is None:
        return "is there and should not be"
    return "differs: " + in_words(gap)
