"""Print and ask through click, with text of others escaped.

The only module of ``cli`` that does so; it loads nothing but click, because the help needs it too.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Callable, ContextManager, List, Optional

import click

from packstack_lite.report.escape import escape_text

# What removes the line on stderr that is drawn over and over while something is printed (``terminal``); empty without.
PAUSES: List[Callable[[], ContextManager[None]]] = []


def paused() -> ContextManager[None]:
    """Return a context manager within which stderr can be printed on."""
    return PAUSES[0]() if PAUSES else nullcontext()


def echo(text: str, err: bool = False, color: Optional[bool] = None) -> None:
    """Print a text, escaped, on stdout, or with ``err`` on stderr.

    ``color`` is click's: whether its own styles are kept.
    """
    with paused():
        click.echo(escape_text(text), err=err, color=color)


def confirm(question: str, default: bool = False) -> bool:
    """Ask a yes-or-no question on stderr; Enter means ``default``."""
    with paused():
        return click.confirm(escape_text(question), default=default, err=True)


def prompt(question: str, default: Optional[str] = None, **options: Any) -> Any:
    """Ask for a value on stderr, as ``click.prompt`` does; Enter means ``default``."""
    with paused():
        return click.prompt(escape_text(question), default=default, err=True, **options)
