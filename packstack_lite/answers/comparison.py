"""Compare the answers of two answer files, for `answers diff`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List

from packstack_lite.answers.parameter_table import PARAMETERS
from packstack_lite.answers.resolved_answers import ORIGIN_DEFAULT, ORIGIN_RANDOM, Answers

# Nobody gave a password of these origins.
_GENERATED_ORIGINS = (ORIGIN_DEFAULT, ORIGIN_RANDOM)


@dataclass(frozen=True)
class ComparedAnswer:
    """One side of a difference: text (do not show that of a secret) and origin."""

    text: str
    origin: str


@dataclass(frozen=True)
class Difference:
    """A parameter with different answers.

    ``applies``: its condition is met on at least one side.
    """

    name: str
    is_secret: bool
    applies: bool
    first: ComparedAnswer
    second: ComparedAnswer


def compare_answers(first: Answers, second: Answers) -> List[Difference]:
    """Return every parameter whose values differ, in the order of the parameter table.

    Different spelling ("a, b" and "a,b") is no difference, nor are passwords that neither side gave:
    those are generated when they are first needed.
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
