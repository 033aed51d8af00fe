"""What two clouds' answers differ in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List

from packstack_lite.answers.mapping import Answers
from packstack_lite.answers.table import TABLE

# Passwords of these origins were said by nobody.
_UNSAID = ("default", "random")


@dataclass(frozen=True)
class Side:
    """An answer of one of the two: its text, which is not to be shown for a secret, and its origin."""

    text: str
    origin: str


@dataclass(frozen=True)
class Difference:
    """A parameter that the two answer differently. ``counts``: its condition is met on one side at least."""

    name: str
    secret: bool
    counts: bool
    one: Side
    other: Side


def differences(one: Answers, other: Answers) -> List[Difference]:
    """Every parameter whose effective values differ, in the order of the table.

    Writing alone makes no difference ("a, b" and "a,b"), nor do passwords that neither side
    gave: those are made when they are first needed.
    """
    found = []
    for parameter in TABLE:
        name = parameter.name
        unsaid = parameter.secret and one.origin(name) in _UNSAID and other.origin(name) in _UNSAID
        if one[name] == other[name] or unsaid:
            continue
        sides = [Side(told.text(name), told.origin(name)) for told in (one, other)]
        found.append(Difference(name, parameter.secret, one.counts(name) or other.counts(name), *sides))
    return found
