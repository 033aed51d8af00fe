"""Reading answer files: Packstack's format, every fault with its line."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Tuple

from packstack_lite.answers.table import BY_NAME
from packstack_lite.errors import UsageFault

_SECTION = re.compile(r"\[\s*([^\]]*?)\s*\]\s*")
_PAIR = re.compile(r"([^=:\s][^=:]*?)\s*[=:]\s*(.*)")


@dataclass
class Read:
    """What a file says: name to (text, line), and what is wrong or doubtful in it."""

    path: Path
    answers: Dict[str, Tuple[str, int]] = field(default_factory=dict)
    faults: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def read(path: Path) -> Read:
    """Read a file; raises UsageFault when it cannot be read as text at all.

    The rules are those of Packstack's parser (Python's RawConfigParser): one section
    [general], names in any case, ``=`` or ``:``, no interpolation, white space around a
    value dropped. What that parser swallows in silence is told here.
    """
    found = Read(path)
    section = ""
    for number, line in enumerate(_text(path).splitlines(), 1):
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
        _line(found, number, text, section)
    return found


def _line(found: Read, number: int, text: str, section: str) -> None:
    place = f"{found.path}:{number}"
    pair = _PAIR.fullmatch(text)
    if not pair:
        found.faults.append(f"{place}: not NAME=VALUE: {text[:40]!r}")
        return
    if not section:
        found.faults.append(f"{place}: stands before [general]; put that line at the top of the file")
        return
    if section != "general":
        return
    name = pair.group(1).upper()
    if name not in BY_NAME:
        found.warnings.append(f"{place}: {name} is unknown and ignored{_nearest(name)}")
        return
    if name in found.answers:
        found.warnings.append(f"{place}: {name} was answered in line {found.answers[name][1]} already; this one counts")
    found.answers[name] = (pair.group(2), number)


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, BY_NAME, 1, 0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageFault(
            f"{path}: there is no such file", f"packstack-lite --gen-answer-file={path} writes one"
        ) from None
    except OSError as error:
        raise UsageFault(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageFault(f"{path}: is not a text file", "packstack-lite --gen-answer-file=FILE writes an answer file")
    return text
