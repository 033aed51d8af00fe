"""Write to the terminal and ask questions. Used by every verb.

Results go to stdout; progress, warnings and questions go to stderr.
"""

from __future__ import annotations

import sys
import threading
from functools import lru_cache
from typing import Any, Mapping, TextIO

from rich.console import Console

from packstack_lite.cli.echo import PAUSES, confirm, paused, prompt
from packstack_lite.cli.options import Options
from packstack_lite.deployment import Callbacks
from packstack_lite.report.json_output import to_json
from packstack_lite.report.rich_console import make_console
from packstack_lite.report.wait_line import WaitLine
from packstack_lite.secret import Secret

_WARNING_LOCK = threading.Lock()


@lru_cache(maxsize=1)
def _line_on(stream: TextIO) -> WaitLine:
    """Return the line on this stream: the same while stderr is not replaced."""
    return WaitLine(stream)


def _wait_line() -> WaitLine:
    """Return the line on stderr that says what is waited for."""
    line = _line_on(sys.stderr)
    PAUSES[:] = [line.paused]
    return line


def is_interactive() -> bool:
    """Return whether a person can be asked: stdin and stderr are terminals."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def stdout_console(options: Options) -> Console:
    """Return a console for results."""
    return make_console(color=options.color)


def stderr_console(options: Options) -> Console:
    """Return a console for progress, warnings and errors."""
    return make_console(color=options.color, stderr=True)


def print_stderr(options: Options, text: str) -> None:
    """Print a line on stderr; markup in it is not interpreted."""
    with paused():
        stderr_console(options).print(text, markup=False)


def warn_once(options: Options, text: str) -> None:
    """Print a warning on stderr, once in a run.

    Threads of several nodes may meet the same damaged file.
    """
    with _WARNING_LOCK:
        is_known = text in options.warned
        options.warned.add(text)
    if not is_known:
        print_stderr(options, f"warning: {text}")


def print_json(payload: Mapping[str, Any]) -> None:
    """Print the one JSON object of this run on stdout."""
    sys.stdout.write(to_json(payload) + "\n")


def make_callbacks(options: Options) -> Callbacks:
    """Return callbacks that print on stderr, and that ask only on a terminal."""
    can_ask = is_interactive()
    return Callbacks(
        warn=lambda text: warn_once(options, text),
        progress=lambda text: print_stderr(options, text),
        working=_wait_line().working,
        confirm=confirm if can_ask else None,
        ask_password=_prompt_password if can_ask else None,
    )


def _prompt_password(question: str) -> Secret:
    """Ask for a password on stderr without showing it."""
    return Secret(str(prompt(question, hide_input=True)))
