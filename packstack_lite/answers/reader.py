"""Reading answer files: Packstack's format, every fault with its line."""

from __future__ import annotations

import codecs
import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from packstack_lite.answers.legacy import messages
from packstack_lite.answers.legacy.history import load_old_parameters
from packstack_lite.answers.legacy.rename import LineChange, OldLine, rename_old_parameters
from packstack_lite.answers.parameter_table import PARAMETERS_BY_NAME
from packstack_lite.errors import UsageError

_SECTION = re.compile(r"\[\s*([^\]]*?)\s*\]\s*")
_SEPARATOR = re.compile(r"[=:]")
_FIRST_WORD = re.compile(r"[A-Za-z_]+\b")
# Bytes; a file with every parameter and its help has 50 kB.
_MAX_BYTES = 1_000_000
# Lines that are no answers before a file is taken for something else. No release took so many names away.
_MAX_INVALID_LINES = 200
_MAX_NAME_LENGTH = 100


@dataclass
class AnswerFile:
    """What a file says: name to (text, line), and what is wrong or doubtful in it."""

    path: Path
    answers: Dict[str, Tuple[str, int]] = field(default_factory=dict)
    errors: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    # What stands under old names, and what became of each line that is not read as it stands.
    old_lines: List[OldLine] = field(default_factory=list)
    changes: List[LineChange] = field(default_factory=list)
    # How many names are of no release.
    unknown_count: int = 0


def read_answer_file(path: Path) -> AnswerFile:
    """Read a file; raises UsageFault when it cannot be read as text at all.

    The rules are those of Packstack's parser (Python's RawConfigParser): one section
    [general], names in any case, ``=`` or ``:``, no interpolation, white space around a
    value dropped, ``#`` and ``;`` open a comment at the start of a line only. What that
    parser swallows in silence is told here. Names of older releases are read as today's
    (see ``carrying``).
    """
    answer_file = AnswerFile(path)
    section = ""
    for number, line in enumerate(_read_text(answer_file).split("\n"), 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        heading = _SECTION.fullmatch(text)
        if _count_invalid_lines(answer_file) > _MAX_INVALID_LINES:
            raise UsageError(
                f"{path}: is no answer file: more than {_MAX_INVALID_LINES} of its first {number} lines are no answers",
                f"packstack-lite --gen-answer-file={path}.new writes one",
            )
        if heading:
            section = heading.group(1)
            if section != "general":
                answer_file.errors.append(
                    f"{path}:{number}: section [{section}]: only [general] is read; move its lines there"
                )
            continue
        if not section:
            answer_file.errors.append(f"{path}:{number}: stands before [general]; put that line at the top of the file")
            section = "general"
        _read_line(answer_file, number, text, section)
    if not section:
        answer_file.errors.append(f"{path}:1: is empty; put a line [general] at the top of the file")
    _rename_old_parameters(answer_file)
    return answer_file


def _count_invalid_lines(answer_file: AnswerFile) -> int:
    """How many lines so far are no answers, or say an old name more often than there are old names."""
    return (
        len(answer_file.errors)
        + answer_file.unknown_count
        + max(0, len(answer_file.old_lines) - len(load_old_parameters()))
    )


def _read_line(answer_file: AnswerFile, number: int, text: str, section: str) -> None:
    origin = f"{answer_file.path}:{number}"
    pair = _split_pair(text)
    if not pair:
        answer_file.errors.append(f"{origin}: not NAME=VALUE{_describe_line_start(text)}")
    elif section == "general":
        _add_answer(answer_file, number, *pair)
        return
    answer_file.changes.append(
        LineChange("unreadable", number, "", text, reason=f"not in [general], but in [{section}]" if pair else "")
    )


def _split_pair(text: str) -> Optional[Tuple[str, str]]:
    """Name and value on both sides of the first ``=`` or ``:``, if there are two sides."""
    separator = _SEPARATOR.search(text)
    if not separator or not separator.start():
        return None
    return text[: separator.start()].rstrip(), text[separator.end() :].lstrip()


def _add_answer(answer_file: AnswerFile, number: int, given_name: str, text: str) -> None:
    name = given_name.upper()
    if name in load_old_parameters():
        answer_file.old_lines.append(OldLine(name, text, number))
        return
    if name not in PARAMETERS_BY_NAME:
        answer_file.unknown_count += 1
        answer_file.changes.append(LineChange("unknown", number, name, text, reason=suggest_parameter(name)))
        return
    if name in answer_file.answers:
        old_text, line_number = answer_file.answers[name]
        answer_file.changes.append(
            LineChange("repeated", line_number, name, old_text, name, text, other_line_number=number)
        )
    answer_file.answers[name] = (text, number)


def _rename_old_parameters(answer_file: AnswerFile) -> None:
    result = rename_old_parameters(answer_file.answers, answer_file.old_lines)
    answer_file.answers = result.answers
    answer_file.changes = sorted(answer_file.changes + result.changes, key=lambda change: change.line_number)
    answer_file.errors += messages.describe_errors(answer_file.path, answer_file.changes)
    answer_file.warnings += messages.describe_warnings(answer_file.path, answer_file.changes)


def _describe_line_start(text: str) -> str:
    """The start of a line that cannot be read. Never more than a word: it may be a password's line."""
    word = _FIRST_WORD.match(text)
    return (
        f": {word.group()} ..."
        if word and (word.group().upper() in PARAMETERS_BY_NAME or word.group().upper() in load_old_parameters())
        else ""
    )


def suggest_parameter(name: str) -> str:
    """The end of a sentence about an unknown name: the known one that it is most like, if any is."""
    if f"CONFIG_{name}" in PARAMETERS_BY_NAME:
        return f"; did you mean CONFIG_{name}?"
    if len(name) > _MAX_NAME_LENGTH:
        return ""
    matches = difflib.get_close_matches(name, PARAMETERS_BY_NAME, 1, 0.75)
    return f"; did you mean {matches[0]}?" if matches else ""


def _read_text(answer_file: AnswerFile) -> str:
    path = answer_file.path
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: there is no such file", f"packstack-lite --gen-answer-file={path} writes one"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from None
    if len(data) > _MAX_BYTES:
        raise UsageError(
            f"{path}: is no answer file: it is larger than {_MAX_BYTES // 1_000_000} MB",
            "packstack-lite --gen-answer-file=FILE writes an answer file",
        )
    if data.startswith(codecs.BOM_UTF8):
        answer_file.warnings.append(
            f"{path}:1: begins with a byte order mark, which Packstack refuses; it is skipped here"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{path}: is not a text file", "packstack-lite --gen-answer-file=FILE writes an answer file")
    return text.replace("\r\n", "\n").replace("\r", "\n")
