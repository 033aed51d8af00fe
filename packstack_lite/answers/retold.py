"""What became of old lines, in sentences."""

from __future__ import annotations

from itertools import groupby
from typing import Iterator, List, Mapping, Sequence, Union

from packstack_lite.answers.carrying import Change, OldLine
from packstack_lite.answers.history import past
from packstack_lite.secret import MASK


def faults(path: object, disagreements: Mapping[str, Sequence[OldLine]]) -> List[str]:
    """One sentence for each parameter whose old names contradict each other."""
    found = []
    for name, said in disagreements.items():
        told = ", ".join(f"{line.name} (line {line.line})" for line in said)
        found.append(f"{path}:{said[-1].line}: {told} disagree; write one {name} in their place")
    return found


def warnings(path: object, changes: Sequence[Change]) -> List[str]:
    """One sentence for each change, and one for all lines that share a fate and asked for nothing."""
    alike = [change for change in changes if change.kind in ("removed", "idle") and not change.asked]
    others = [change for change in changes if change not in alike]
    found = [f"{path}:{change.line}: {told}" for change in others for told in _sentence(change)]
    return found + [f"{path}:{group[0].line}: {_together(group)}" for group in _by_fate(alike)]


def _sentence(change: Change) -> Iterator[str]:
    if change.kind == "renamed":
        told = f"{change.name} is an old name of {change.now}, and read as that"
        yield told if change.after == change.before else f"{told}: {shown(change, change.after)}"
    elif change.kind == "ignored":
        yield f"{change.name} is an old name of {change.now}, which line {change.other} answers; it is ignored"
    elif change.kind == "overruled":
        yield f"{change.name} is ignored: beside it {change.now} counted, in line {change.other}"
    elif change.kind == "added":
        yield f"{change.name} is read as {change.after}: {change.why}"
    elif change.kind == "removed":
        yield f"{change.name}={shown(change, change.before)}: {_gone(change)}"


def shown(change: Change, text: str) -> str:
    """The text, or a mask where it may be a secret."""
    return MASK if change.secret and text else text


def _by_fate(changes: Sequence[Change]) -> List[List[Change]]:
    """Lines with the same fate together, in the order in which each fate comes first."""
    first = {change.why: place for place, change in reversed(list(enumerate(changes)))}
    ordered = sorted(changes, key=lambda change: first[change.why])
    return [list(group) for _, group in groupby(ordered, key=lambda change: change.why)]


def _together(group: Sequence[Change]) -> str:
    names = [group[0].name, *(f"{change.name} (line {change.line})" for change in group[1:])]
    return f"{', '.join(names)}: {_gone(group)}"


def _gone(what: Union[Change, Sequence[Change]]) -> str:
    """When these names went, and what became of them."""
    changes = [what] if isinstance(what, Change) else what
    last = {past()[change.name].last for change in changes}
    when = f"gone after {last.pop()}: " if len(last) == 1 and changes[0].kind == "removed" else ""
    return when + changes[0].why
