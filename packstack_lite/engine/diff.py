"""Compare desired and observed states, and describe the differences.

Pure; used by plan, apply and verify.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from packstack_lite.resources import Packages
from packstack_lite.resources.base import PHASES, Diff, Observed, Phase, Resource, State, Unknown, join_names

_MAX_TRIGGERS = 3


def sort_by_phase(resources: Iterable[Resource]) -> List[Resource]:
    """Sort resources by phase; within a phase they keep the order of declaration."""
    rank = {phase: index for index, phase in enumerate(PHASES)}
    return sorted(resources, key=lambda resource: rank[resource.phase])


def group_by_phase(resources: Sequence[Resource]) -> Dict[Phase, List[Resource]]:
    """Group resources by phase, in order; phases without resources are left out."""
    phases: Dict[Phase, List[Resource]] = {}
    for resource in sort_by_phase(resources):
        phases.setdefault(resource.phase, []).append(resource)
    return phases


def differing_keys(desired: Optional[State], observed: Observed[State]) -> Optional[Tuple[str, ...]]:
    """Return the desired keys whose values differ; None when nothing differs.

    For a missing or unknown resource these are all desired keys.
    """
    if desired is None:
        return None if observed is None else ("exists",)
    if observed is None or isinstance(observed, Unknown):
        return tuple(desired)
    differing = tuple(key for key, value in desired.items() if observed.get(key) != value)
    return differing or None


def diff_resources(resources: Sequence[Resource], observed: Mapping[str, Observed[State]]) -> List[Diff[Resource]]:
    """Return a diff for each resource that has to be fixed, in the order of fixing.

    A resource whose trigger will change gets a diff too, even if its own state is right. So does one that shall not
    exist, and may come with a package that is not installed.
    """
    diffs: List[Diff[Resource]] = []
    changing_ids: Set[str] = set()
    coming_packages: Set[str] = set()
    for resource in sort_by_phase(resources):
        state = observed.get(resource.id)
        if state is None and resource.desired() is None and not coming_packages.isdisjoint(resource.brought_by):
            state = Unknown(Phase.PACKAGES, "its package is not installed yet")
        keys = differing_keys(resource.desired(), state)
        triggers = tuple(trigger_id for trigger_id in resource.trigger_ids if trigger_id in changing_ids)
        if keys is not None or triggers:
            diffs.append(Diff(resource, state, keys or (), triggers))
            changing_ids.add(resource.id)
        if isinstance(resource, Packages):
            coming_packages.update(keys or ())
    return diffs


def describe_diff(diff: Diff[Resource]) -> str:
    """Describe a change: ``restart nova-conductor (nova.conf changed)``.

    A kind without a reason of its own gets the base names of the resources that trigger the change.
    """
    action, reason = diff.resource.describe(diff)
    if isinstance(diff.observed, Unknown):
        detail = f": {diff.observed.reason}" if diff.observed.reason else ""
        return f"{action} if needed (known after {diff.observed.known_after.value}{detail})"
    if not reason and diff.triggered_by:
        names = [trigger_id.split(":", 1)[1].rsplit("/", 1)[-1] for trigger_id in diff.triggered_by]
        reason = f"{join_names(names, _MAX_TRIGGERS)} changed"
    return f"{action} ({reason})" if reason else action
