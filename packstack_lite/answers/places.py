"""How findings about several answers name them: parameter and place."""

from __future__ import annotations

from typing import Any, Sequence

_LISTED = 5


def at(answers: Any, name: str) -> str:
    """A parameter with the place of its answer, as a finding begins."""
    return f"{answers.origin(name)}: {name}"


def also(answers: Any, name: str) -> str:
    """A second parameter of a finding, with the place of its answer unless that is the default."""
    place = answers.origin(name)
    return name if place == "default" else f"{name} ({place})"


def listed(words: Sequence[str]) -> str:
    """The words of a list, as many as a finding bears."""
    rest = len(words) - _LISTED
    return ", ".join(words[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
