"""An answer file of an older release as one of today: nothing is lost, every change is on record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Dict, List, Tuple

from packstack_lite.answers.legacy.history import modernize_value
from packstack_lite.answers.legacy.rename import LineChange
from packstack_lite.answers.parameter_table import ADDRESS_DEFAULT, PARAMETERS_BY_NAME, RANDOM_DEFAULT, Parameter
from packstack_lite.answers.reader import AnswerFile
from packstack_lite.answers.resolved_answers import CONTROLLER_HOST
from packstack_lite.answers.resolver import PASSWORD_PLACEHOLDER
from packstack_lite.answers.writer import render_parameter_lines


@dataclass(frozen=True)
class MigrationResult:
    """The text of the new file, and what became of each line that is not in it as it was."""

    text: str
    changes: Tuple[LineChange, ...]


def migrate_answer_file(answer_file: AnswerFile) -> MigrationResult:
    """The file as today's Packstack would write it, with the answers that were given.

    A parameter that was not answered stands as a comment, so that its default stays a default.
    Lines that count no more are kept as comments at the end. Of old names that disagree, what
    most of them say is taken.
    """
    answers, changes = _settle_disagreements(dict(answer_file.answers), answer_file.changes)
    for name, (text, line_number) in list(answers.items()):
        retired_value = modernize_value(name, text)
        if retired_value:
            answers[name] = (retired_value.new_value, line_number)
            changes.append(
                LineChange("replaced", line_number, name, text, name, retired_value.new_value, retired_value.reason)
            )
    changes.sort(key=lambda change: change.line_number)
    controller = answers.get(CONTROLLER_HOST, ("", 0))[0]

    def line_of(parameter: Parameter) -> str:
        if parameter.name in answers:
            return f"{parameter.name}={answers[parameter.name][0]}"
        return f"#{parameter.name}={_default_text(parameter, controller)}"

    return MigrationResult(render_parameter_lines(line_of) + _render_dropped_lines(changes), tuple(changes))


def _settle_disagreements(
    answers: Dict[str, Tuple[str, int]], changes: List[LineChange]
) -> Tuple[Dict[str, Tuple[str, int]], List[LineChange]]:
    """One answer for each parameter whose old names disagree: that of most of them, else of the first."""
    settled: List[LineChange] = []
    rivals: Dict[str, List[LineChange]] = {}
    for change in changes:
        if change.kind == "disagree":
            rivals.setdefault(change.current_name, []).append(change)
        else:
            settled.append(change)
    for name, disagreeing in rivals.items():
        text = Counter(change.new_text for change in disagreeing).most_common(1)[0][0]
        line_number = next(change.line_number for change in disagreeing if change.new_text == text)
        answers[name] = (text, line_number)
        for change in disagreeing:
            agrees = change.new_text == text
            settled.append(
                replace(change, kind="renamed" if agrees else "disagree", new_text=text, other_line_number=line_number)
            )
    return answers, settled


def _default_text(parameter: Parameter, controller: str) -> str:
    if parameter.default == ADDRESS_DEFAULT:
        return controller
    return (
        PASSWORD_PLACEHOLDER
        if parameter.default == RANDOM_DEFAULT or parameter.default in PARAMETERS_BY_NAME
        else parameter.default
    )


def _render_dropped_lines(changes: List[LineChange]) -> str:
    """The old lines that do not stand in the new file as they were, each once, as comments."""
    renamed_by_line = {
        (change.line_number, change.current_name): change for change in changes if change.kind == "renamed"
    }
    lines: Dict[str, None] = {}
    for change in changes:
        if change.kind == "renamed" and change.old_text == change.new_text:
            continue
        if change.kind != "added" or change.was_requested:
            lines[_render_comment(change, renamed_by_line.get((change.line_number, change.name), change))] = None
    if not lines:
        return ""
    return "\n".join(["", "", "# === Lines of the old file that do not count as they were ===", *lines]) + "\n"


def _render_comment(change: LineChange, original: LineChange) -> str:
    """The line of the old file; ``said`` knows the name that stands there."""
    return f"# {change.kind}, line {change.line_number}: {f'{original.name}={original.old_text}' if original.name else original.old_text}"
