"""What differs: one pure function that plan, apply and verify share."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from packstack_lite.resources.base import PHASES, Diff, Observed, Phase, Resource, State, Unknown

# How a key of a state is called when a person reads the plan.
_KEY_LABELS = {"sha256": "content", "stamp": "what it reads", "token": "what it was done for"}

_MAX_KEYS = 5


def sort_by_phase(resources: Iterable[Resource]) -> List[Resource]:
    """By phase; within a phase as declared."""
    rank = {phase: index for index, phase in enumerate(PHASES)}
    return sorted(resources, key=lambda resource: rank[resource.phase])


def differing_keys(desired: Optional[State], observed: Observed) -> Optional[Tuple[str, ...]]:
    """The keys that differ; None when nothing does. Absent or unknown: every wanted key."""
    if desired is None:
        return None if observed is None else ("exists",)
    if observed is None or isinstance(observed, Unknown):
        return tuple(desired)
    differing = tuple(key for key, value in desired.items() if observed.get(key) != value)
    return differing or None


def diff_resources(resources: Sequence[Resource], observed: Mapping[str, Observed]) -> List[Diff]:
    """Every gap, in the order in which it would be closed.

    A resource that reads another whose gap will be closed has a gap of its own (it must
    act again), even where its present state looks right.
    """
    diffs: List[Diff] = []
    changing_ids: Set[str] = set()
    for resource in sort_by_phase(resources):
        keys = differing_keys(resource.desired(), observed.get(resource.id))
        triggers = tuple(trigger_id for trigger_id in resource.trigger_ids if trigger_id in changing_ids)
        if keys is not None or triggers:
            diffs.append(Diff(resource, observed.get(resource.id), keys or (), triggers))
            changing_ids.add(resource.id)
    return diffs


def describe_diff(diff: Diff) -> str:
    """The gap as a person reads it: ``create``, ``mode 0644 → 0640``, ``known after Services``."""
    if isinstance(diff.observed, Unknown):
        return f"known after {diff.observed.known_after.value}" + (
            f" ({diff.observed.reason})" if diff.observed.reason else ""
        )
    if diff.resource.desired() is None:
        return "remove"
    if diff.observed is None:
        return "create"
    triggers = ", ".join(trigger_id.split(":", 1)[1] for trigger_id in diff.triggered_by)
    description = diff.resource.describe(diff) if diff.keys else ""
    parts = [description] if description else _describe_keys(diff, diff.observed)
    if triggers:
        parts = [part for part in parts if part != _KEY_LABELS["stamp"]]
        parts.append(f"reads {triggers}")
    return ", ".join(parts)


def _describe_keys(diff: Diff, observed: State) -> List[str]:
    desired: State = diff.resource.desired() or {}
    parts = [_describe_key(key, observed.get(key), desired.get(key)) for key in diff.keys]
    return parts if len(parts) <= _MAX_KEYS else [*parts[: _MAX_KEYS - 1], f"and {len(parts) - _MAX_KEYS + 1} more"]


def _describe_key(key: str, old: object, new: object) -> str:
    if key in _KEY_LABELS:
        return _KEY_LABELS[key]
    if old is None:
        return f"{key} {_shorten(new)}"
    return f"{key} {_shorten(old)} → {_shorten(new)}"


def _shorten(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def group_by_phase(resources: Sequence[Resource]) -> Dict[Phase, List[Resource]]:
    """The resources of each phase that has any, phases in their order."""
    phases: Dict[Phase, List[Resource]] = {}
    for resource in sort_by_phase(resources):
        phases.setdefault(resource.phase, []).append(resource)
    return phases
