"""What differs: one pure function that plan, apply and verify share."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from packstack_lite.resources.base import PHASES, Gap, Phase, Resource, Seen, State, Unknown

# How a key of a state is called when a person reads the plan.
_WORDS = {"sha256": "content", "stamp": "what it reads", "token": "what it was done for"}

_MOST = 5


def in_order(resources: Iterable[Resource]) -> List[Resource]:
    """By phase; within a phase as declared."""
    rank = {phase: place for place, phase in enumerate(PHASES)}
    return sorted(resources, key=lambda resource: rank[resource.phase])


def compare(want: Optional[State], seen: Seen) -> Optional[Tuple[str, ...]]:
    """The keys that differ; None when nothing does. Absent or unknown: every wanted key."""
    if want is None:
        return None if seen is None else ("exists",)
    if seen is None or isinstance(seen, Unknown):
        return tuple(want)
    differing = tuple(key for key, value in want.items() if seen.get(key) != value)
    return differing or None


def changes(resources: Sequence[Resource], seen: Mapping[str, Seen]) -> List[Gap]:
    """Every gap, in the order in which it would be closed.

    A resource that reads another whose gap will be closed has a gap of its own (it must
    act again), even where its present state looks right.
    """
    gaps: List[Gap] = []
    changing: Set[str] = set()
    for resource in in_order(resources):
        keys = compare(resource.want(), seen.get(resource.id))
        causes = tuple(read for read in resource.reads if read in changing)
        if keys is not None or causes:
            gaps.append(Gap(resource, seen.get(resource.id), keys or (), causes))
            changing.add(resource.id)
    return gaps


def in_words(gap: Gap) -> str:
    """The gap as a person reads it: ``create``, ``mode 0644 → 0640``, ``known after Services``."""
    if isinstance(gap.seen, Unknown):
        return f"known after {gap.seen.after.value}" + (f" ({gap.seen.why})" if gap.seen.why else "")
    if gap.resource.want() is None:
        return "remove"
    if gap.seen is None:
        return "create"
    causes = ", ".join(cause.split(":", 1)[1] for cause in gap.caused_by)
    own = gap.resource.words(gap) if gap.keys else ""
    told = [own] if own else _differences(gap, gap.seen)
    if causes:
        told = [word for word in told if word != _WORDS["stamp"]]
        told.append(f"reads {causes}")
    return ", ".join(told)


def _differences(gap: Gap, seen: State) -> List[str]:
    wanted: State = gap.resource.want() or {}
    told = [_difference(key, seen.get(key), wanted.get(key)) for key in gap.keys]
    return told if len(told) <= _MOST else [*told[: _MOST - 1], f"and {len(told) - _MOST + 1} more"]


def _difference(key: str, old: object, new: object) -> str:
    if key in _WORDS:
        return _WORDS[key]
    if old is None:
        return f"{key} {_short(new)}"
    return f"{key} {_short(old)} → {_short(new)}"


def _short(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def by_phase(resources: Sequence[Resource]) -> Dict[Phase, List[Resource]]:
    """The resources of each phase that has any, phases in their order."""
    phases: Dict[Phase, List[Resource]] = {}
    for resource in in_order(resources):
        phases.setdefault(resource.phase, []).append(resource)
    return phases
