"""Writing answer files: grouped, commented from the table, nobody else's to read."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from pathlib import Path
from typing import Callable, List, Optional

from packstack_lite.answers.parameter_table import PARAMETERS, Parameter
from packstack_lite.answers.password_store import write_private_file
from packstack_lite.answers.resolved_answers import Answers
from packstack_lite.errors import UsageError

# packstack-answers-YYYYmmdd-HHMMSS.txt, as Packstack names them.
ANSWER_FILE_PATTERN = f"packstack-answers-{'[0-9]' * 8}-{'[0-9]' * 6}.txt"

FILE_HEADING = "# Answers for packstack-lite, in Packstack's format. It holds passwords: keep it 0600."


def write_answer_file(path: Path, answers: Answers) -> None:
    """Write every answer, 0600, whole or not at all."""
    write_answer_text(path, render_answer_file(answers))


def write_answer_text(path: Path, text: str) -> None:
    """Write the text of an answer file, 0600, whole or not at all. Raises UsageFault when it cannot be."""
    try:
        write_private_file(path, text)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror}", "name another file, or check the directory"
        ) from None


def render_answer_file(answers: Answers) -> str:
    """The text of an answer file with these answers."""
    return render_parameter_lines(lambda parameter: f"{parameter.name}={answers.text(parameter.name)}")


def render_parameter_lines(render_line: Callable[[Parameter], str]) -> str:
    """The text of an answer file with this line for each parameter, grouped and commented."""
    lines = [FILE_HEADING, "[general]"]
    group = ""
    for parameter in PARAMETERS:
        if parameter.group != group:
            group = parameter.group
            lines += ["", "", f"# === {group} ==="]
        lines += ["", *_render_comment(parameter), render_line(parameter)]
    return "\n".join(lines) + "\n"


def describe_parameter(parameter: Parameter) -> str:
    """The help of a parameter with all that the table knows besides: choices, condition, what is not built yet."""
    text = parameter.help
    if parameter.choices:
        text += f" One of: {', '.join(parameter.choices)}."
    elif parameter.kind == "boolean":
        text += " (y/n)"
    if parameter.condition:
        text += f" Counts when {parameter.condition.replace(' == ', '=')}."
    return text + _describe_supported_values(parameter)


def _describe_supported_values(parameter: Parameter) -> str:
    if parameter.supported_values is None:
        return ""
    words = [word for word in parameter.supported_values if word not in ("", "n")]
    return f" So far only {', '.join(words)}." if words else " Not built yet."


@lru_cache(maxsize=None)
def _render_comment(parameter: Parameter) -> List[str]:
    return textwrap.wrap(
        describe_parameter(parameter),
        100,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def latest_answer_file(home: Path) -> Optional[Path]:
    """The newest answer file that an earlier --allinone wrote there; its name tells its time."""
    return max(home.glob(ANSWER_FILE_PATTERN), default=None, key=lambda path: path.name)
