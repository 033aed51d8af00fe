"""Make a rich console that respects --color, NO_COLOR and FORCE_COLOR.

Used by ``report`` and ``cli``.
"""

from __future__ import annotations

from typing import Optional, TextIO

from rich.console import Console as Rich

# The values of --color. ``auto`` leaves the choice to rich, which knows the two variables.
AUTO, ALWAYS, NEVER = "auto", "always", "never"


def make_console(stream: Optional[TextIO] = None, color: str = AUTO, stderr: bool = False) -> Rich:
    """Return a rich console that neither cuts nor wraps lines.

    ``stream`` is the file to write to; by default that is stdout, or stderr with ``stderr``.
    """
    if color == NEVER:
        # Without a color system rich drops bold and dim too, which are escape codes as colours are.
        return Rich(file=stream, stderr=stderr, color_system=None, highlight=False, soft_wrap=True, emoji=False)
    force = True if color == ALWAYS else None
    return Rich(file=stream, stderr=stderr, force_terminal=force, highlight=False, soft_wrap=True, emoji=False)
