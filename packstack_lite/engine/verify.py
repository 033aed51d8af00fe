"""Find drift: what on a node is no longer as declared. Called by ``deployment``."""

from __future__ import annotations

from typing import List, Sequence

from packstack_lite.engine.diff import diff_resources
from packstack_lite.engine.probe import probe_resources
from packstack_lite.engine.results import Drift
from packstack_lite.recommended import recommend_here
from packstack_lite.remote.command import Connection
from packstack_lite.resources.base import Diff, Resource, Unknown
from packstack_lite.secret import Masker


def verify(connection: Connection, resources: Sequence[Resource], masker: Masker) -> List[Drift]:
    """Return each resource that is not as declared; reads in one round trip."""
    return [
        Drift(connection.name, diff.resource.id, masker(_describe_drift(diff)), recommend_here("apply"))
        for diff in diff_resources(resources, probe_resources(connection, resources))
        if diff.keys
    ]


def _describe_drift(diff: Diff[Resource]) -> str:
    """Describe what is wrong with a resource, or why its state cannot be read."""
    if isinstance(diff.observed, Unknown):
        reason = diff.observed.reason or f"known after {diff.observed.known_after.value}"
        return f"{diff.resource.label} cannot be read ({reason})"
    return diff.resource.describe_drift(diff)
