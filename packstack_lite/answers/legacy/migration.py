"""Convert an old answer file to today's parameters, for `answers migrate`.

No line is lost: those that are not used stay as comments, and every change is listed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Dict, List, Tuple

from packstack_lite.answers.legacy.history import modernize_value
from packstack_lite.answers.legacy.rename import LineChange
from packstack_lite.answers.parameter_table import (
    ADDRESS_DEFAULT,
    PARAMETERS_BY_NAME,
    PASSWORD_PLACEHOLDER,
    RANDOM_DEFAULT,
    Parameter,
)
from packstack_lite.answers.reader import AnswerFile
from packstack_lite.answers.resolved_answers import CONTROLLER_HOST
from packstack_lite.answers.writer import render_parameter_lines


@dataclass(frozen=True)
class MigrationResult:
    """The new file's text, and what became of each line of the old one."""

    text: str
    changes: Tuple[LineChange, ...]


def migrate_answer_file(answer_file: AnswerFile) -> MigrationResult:
    """Convert an answer file to today's parameters and values.

    A parameter without an answer becomes a comment, so that it keeps its default. Lines that are not used any
    more become comments at the end. Where old names disagree, the answer of the majority is used.
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

    def render_line(parameter: Parameter) -> str:
        """Render the answer, or the default as a comment."""
        if parameter.name in answers:
            return f"{parameter.name}={answers[parameter.name][0]}"
        return f"#{parameter.name}={_default_text(parameter, controller)}"

    return MigrationResult(render_parameter_lines(render_line) + _render_old_lines(changes), tuple(changes))


def _settle_disagreements(
    answers: Dict[str, Tuple[str, int]], changes: List[LineChange]
) -> Tuple[Dict[str, Tuple[str, int]], List[LineChange]]:
    """Choose one answer where old names disagree: the majority's, else the first.

    Returns (answers, changes to report).
    """
    settled: List[LineChange] = []
    conflicts: Dict[str, List[LineChange]] = {}
    for change in changes:
        if change.kind == "disagree":
            conflicts.setdefault(change.current_name, []).append(change)
        else:
            settled.append(change)
    for name, disagreeing in conflicts.items():
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
    """Return the default that a comment shows; passwords as PW_PLACEHOLDER."""
    if parameter.default == ADDRESS_DEFAULT:
        return controller
    return (
        PASSWORD_PLACEHOLDER
        if parameter.default == RANDOM_DEFAULT or parameter.default in PARAMETERS_BY_NAME
        else parameter.default
    )


def _render_old_lines(changes: List[LineChange]) -> str:
    """Render as comments the old lines that the new file changes or leaves out.

    A comment has the change's kind, the line's number, and the line with its secrets. It is "" if there are none.
    """
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
    return "\n".join(["", "", "# === Lines of the old file that are not used unchanged ===", *lines]) + "\n"


def _render_comment(change: LineChange, original: LineChange) -> str:
    """Render a line of the old file as a comment.

    ``original`` has the name that the line uses.
    """
    line = f"{original.name}={original.old_text}" if original.name else original.old_text
    return f"# {change.kind}, line {change.line_number}: {line}"
