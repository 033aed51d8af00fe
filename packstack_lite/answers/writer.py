"""Write answer files, and describe parameters for them and for flags."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from pathlib import Path
from typing import Callable, List

from packstack_lite.answers.parameter_table import PARAMETERS, Parameter
from packstack_lite.answers.password_store import write_private_file
from packstack_lite.answers.resolved_answers import Answers
from packstack_lite.answers.truncation import END_ANNOUNCEMENT, FILE_END, FILE_HEADING
from packstack_lite.errors import UsageError

# packstack-answers-YYYYmmdd-HHMMSS.txt, as Packstack names them.
ANSWER_FILE_PATTERN = f"packstack-answers-{'[0-9]' * 8}-{'[0-9]' * 6}.txt"


def write_answer_file(path: Path, answers: Answers) -> None:
    """Write every answer to a file, atomically and with mode 0600. Raises UsageError."""
    write_answer_text(path, render_answer_file(answers))


def write_answer_text(path: Path, text: str) -> None:
    """Write the text of an answer file, atomically and with mode 0600.

    An existing file is replaced. Raises UsageError if the file cannot be written.
    """
    try:
        write_private_file(path, text)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror}",
            "name another file, or check that the directory exists and is writable",
        ) from None


def render_answer_file(answers: Answers) -> str:
    """Return the text of an answer file with these answers."""
    return render_parameter_lines(lambda parameter: f"{parameter.name}={answers.text(parameter.name)}")


def render_parameter_lines(render_line: Callable[[Parameter], str]) -> str:
    """Return an answer file's text: all parameters, grouped, each with its comment.

    ``render_line`` returns the line of a parameter, such as ``NAME=VALUE``.
    """
    lines = [FILE_HEADING, "[general]", END_ANNOUNCEMENT]
    group = ""
    for parameter in PARAMETERS:
        if parameter.group != group:
            group = parameter.group
            lines += ["", "", f"# === {group} ==="]
        lines += ["", *_render_comment(parameter), render_line(parameter)]
    return "\n".join([*lines, "", FILE_END]) + "\n"


def describe_parameter(parameter: Parameter) -> str:
    """Describe a parameter: help, choices, condition and supported values."""
    text = parameter.help
    if parameter.choices:
        text += f" One of: {', '.join(parameter.choices)}."
    elif parameter.kind == "boolean":
        text += " (y/n)"
    if parameter.condition:
        text += f" Applies when {parameter.condition.replace(' == ', '=')}."
    return text + _describe_supported_values(parameter)


def _describe_supported_values(parameter: Parameter) -> str:
    """Return the sentence about supported values; "" if all are."""
    if parameter.supported_values is None:
        return ""
    words = [word for word in parameter.supported_values if word not in ("", "n")]
    return f" Supported so far: {', '.join(words)}." if words else " Not supported yet."


@lru_cache(maxsize=None)
def _render_comment(parameter: Parameter) -> List[str]:
    """Render the description of a parameter as comment lines."""
    return textwrap.wrap(
        describe_parameter(parameter),
        100,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
