"""Roles that one unit of the distribution plays together: the unit is one resource, for all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Sequence

from packstack_lite.resources import Unit
from packstack_lite.resources.base import PHASES, Resource


def together(resources: Sequence[Resource]) -> List[Resource]:
    """The same resources, each unit once: it reads, needs and has to show everything that its roles do.

    It starts in the earliest of their phases, so a role whose phase is a later one may only need and read what
    is there by then.
    """
    found: Dict[str, Resource] = {}
    for resource in resources:
        other = found.get(resource.id)
        both = isinstance(resource, Unit) and isinstance(other, Unit)
        found[resource.id] = _joined(other, resource) if both else resource  # type: ignore[arg-type]
    return [_without_itself(resource) for resource in found.values()]


def _joined(one: Unit, other: Unit) -> Unit:
    asked = [ready for ready in dict.fromkeys((one.ready, other.ready)) if ready != "true"]
    return replace(
        other,
        watches=tuple({watched.id: watched for watched in (*one.watches, *other.watches)}.values()),
        needs=tuple(dict.fromkeys((*one.needs, *other.needs))),
        ready=asked[0] if len(asked) == 1 else " && ".join(f"( {ready}\n)" for ready in asked) or "true",
        ready_timeout=max(one.ready_timeout, other.ready_timeout),
        logs=tuple(dict.fromkeys((*one.logs, *other.logs))),
        phase=min((one.phase, other.phase), key=PHASES.index),
        tags=one.tags | other.tags,
    )


def _without_itself(resource: Resource) -> Resource:
    if not isinstance(resource, Unit) or resource.id not in resource.needs:
        return resource
    return replace(resource, needs=tuple(need for need in resource.needs if need != resource.id))
