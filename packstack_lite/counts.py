"""Write a number with its noun. Used wherever a message counts something."""

from __future__ import annotations


def format_count(number: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: ``1 change``, ``3 changes``.

    ``plural`` is for a noun whose plural is not formed with an s.
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
