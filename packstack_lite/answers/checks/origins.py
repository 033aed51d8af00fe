"""How findings about several answers name them: parameter and place."""

from __future__ import annotations

from typing import Any, Sequence

_MAX_LISTED = 5


def origin_label(answers: Any, name: str) -> str:
    """A parameter with the place of its answer, as a finding begins."""
    return f"{answers.origin(name)}: {name}"


def name_with_origin(answers: Any, name: str) -> str:
    """A second parameter of a finding, with the place of its answer unless that is the default."""
    origin = answers.origin(name)
    return name if origin == "default" else f"{name} ({origin})"


def list_words(words: Sequence[str]) -> str:
    """The words of a list, as many as a finding bears."""
    omitted_count = len(words) - _MAX_LISTED
    return ", ".join(words[:_MAX_LISTED]) + (f" and {omitted_count} more" if omitted_count > 0 else "")
