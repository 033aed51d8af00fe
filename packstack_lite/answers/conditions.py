"""Evaluate the conditions of the parameter table and of ``history.yaml``.

A condition is ``NAME`` (has an answer), ``NAME == word``, ``word in NAME`` (a list contains it) or
``NAME in [word, word]``, joined by ``and`` and ``or``; ``and`` binds closer.
"""

from __future__ import annotations

import re
from typing import Mapping

from packstack_lite.answers.values import split_list

_EQUAL = re.compile(r"(\w+) == (\S+)")
_NAME_IN_LIST = re.compile(r"(\w+) in \[(.+)\]")
_WORD_IN_NAME = re.compile(r"(\S+) in (\w+)")


def condition_is_met(condition: str, texts: Mapping[str, str]) -> bool:
    """Return whether the texts of the answers meet the condition.

    Raises KeyError for an unknown parameter.
    """
    return not condition or any(
        all(_term_is_met(term.strip(), texts) for term in part.split(" and ")) for part in condition.split(" or ")
    )


def find_unmet_parameter(condition: str, texts: Mapping[str, str]) -> str:
    """Return the parameter that keeps a condition from being met, "" if it is met.

    Of several the first, in the order of the condition.
    """
    if condition_is_met(condition, texts):
        return ""
    terms = [term.strip() for part in condition.split(" or ") for term in part.split(" and ")]
    term = next(term for term in terms if not _term_is_met(term, texts))
    word_in_name = _WORD_IN_NAME.fullmatch(term)
    return word_in_name.group(2) if word_in_name and not _NAME_IN_LIST.fullmatch(term) else term.split()[0]


def _term_is_met(term: str, texts: Mapping[str, str]) -> bool:
    """Evaluate one comparison of a condition."""
    equal = _EQUAL.fullmatch(term)
    if equal:
        return texts[equal.group(1)] == equal.group(2)
    name_in_list = _NAME_IN_LIST.fullmatch(term)
    if name_in_list:
        return texts[name_in_list.group(1)] in split_list(name_in_list.group(2))
    word_in_name = _WORD_IN_NAME.fullmatch(term)
    if word_in_name:
        return word_in_name.group(1) in split_list(texts[word_in_name.group(2)])
    return bool(texts[term])
