"""Reading answer files: Packstack's format, every fault with its line."""

from __future__ import annotations

import codecs
import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from packstack_lite.answers import retold
from packstack_lite.answers.carrying import Change, OldLine, carry
from packstack_lite.answers.history import past
from packstack_lite.answers.table import BY_NAME
from packstack_lite.errors import UsageFault

_SECTION = re.compile(r"\[\s*([^\]]*?)\s*\]\s*")
_SEPARATOR = re.compile(r"[=:]")
_FIRST_WORD = re.compile(r"[A-Za-z_]+\b")
# Bytes; a file with every parameter and its help has 50 kB.
_LARGEST = 1_000_000
# Lines that are no answers before a file is taken for something else. No release took so many names away.
_STRANGE = 200
_LONGEST_NAME = 100


@dataclass
class Read:
    """What a file says: name to (text, line), and what is wrong or doubtful in it."""

    path: Path
    answers: Dict[str, Tuple[str, int]] = field(default_factory=dict)
    faults: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    # What stands under old names, and what became of each line that is not read as it stands.
    old: List[OldLine] = field(default_factory=list)
    changes: List[Change] = field(default_factory=list)
    # How many names are of no release.
    unknown: int = 0


def read(path: Path) -> Read:
    """Read a file; raises UsageFault when it cannot be read as text at all.

    The rules are those of Packstack's parser (Python's RawConfigParser): one section
    [general], names in any case, ``=`` or ``:``, no interpolation, white space around a
    value dropped, ``#`` and ``;`` open a comment at the start of a line only. What that
    parser swallows in silence is told here. Names of older releases are read as today's
    (see ``carrying``).
    """
    found = Read(path)
    section = ""
    for number, line in enumerate(_text(found).split("\n"), 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        heading = _SECTION.fullmatch(text)
        if _strange(found) > _STRANGE:
            raise UsageFault(
                f"{path}: is no answer file: more than {_STRANGE} of its first {number} lines are no answers",
                f"packstack-lite --gen-answer-file={path}.new writes one",
            )
        if heading:
            section = heading.group(1)
            if section != "general":
                found.faults.append(
                    f"{path}:{number}: section [{section}]: only [general] is read; move its lines there"
                )
            continue
        if not section:
            found.faults.append(f"{path}:{number}: stands before [general]; put that line at the top of the file")
            section = "general"
        _line(found, number, text, section)
    if not section:
        found.faults.append(f"{path}:1: is empty; put a line [general] at the top of the file")
    _old_names(found)
    return found


def _strange(found: Read) -> int:
    """How many lines so far are no answers, or say an old name more often than there are old names."""
    return len(found.faults) + found.unknown + max(0, len(found.old) - len(past()))


def _line(found: Read, number: int, text: str, section: str) -> None:
    place = f"{found.path}:{number}"
    pair = _pair(text)
    if not pair:
        found.faults.append(f"{place}: not NAME=VALUE{_shown(text)}")
    elif section == "general":
        _answer(found, number, *pair)
        return
    found.changes.append(
        Change("unreadable", number, "", text, why=f"not in [general], but in [{section}]" if pair else "")
    )


def _pair(text: str) -> Optional[Tuple[str, str]]:
    """Name and value on both sides of the first ``=`` or ``:``, if there are two sides."""
    separator = _SEPARATOR.search(text)
    if not separator or not separator.start():
        return None
    return text[: separator.start()].rstrip(), text[separator.end() :].lstrip()


def _answer(found: Read, number: int, written: str, text: str) -> None:
    name = written.upper()
    if name in past():
        found.old.append(OldLine(name, text, number))
        return
    if name not in BY_NAME:
        found.unknown += 1
        found.changes.append(Change("unknown", number, name, text, why=nearest(name)))
        return
    if name in found.answers:
        before, line = found.answers[name]
        found.changes.append(Change("repeated", line, name, before, name, text, other=number))
    found.answers[name] = (text, number)


def _old_names(found: Read) -> None:
    told = carry(found.answers, found.old)
    found.answers = told.answers
    found.changes = sorted(found.changes + told.changes, key=lambda change: change.line)
    found.faults += retold.faults(found.path, found.changes)
    found.warnings += retold.warnings(found.path, found.changes)


def _shown(text: str) -> str:
    """The start of a line that cannot be read. Never more than a word: it may be a password's line."""
    word = _FIRST_WORD.match(text)
    return (
        f": {word.group()} ..." if word and (word.group().upper() in BY_NAME or word.group().upper() in past()) else ""
    )


def nearest(name: str) -> str:
    """The end of a sentence about an unknown name: the known one that it is most like, if any is."""
    if f"CONFIG_{name}" in BY_NAME:
        return f"; did you mean CONFIG_{name}?"
    if len(name) > _LONGEST_NAME:
        return ""
    near = difflib.get_close_matches(name, BY_NAME, 1, 0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _text(found: Read) -> str:
    path = found.path
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        raise UsageFault(
            f"{path}: there is no such file", f"packstack-lite --gen-answer-file={path} writes one"
        ) from None
    except OSError as error:
        raise UsageFault(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from None
    if len(data) > _LARGEST:
        raise UsageFault(
            f"{path}: is no answer file: it is larger than {_LARGEST // 1_000_000} MB",
            "packstack-lite --gen-answer-file=FILE writes an answer file",
        )
    if data.startswith(codecs.BOM_UTF8):
        found.warnings.append(f"{path}:1: begins with a byte order mark, which Packstack refuses; it is skipped here")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageFault(f"{path}: is not a text file", "packstack-lite --gen-answer-file=FILE writes an answer file")
    return text.replace("\r\n", "\n").replace("\r", "\n")
