"""Recognize answers that somebody has still to fill in, and text behind an answer.

Used by ``resolver``.
"""

from __future__ import annotations

import re
from typing import Mapping, Tuple

from packstack_lite.counts import format_count

# Jinja2 and the like; a variable of a shell; a word in angle brackets or between two signs.
_PLACEHOLDERS = (
    r"\{\{.*\}\}",
    r"\{%.*%\}",
    r"\$\{[A-Za-z_]\w*\}",
    r"\$\([^()]*\)",
    r"\$[A-Z_][A-Z0-9_]*",
    r"<[A-Za-z][A-Za-z0-9 _./-]*>",
    r"@@?[A-Z][A-Z0-9_]*@@?",
    r"__[A-Z][A-Z0-9_]*__",
)
_PLACEHOLDER = re.compile("|".join(_PLACEHOLDERS))
# These may be anywhere in an answer that is no secret; a shell's variable is in URLs of repositories too.
_WITHIN = re.compile("|".join(_PLACEHOLDERS[:2]))
# Python 2's ConfigParser drops what follows " ;"; Python 3's, and packstack-lite, do not.
_COMMENT = re.compile(r"\s[#;]\s?[A-Za-z]")


def is_template(text: str, is_secret: bool) -> bool:
    """Return whether an answer, or an item of it, looks like a placeholder."""
    if _PLACEHOLDER.fullmatch(text):
        return True
    return not is_secret and bool(_WITHIN.search(text) or any(map(_PLACEHOLDER.fullmatch, re.split(r"[,:\s]+", text))))


def describe_templates(templates: Mapping[str, Tuple[str, str]]) -> str:
    """Return one error for all answers that look like placeholders.

    ``templates`` are (text, origin) by parameter. A text is not shown: it may be a password after all.
    """
    ordered = sorted(templates.items(), key=_sort_key)
    first_origin = ordered[0][1][1]
    places = [f"{name} ({_mention(origin, _path_of(first_origin))})" for name, (_, origin) in ordered]
    count = format_count(len(places), "value")
    return f"{first_origin}: this looks like a template: fill in {count} first: {', '.join(places)}"


def has_text_behind(text: str) -> bool:
    """Return whether an answer seems to have a comment behind it, which is none."""
    return bool(_COMMENT.search(text))


def _sort_key(template: Tuple[str, Tuple[str, str]]) -> Tuple[bool, str, int]:
    """Return the sort key of a template: lines of files first, by path and line."""
    origin = template[1][1]
    line = origin.rpartition(":")[2]
    return not line.isdecimal(), _path_of(origin), int(line) if line.isdecimal() else 0


def _path_of(origin: str) -> str:
    """Return the path of an origin FILE:LINE, otherwise the origin."""
    path, _, line = origin.rpartition(":")
    return path if line.isdecimal() else origin


def _mention(origin: str, first_file: str) -> str:
    """Return how a list of answers names an origin."""
    line = origin.rpartition(":")[2]
    return f"line {line}" if line.isdecimal() and _path_of(origin) == first_file else origin
