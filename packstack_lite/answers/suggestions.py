"""Suggest the known name that a mistyped one most likely stands for.

Used by ``reader`` and ``overrides`` for parameters and by ``cli`` for options.
"""

from __future__ import annotations

import difflib
import re
from typing import Iterable, List

_MAX_NAME_LENGTH = 100
# Of the whole name, and of the one word that may be mistyped.
_MIN_RATIO, _MIN_WORD_RATIO = 0.75, 0.7
_CANDIDATES = 5


def suggest_name(name: str, known_names: Iterable[str]) -> str:
    """Return the known name that differs from ``name`` by a typo, "" if there is none.

    A typo is in one word, or one word too many or too few. Other differences mean another thing: CONFIG_OCTAVIA_INSTALL
    is not CONFIG_NOVA_INSTALL.
    """
    if len(name) > _MAX_NAME_LENGTH:
        return ""
    matches = difflib.get_close_matches(name, list(known_names), _CANDIDATES, _MIN_RATIO)
    return next((match for match in matches if _is_typo(_split_words(name), _split_words(match))), "")


def _split_words(name: str) -> List[str]:
    """Split a name at dashes and underscores."""
    return [word for word in re.split(r"[-_]", name) if word]


def _is_typo(words: List[str], known_words: List[str]) -> bool:
    """Return whether the words differ in one word only, and that little."""
    if "".join(words) == "".join(known_words):
        return True
    surplus = _subtract(words, known_words)
    missing = _subtract(known_words, words)
    if len(surplus) == len(missing) == 1:
        return difflib.SequenceMatcher(None, surplus[0], missing[0]).ratio() >= _MIN_WORD_RATIO
    return len(surplus) + len(missing) <= 1


def _subtract(words: List[str], others: List[str]) -> List[str]:
    """Return the words without those of the other list, each taken once."""
    remaining = list(words)
    for word in others:
        if word in remaining:
            remaining.remove(word)
    return remaining
