"""Command lines of ours that messages and hints recommend.

Every such command is made here, so that a test can collect them all and parse each with the real command line
(``tests/unit/test_recommended_commands.py``).
"""

from __future__ import annotations

import shlex
from typing import Sequence, Tuple

PROGRAM = "packstack-lite"


class _Target:
    """The options with which the current run names its cloud."""

    words: Tuple[str, ...] = ()


def set_target_words(words: Sequence[str]) -> None:
    """Set the options that name the cloud of this run, for ``recommend_here``."""
    _Target.words = tuple(words)


def recommend(*words: object) -> str:
    """Return the command line of ours with these arguments, quoted for a shell."""
    return shlex.join([PROGRAM, *map(str, words)])


def recommend_here(*words: object) -> str:
    """Return a command line of ours that means the cloud of this run."""
    return recommend(*words, *_Target.words)
