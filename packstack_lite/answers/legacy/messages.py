"""Describe what became of the lines of an answer file.

Used by the reader and by `answers migrate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Sequence

from packstack_lite.answers.legacy.history import load_old_parameters
from packstack_lite.answers.legacy.rename import LineChange
from packstack_lite.secret import MASK

# The reader reports these kinds as errors itself.
_ERROR_KINDS = ("unreadable", "disagree")


@dataclass(frozen=True)
class Places:
    """The places of changes: lines of a file, or origins of overrides.

    An origin is such as ``--set``; the first override has the number 1.
    """

    path: object = ""
    origins: Sequence[str] = ()

    def label(self, number: int) -> str:
        """Return the beginning of a message, such as ``PATH:NUMBER``, without colon."""
        return self.origins[number - 1] if self.origins else f"{self.path}:{number}"

    def mention(self, number: int) -> str:
        """Return what the middle of a message calls the place, such as ``line NUMBER``."""
        return self.origins[number - 1] if self.origins else f"line {number}"


def describe_errors(places: Places, changes: Sequence[LineChange]) -> List[str]:
    """Describe each parameter whose old names disagree; one message each."""
    changes_by_name: Dict[str, List[LineChange]] = {}
    for change in changes:
        if change.kind == "disagree":
            changes_by_name.setdefault(change.current_name, []).append(change)
    messages = []
    for name, conflicting in changes_by_name.items():
        lines = ", ".join(f"{change.name} ({places.mention(change.line_number)})" for change in conflicting)
        messages.append(f"{places.label(conflicting[-1].line_number)}: {lines} disagree; replace them with one {name}")
    return messages


def describe_warnings(places: Places, changes: Sequence[LineChange]) -> List[str]:
    """Describe the changes that are not errors."""
    return _describe(places, [change for change in changes if change.kind not in _ERROR_KINDS])


def describe_changes(path: object, changes: Sequence[LineChange]) -> List[str]:
    """Describe the changes of a file's lines, one message each."""
    return _describe(Places(path), changes)


def _describe(places: Places, changes: Sequence[LineChange]) -> List[str]:
    """Describe changes, one message each.

    Lines that are read as the same answer share a message, and so do lines without effect of the same history.
    """
    without_effect = [change for change in changes if change.kind in ("removed", "idle") and not change.was_requested]
    rename_groups = _group_changes(
        [change for change in changes if change.kind == "renamed"],
        lambda change: (change.current_name, change.new_text),
    )
    group_by_first_change = {id(group[0]): group for group in rename_groups}
    messages = []
    for change in changes:
        if change.kind == "renamed" and id(change) in group_by_first_change:
            group = group_by_first_change[id(change)]
            messages.append(f"{places.label(change.line_number)}: {_describe_rename(group, places)}")
        elif change.kind != "renamed" and change not in without_effect:
            mention = places.mention(change.other_line_number or change.line_number)
            label = places.label(_reported_line_number(change))
            messages.append(f"{label}: {_MESSAGES[change.kind](change, mention)}")
    groups_by_reason = _group_changes(without_effect, lambda change: change.reason)
    return messages + [
        f"{places.label(group[0].line_number)}: {_list_names(group, places)}: {_describe_removal(group)}"
        for group in groups_by_reason
    ]


def mask_text(change: LineChange, text: str) -> str:
    """Return the text, or ``***`` where it may be a secret."""
    return MASK if change.is_secret and text else text


def _reported_line_number(change: LineChange) -> int:
    """Return the line that a message names.

    Of a repeated parameter it is the line that is used.
    """
    return change.other_line_number if change.kind == "repeated" else change.line_number


def _describe_rename(group: Sequence[LineChange], places: Places) -> str:
    """Describe old names that are read as the same answer."""
    first = group[0]
    verb, read = ("is an old name", "is read") if len(group) == 1 else ("are old names", "are read")
    message = f"{_list_names(group, places)} {verb} of {first.current_name} and {read} as such"
    return (
        message
        if all(change.new_text == change.old_text for change in group)
        else f"{message}: {mask_text(first, first.new_text)}"
    )


# Kind of change -> its message, of the change and of the place that it refers to.
_MESSAGES: Dict[str, Callable[[LineChange, str], str]] = {
    "ignored": lambda change, mention: (
        f"{change.name} is an old name of {change.current_name} and is ignored: {mention} has the answer"
    ),
    "overruled": lambda change, mention: f"{change.name} is ignored: {change.current_name} in {mention} overrides it",
    "added": lambda change, mention: f"{change.name} is read as {change.new_text}: {change.reason}",
    "replaced": lambda change, mention: (
        f"{change.name}={change.old_text} is read as {change.new_text or 'empty'}: {change.reason}"
    ),
    "removed": lambda change, mention: (
        f"{change.name}={mask_text(change, change.old_text)}: {_describe_removal([change])}"
    ),
    "unknown": lambda change, mention: f"{change.name} is unknown and ignored{change.reason}",
    "repeated": lambda change, mention: f"{change.name} is also in line {change.line_number}; this line is used",
    "disagree": lambda change, mention: (
        f"{change.name} disagrees about {change.current_name} with {mention}, which most lines agree with"
    ),
    "unreadable": lambda change, mention: f"cannot be read{': ' if change.reason else ''}{change.reason}",
}


def _group_changes(changes: Sequence[LineChange], key: Callable[[LineChange], object]) -> List[List[LineChange]]:
    """Group changes by key, in the order in which each key first occurs."""
    groups: Dict[object, List[LineChange]] = {}
    for change in changes:
        groups.setdefault(key(change), []).append(change)
    return list(groups.values())


def _list_names(group: Sequence[LineChange], places: Places) -> str:
    """List the names of changes, all but the first with their lines."""
    others = [f"{change.name} ({places.mention(change.line_number)})" for change in group[1:]]
    return ", ".join([group[0].name, *others])


def _describe_removal(changes: Sequence[LineChange]) -> str:
    """Describe when these names were removed, and what became of them."""
    last_releases = {load_old_parameters()[change.name].last_release for change in changes}
    if len(last_releases) == 1 and changes[0].kind == "removed":
        return f"removed after {last_releases.pop()}: {changes[0].reason}"
    return changes[0].reason
