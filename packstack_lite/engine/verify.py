"""Verify: what is no longer as declared."""

from __future__ import annotations

from typing import List, Sequence

from packstack_lite.engine.diff import describe_diff, diff_resources
from packstack_lite.engine.probe import probe_resources
from packstack_lite.engine.results import Drift
from packstack_lite.remote.command import Connection
from packstack_lite.resources.base import Diff, Resource
from packstack_lite.secret import Masker


def verify(connection: Connection, resources: Sequence[Resource], masker: Masker) -> List[Drift]:
    """What is no longer as declared, each with the way back; reads in one flight."""
    return [
        Drift(connection.name, diff.resource.id, masker(_describe_drift(diff)), "packstack-lite apply")
        for diff in diff_resources(resources, probe_resources(connection, resources))
        if diff.keys
    ]


def _describe_drift(diff: Diff) -> str:
    if diff.is_unknown:
        return "cannot be read: " + describe_diff(diff)
    if diff.is_missing:
        return "is missing"
    if diff.resource.desired() is None:
        return "is there and should not be"
    return "differs: " + describe_diff(diff)
