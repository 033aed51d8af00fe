"""What two clouds' answers differ in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List

from packstack_lite.answers.parameter_table import PARAMETERS
from packstack_lite.answers.resolved_answers import Answers

# Passwords of these origins were said by nobody.
_GENERATED_ORIGINS = ("default", "random")


@dataclass(frozen=True)
class ComparedAnswer:
    """An answer of one of the two: its text, which is not to be shown for a secret, and its origin."""

    text: str
    origin: str


@dataclass(frozen=True)
class Difference:
    """A parameter that the two answer differently. ``counts``: its condition is met on one side at least."""

    name: str
    is_secret: bool
    applies: bool
    first: ComparedAnswer
    second: ComparedAnswer


def compare_answers(first: Answers, second: Answers) -> List[Difference]:
    """Every parameter whose effective values differ, in the order of the table.

    Writing alone makes no difference ("a, b" and "a,b"), nor do passwords that neither side
    gave: those are made when they are first needed.
    """
    differences = []
    for parameter in PARAMETERS:
        name = parameter.name
        both_generated = (
            parameter.is_secret
            and first.origin(name) in _GENERATED_ORIGINS
            and second.origin(name) in _GENERATED_ORIGINS
        )
        if first[name] == second[name] or both_generated:
            continue
        sides = [ComparedAnswer(answers.text(name), answers.origin(name)) for answers in (first, second)]
        differences.append(Difference(name, parameter.is_secret, first.applies(name) or second.applies(name), *sides))
    return differences
