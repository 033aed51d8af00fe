"""Reading answer files: Packstack's format, every fault with its line."""

from __future__ import annotations

import codecs
import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Tuple

from packstack_lite.answers.table import BY_NAME, OLD_NAMES
from packstack_lite.errors import UsageFault

_SECTION = re.compile(r"\[\s*([^\]]*?)\s*\]\s*")
_PAIR = re.compile(r"([^=:\s][^=:]*?)\s*[=:]\s*(.*)")
_FIRST_WORD = re.compile(r"[A-Za-z_]+\b")


@dataclass
class Read:
    """What a file says: name to (text, line), and what is wrong or doubtful in it."""

    path: Path
    answers: Dict[str, Tuple[str, int]] = field(default_factory=dict)
    faults: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    # By today's name: what stands under old names of it, as (old name, text, line).
    old: Dict[str, List[Tuple[str, str, int]]] = field(default_factory=dict)


def read(path: Path) -> Read:
    """Read a file; raises UsageFault when it cannot be read as text at all.

    The rules are those of Packstack's parser (Python's RawConfigParser): one section
    [general], names in any case, ``=`` or ``:``, no interpolation, white space around a
    value dropped, ``#`` and ``;`` open a comment at the start of a line only. What that
    parser swallows in silence is told here. Old names of a parameter are read while its
    own is not there.
    """
    found = Read(path)
    section = ""
    for number, line in enumerate(_text(found).split("\n"), 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        heading = _SECTION.fullmatch(text)
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


def _line(found: Read, number: int, text: str, section: str) -> None:
    place = f"{found.path}:{number}"
    pair = _PAIR.fullmatch(text)
    if not pair:
        found.faults.append(f"{place}: not NAME=VALUE{_shown(text)}")
    elif section == "general":
        _answer(found, place, number, *pair.groups())


def _answer(found: Read, place: str, number: int, written: str, text: str) -> None:
    name = written.upper()
    if name in OLD_NAMES:
        found.old.setdefault(OLD_NAMES[name], []).append((name, text, number))
        return
    if name not in BY_NAME:
        found.warnings.append(f"{place}: {name} is unknown and ignored{nearest(name)}")
        return
    if name in found.answers:
        found.warnings.append(f"{place}: {name} was answered in line {found.answers[name][1]} already; this one counts")
    found.answers[name] = (text, number)


def _old_names(found: Read) -> None:
    """Old names count while the new one is not there, and have to agree, as with Packstack."""
    for name, said in found.old.items():
        if name in found.answers:
            line = found.answers[name][1]
            found.warnings += [
                f"{found.path}:{number}: {old} is an old name of {name}, which line {line} answers; it is ignored"
                for old, _, number in said
            ]
            continue
        if len({text for _, text, _ in said}) > 1:
            told = ", ".join(f"{old} (line {number})" for old, _, number in said)
            found.faults.append(f"{found.path}:{said[-1][2]}: {told} disagree; write one {name} in their place")
            continue
        found.answers[name] = said[0][1:]
        found.warnings += [
            f"{found.path}:{number}: {old} is an old name of {name}, and read as that" for old, _, number in said
        ]


def _shown(text: str) -> str:
    """The start of a line that cannot be read. Never more than a word: it may be a password's line."""
    word = _FIRST_WORD.match(text)
    return f": {word.group()} ..." if word and word.group().upper() in (*BY_NAME, *OLD_NAMES) else ""


def nearest(name: str) -> str:
    """The end of a sentence about an unknown name: the known one that it is most like, if any is."""
    if f"CONFIG_{name}" in BY_NAME:
        return f"; did you mean CONFIG_{name}?"
    near = difflib.get_close_matches(name, BY_NAME, 1, 0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _text(found: Read) -> str:
    path = found.path
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageFault(
            f"{path}: there is no such file", f"packstack-lite --gen-answer-file={path} writes one"
        ) from None
    except OSError as error:
        raise UsageFault(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from None
    if data.startswith(codecs.BOM_UTF8):
        found.warnings.append(f"{path}:1: begins with a byte order mark, which Packstack refuses; it is skipped here")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageFault(f"{path}: is not a text file", "packstack-lite --gen-answer-file=FILE writes an answer file")
    return text.replace("\r\n", "\n").replace("\r", "\n")
