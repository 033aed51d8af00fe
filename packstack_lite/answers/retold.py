"""What became of lines of an answer file, in sentences."""

from __future__ import annotations

from typing import Callable, Dict, List, Sequence

from packstack_lite.answers.carrying import Change
from packstack_lite.answers.history import past
from packstack_lite.secret import MASK

# Kinds that stop a load are told as faults there.
_FAULTS = ("unreadable", "disagree")


def faults(path: object, changes: Sequence[Change]) -> List[str]:
    """One sentence for each parameter whose old names contradict each other."""
    found: Dict[str, List[Change]] = {}
    for change in changes:
        if change.kind == "disagree":
            found.setdefault(change.now, []).append(change)
    return [
        f"{path}:{said[-1].line}: {', '.join(f'{line.name} (line {line.line})' for line in said)} disagree;"
        f" write one {name} in their place"
        for name, said in found.items()
    ]


def warnings(path: object, changes: Sequence[Change]) -> List[str]:
    """A sentence for each change that is no fault."""
    return sentences(path, [change for change in changes if change.kind not in _FAULTS])


def sentences(path: object, changes: Sequence[Change]) -> List[str]:
    """One sentence for each change, but one for all lines that are read alike or share a fate and asked for nothing."""
    alike = [change for change in changes if change.kind in ("removed", "idle") and not change.asked]
    read = _by([change for change in changes if change.kind == "renamed"], lambda change: (change.now, change.after))
    first = {id(group[0]): group for group in read}
    told = []
    for change in changes:
        if change.kind == "renamed" and id(change) in first:
            told.append(f"{path}:{change.line}: {_renamed(first[id(change)])}")
        elif change.kind != "renamed" and change not in alike:
            told.append(f"{path}:{_line(change)}: {_SENTENCES[change.kind](change)}")
    fates = _by(alike, lambda change: change.why)
    return told + [f"{path}:{group[0].line}: {_names(group)}: {_gone(group)}" for group in fates]


def shown(change: Change, text: str) -> str:
    """The text, or a mask where it may be a secret."""
    return MASK if change.secret and text else text


def _line(change: Change) -> int:
    """Where the reader of the sentence is sent: of a name said twice, to the line that counts."""
    return change.other if change.kind == "repeated" else change.line


def _renamed(group: Sequence[Change]) -> str:
    first = group[0]
    are = "is an old name" if len(group) == 1 else "are old names"
    told = f"{_names(group)} {are} of {first.now}, and read as that"
    return told if all(change.after == change.before for change in group) else f"{told}: {shown(first, first.after)}"


_SENTENCES: Dict[str, Callable[[Change], str]] = {
    "ignored": lambda change: (
        f"{change.name} is an old name of {change.now}, which line {change.other} answers; it is ignored"
    ),
    "overruled": lambda change: f"{change.name} is ignored: beside it {change.now} counted, in line {change.other}",
    "added": lambda change: f"{change.name} is read as {change.after}: {change.why}",
    "replaced": lambda change: f"{change.name}={change.before} is read as {change.after or 'empty'}: {change.why}",
    "removed": lambda change: f"{change.name}={shown(change, change.before)}: {_gone([change])}",
    "unknown": lambda change: f"{change.name} is unknown and ignored{change.why}",
    "repeated": lambda change: f"{change.name} was answered in line {change.line} already; this one counts",
    "disagree": lambda change: (
        f"{change.name} disagrees about {change.now} with line {change.other}, which most lines agree with"
    ),
    "unreadable": lambda change: f"cannot be read{': ' if change.why else ''}{change.why}",
}


def _by(changes: Sequence[Change], key: Callable[[Change], object]) -> List[List[Change]]:
    """Changes with the same key together, in the order in which each key comes first."""
    groups: Dict[object, List[Change]] = {}
    for change in changes:
        groups.setdefault(key(change), []).append(change)
    return list(groups.values())


def _names(group: Sequence[Change]) -> str:
    return ", ".join([group[0].name, *(f"{change.name} (line {change.line})" for change in group[1:])])


def _gone(changes: Sequence[Change]) -> str:
    """When these names went, and what became of them."""
    last = {past()[change.name].last for change in changes}
    when = f"gone after {last.pop()}: " if len(last) == 1 and changes[0].kind == "removed" else ""
    return when + changes[0].why
