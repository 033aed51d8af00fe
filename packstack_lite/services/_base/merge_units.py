"""Merge the units of roles that one unit of the distribution serves.

Called by ``services.declaration``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Sequence

from packstack_lite.resources import Unit
from packstack_lite.resources.base import PHASES, Resource


def merge_units(resources: Sequence[Resource]) -> List[Resource]:
    """Return the resources with each unit once.

    Its triggers, needs and checks are those of all its roles.

    It starts in the earliest phase of its roles. So a role with a later phase may only need and read
    what exists in the earliest one.
    """
    by_id: Dict[str, Resource] = {}
    for resource in resources:
        previous = by_id.get(resource.id)
        are_units = isinstance(resource, Unit) and isinstance(previous, Unit)
        by_id[resource.id] = _merge_pair(previous, resource) if are_units else resource  # type: ignore[arg-type]
    return [_without_self_need(resource) for resource in by_id.values()]


def _merge_pair(one: Unit, other: Unit) -> Unit:
    """Merge two declarations of one unit.

    The result has the triggers, needs, logs and tags of both, both checks, the longer timeout and the earlier phase.
    """
    checks = [ready for ready in dict.fromkeys((one.ready_script, other.ready_script)) if ready != "true"]
    return replace(
        other,
        restart_triggers=tuple(
            {watched.id: watched for watched in (*one.restart_triggers, *other.restart_triggers)}.values()
        ),
        needs=tuple(dict.fromkeys((*one.needs, *other.needs))),
        ready_script=checks[0] if len(checks) == 1 else " && ".join(f"( {ready}\n)" for ready in checks) or "true",
        ready_timeout=max(one.ready_timeout, other.ready_timeout),
        logs=tuple(dict.fromkeys((*one.logs, *other.logs))),
        phase=min((one.phase, other.phase), key=PHASES.index),
        tags=one.tags | other.tags,
    )


def _without_self_need(resource: Resource) -> Resource:
    """Remove a unit's need of itself, which merging can create."""
    if not isinstance(resource, Unit) or resource.id not in resource.needs:
        return resource
    return replace(resource, needs=tuple(need for need in resource.needs if need != resource.id))
