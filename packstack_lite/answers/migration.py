"""An answer file of an older release as one of today: nothing is lost, every change is on record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Dict, List, Tuple

from packstack_lite.answers.carrying import Change
from packstack_lite.answers.effective import PLACEHOLDER
from packstack_lite.answers.history import modern
from packstack_lite.answers.mapping import CONTROLLER
from packstack_lite.answers.reader import Read
from packstack_lite.answers.table import ADDRESS, BY_NAME, RANDOM, Parameter
from packstack_lite.answers.writer import pages


@dataclass(frozen=True)
class Migrated:
    """The text of the new file, and what became of each line that is not in it as it was."""

    text: str
    changes: Tuple[Change, ...]


def migrate(found: Read) -> Migrated:
    """The file as today's Packstack would write it, with the answers that were given.

    A parameter that was not answered stands as a comment, so that its default stays a default.
    Lines that count no more are kept as comments at the end. Of old names that disagree, what
    most of them say is taken.
    """
    answers, changes = _decided(dict(found.answers), found.changes)
    for name, (text, line) in list(answers.items()):
        told = modern(name, text)
        if told:
            answers[name] = (told.now, line)
            changes.append(Change("replaced", line, name, text, name, told.now, told.why))
    changes.sort(key=lambda change: change.line)
    controller = answers.get(CONTROLLER, ("", 0))[0]

    def line_of(parameter: Parameter) -> str:
        if parameter.name in answers:
            return f"{parameter.name}={answers[parameter.name][0]}"
        return f"#{parameter.name}={_default(parameter, controller)}"

    return Migrated(pages(line_of) + _kept(changes), tuple(changes))


def _decided(
    answers: Dict[str, Tuple[str, int]], changes: List[Change]
) -> Tuple[Dict[str, Tuple[str, int]], List[Change]]:
    """One answer for each parameter whose old names disagree: that of most of them, else of the first."""
    found: List[Change] = []
    rivals: Dict[str, List[Change]] = {}
    for change in changes:
        if change.kind == "disagree":
            rivals.setdefault(change.now, []).append(change)
        else:
            found.append(change)
    for name, said in rivals.items():
        text = Counter(change.after for change in said).most_common(1)[0][0]
        line = next(change.line for change in said if change.after == text)
        answers[name] = (text, line)
        for change in said:
            agrees = change.after == text
            found.append(replace(change, kind="renamed" if agrees else "disagree", after=text, other=line))
    return answers, found


def _default(parameter: Parameter, controller: str) -> str:
    if parameter.default == ADDRESS:
        return controller
    return PLACEHOLDER if parameter.default == RANDOM or parameter.default in BY_NAME else parameter.default


def _kept(changes: List[Change]) -> str:
    """The old lines that do not stand in the new file as they were, each once, as comments."""
    read = {(change.line, change.now): change for change in changes if change.kind == "renamed"}
    lines: Dict[str, None] = {}
    for change in changes:
        if change.kind == "renamed" and change.before == change.after:
            continue
        if change.kind != "added" or change.asked:
            lines[_comment(change, read.get((change.line, change.name), change))] = None
    if not lines:
        return ""
    return "\n".join(["", "", "# === Lines of the old file that do not count as they were ===", *lines]) + "\n"


def _comment(change: Change, said: Change) -> str:
    """The line of the old file; ``said`` knows the name that stands there."""
    return f"# {change.kind}, line {change.line}: {f'{said.name}={said.before}' if said.name else said.before}"
