"""Read answer files in Packstack's format, reporting every error with its line."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from packstack_lite.answers import truncation
from packstack_lite.answers.legacy import messages
from packstack_lite.answers.legacy.history import load_old_parameters
from packstack_lite.answers.legacy.rename import LineChange, OldLine, rename_old_parameters
from packstack_lite.answers.parameter_table import PARAMETERS_BY_NAME
from packstack_lite.answers.suggestions import suggest_name
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend

_SECTION = re.compile(r"\[\s*([^\]]*?)\s*\]\s*")
_SEPARATOR = re.compile(r"[=:]")
# What git, diff3 and others leave where two versions disagree; ======= alone is a line of decoration.
_CONFLICT_MARKER = re.compile(r"(<{7}|>{7}|\|{7}|={7})( .*)?")
# What Python 2 strips from bytes; Python 3 strips more, such as a space that does not break.
_WHITE_SPACE = " \t\n\r\x0b\x0c"
_COMMENT_WORD = re.compile(rf"rem([{_WHITE_SPACE}]|$)", re.IGNORECASE)
_FIRST_WORD = re.compile(r"[A-Za-z_]+\b")
# A file with every parameter and its help has 50 kB.
_MAX_BYTES = 1_000_000
# A file with more invalid lines is not an answer file. No release removed so many names.
_MAX_INVALID_LINES = 200
_WRITE_HINT = f"{recommend('--gen-answer-file', 'FILE')} writes an answer file"
# How many line numbers a message lists.
_MAX_LISTED = 12


@dataclass
class AnswerFile:
    """The content of an answer file: name to (text, line), errors and warnings."""

    path: Path
    answers: Dict[str, Tuple[str, int]] = field(default_factory=dict)
    errors: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    # The lines under old names, and what became of each line that is not read unchanged.
    old_lines: List[OldLine] = field(default_factory=list)
    changes: List[LineChange] = field(default_factory=list)
    # How many names belong to no release.
    unknown_count: int = 0


def read_answer_file(path: Path) -> AnswerFile:
    """Read an answer file.

    Raises UsageError if it is no text file or clearly no answer file. The rules are those of Packstack's parser
    (RawConfigParser of Python 2.7): one section [general], names in any case, ``=`` or ``:``, no interpolation, white
    space around a value dropped, comments are lines that start with ``#``, ``;`` or ``rem``. docs/packstack.md lists
    where this reader differs. Lines that the parser ignores silently are errors or warnings here. Names of older
    releases are read as today's (see ``legacy.rename``).
    """
    answer_file = AnswerFile(path)
    section = ""
    lines = _read_text(answer_file).split("\n")
    _refuse_conflicts(path, lines)
    for number, line in enumerate(lines, 1):
        text = line.strip(_WHITE_SPACE)
        if not text or text[0] in "#;" or _COMMENT_WORD.match(line):
            continue
        heading = _SECTION.fullmatch(text)
        if _count_invalid_lines(answer_file) > _MAX_INVALID_LINES:
            raise UsageError(
                f"{path}: is not an answer file: more than {_MAX_INVALID_LINES} of its {number} first lines are bad",
                f"{recommend(f'--gen-answer-file={path}.new')} writes one",
            )
        if heading:
            section = heading.group(1)
            if section != "general":
                answer_file.errors.append(
                    f"{path}:{number}: section [{section}]: only [general] is read; move its lines there"
                )
            continue
        if not section:
            answer_file.errors.append(
                f"{path}:{number}: is above the line [general]; move [general] to the top of the file"
            )
            section = "general"
        _read_line(answer_file, number, text, section)
    if not section:
        answer_file.errors.append(f"{path}:1: has no answers; write [general] into its first line")
    _rename_old_parameters(answer_file)
    answer_file.warnings += truncation.find_warnings(path, lines, list(answer_file.answers))
    return answer_file


def _refuse_conflicts(path: Path, lines: Sequence[str]) -> None:
    """Raise UsageError if the file holds two versions: merge-conflict markers."""
    markers = [(number, line) for number, line in enumerate(lines, 1) if _CONFLICT_MARKER.fullmatch(line.rstrip("\r"))]
    if any(line[0] in "<>" for _, line in markers):
        numbers = ", ".join(str(number) for number, _ in markers[:_MAX_LISTED])
        more = f" and {len(markers) - _MAX_LISTED} more" if len(markers) > _MAX_LISTED else ""
        raise UsageError(
            f"{path}:{markers[0][0]}: has merge-conflict markers (lines {numbers}{more}): it holds two versions",
            "keep one version of each conflict, and remove the markers",
        )


def _count_invalid_lines(answer_file: AnswerFile) -> int:
    """Count the lines read so far that no real answer file has.

    These are errors, names that belong to no release, and lines under old names beyond the number of old names that
    there are. A file with too many of them is refused as no answer file.
    """
    return (
        len(answer_file.errors)
        + answer_file.unknown_count
        + max(0, len(answer_file.old_lines) - len(load_old_parameters()))
    )


def _read_line(answer_file: AnswerFile, number: int, text: str, section: str) -> None:
    """Read one line: an answer, or an error if it is none."""
    origin = f"{answer_file.path}:{number}"
    pair = _split_pair(text)
    if not pair:
        answer_file.errors.append(f"{origin}: is not NAME=VALUE{_describe_line_start(text)}")
    elif section == "general":
        _add_answer(answer_file, number, *pair)
        return
    answer_file.changes.append(
        LineChange("unreadable", number, "", text, reason=f"in section [{section}], not in [general]" if pair else "")
    )


def _split_pair(text: str) -> Optional[Tuple[str, str]]:
    """Split a line at the first ``=`` or ``:`` into name and value.

    None if it has no name.
    """
    separator = _SEPARATOR.search(text)
    if not separator or not separator.start():
        return None
    return text[: separator.start()].rstrip(), text[separator.end() :].lstrip(_WHITE_SPACE)


def _add_answer(answer_file: AnswerFile, number: int, given_name: str, text: str) -> None:
    """Add an answer, or record that its name is old, unknown or repeated."""
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
    """Read the lines under old names, then describe all changes."""
    result = rename_old_parameters(answer_file.answers, answer_file.old_lines)
    answer_file.answers = result.answers
    answer_file.changes = sorted(answer_file.changes + result.changes, key=lambda change: change.line_number)
    places = messages.Places(answer_file.path)
    answer_file.errors += messages.describe_errors(places, answer_file.changes)
    answer_file.warnings += messages.describe_warnings(places, answer_file.changes)


def _describe_line_start(text: str) -> str:
    """Describe an invalid line by the parameter at its start.

    "" if it starts with another word, which may be a password.
    """
    word = _FIRST_WORD.match(text)
    return (
        f": {word.group()} ..."
        if word and (word.group().upper() in PARAMETERS_BY_NAME or word.group().upper() in load_old_parameters())
        else ""
    )


def suggest_parameter(name: str) -> str:
    """Return "; did you mean NAME?" for an unknown name.

    "" if no known name is similar.
    """
    if f"CONFIG_{name}" in PARAMETERS_BY_NAME:
        return f"; did you mean CONFIG_{name}?"
    suggestion = suggest_name(name, PARAMETERS_BY_NAME)
    return f"; did you mean {suggestion}?" if suggestion else ""


def _read_text(answer_file: AnswerFile) -> str:
    """Read the file as UTF-8 text. Raises UsageError for anything else."""
    path = answer_file.path
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file", f"{recommend(f'--gen-answer-file={path}')} writes one") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from None
    if len(data) > _MAX_BYTES:
        raise UsageError(
            f"{path}: is not an answer file: it is larger than {_MAX_BYTES // 1_000_000} MB",
            _WRITE_HINT,
        )
    if data.startswith(codecs.BOM_UTF8):
        answer_file.warnings.append(
            f"{path}:1: begins with a byte order mark, which Packstack refuses; it is ignored here"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{path}: is not a text file", _WRITE_HINT)
    return text.replace("\r\n", "\n").replace("\r", "\n")
