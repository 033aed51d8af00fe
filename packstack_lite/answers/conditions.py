"""When a parameter counts: the small language of ``condition`` in the parameter table.

``NAME`` (has an answer), ``NAME == word``, ``word in NAME`` (a list holds it) and
``NAME in [word, word]``, joined by ``and`` and ``or``; ``and`` binds closer.
"""

from __future__ import annotations

import re
from typing import Mapping

_EQUAL = re.compile(r"(\w+) == (\S+)")
_AMONG = re.compile(r"(\w+) in \[(.+)\]")
_HOLDS = re.compile(r"(\S+) in (\w+)")


def holds(condition: str, texts: Mapping[str, str]) -> bool:
    """Whether the condition is met by the answers' texts; KeyError when it names an unknown parameter."""
    return not condition or any(
        all(_term(term.strip(), texts) for term in part.split(" and ")) for part in condition.split(" or ")
    )


def _term(term: str, texts: Mapping[str, str]) -> bool:
    equal = _EQUAL.fullmatch(term)
    if equal:
        return texts[equal.group(1)] == equal.group(2)
    among = _AMONG.fullmatch(term)
    if among:
        return texts[among.group(1)] in _words(among.group(2))
    has = _HOLDS.fullmatch(term)
    if has:
        return has.group(1) in _words(texts[has.group(2)])
    return bool(texts[term])


def _words(text: str) -> "list[str]":
    return [word.strip() for word in text.split(",")]
