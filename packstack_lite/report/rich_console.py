"""Make a rich console that respects --color, NO_COLOR and FORCE_COLOR.

Used by ``report`` and ``cli``.
"""

from __future__ import annotations

import os
import re
from typing import Dict, Iterable, Optional, TextIO

from rich.console import Console as Rich
from rich.segment import Segment

from packstack_lite.report.escape import escape_text

# The values of --color. ``auto`` leaves the choice to rich, which knows the two variables.
AUTO, ALWAYS, NEVER = "auto", "always", "never"


class _EscapingConsole(Rich):
    """A rich console that escapes the text that it prints, and interprets no markup.

    Only rich's own styles and cursor movements reach the terminal.
    """

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        """Render segments; each is rich's own control code, or text."""
        return super()._render_buffer(
            segment if segment.control else Segment(escape_text(segment.text), segment.style) for segment in buffer
        )


def _environment() -> Dict[str, str]:
    """Return the environment for rich, without sizes that it cannot use.

    rich 15 converts whatever str.isdigit() accepts: 5000 digits, or "²". More than four digits are no size.
    """
    bad = [name for name in ("COLUMNS", "LINES") if not re.fullmatch("[0-9]{1,4}", os.environ.get(name, ""))]
    return {name: value for name, value in os.environ.items() if name not in bad}


def make_console(stream: Optional[TextIO] = None, color: str = AUTO, stderr: bool = False) -> Rich:
    """Return a rich console that neither cuts nor wraps lines.

    ``stream`` is the file to write to; by default that is stdout, or stderr with ``stderr``.
    """
    return _EscapingConsole(
        file=stream,
        stderr=stderr,
        # Without a color system rich drops bold and dim too, which are escape codes as colours are.
        color_system=None if color == NEVER else "auto",
        force_terminal=True if color == ALWAYS else None,
        highlight=False,
        soft_wrap=True,
        emoji=False,
        markup=False,
        _environ=_environment(),
    )
