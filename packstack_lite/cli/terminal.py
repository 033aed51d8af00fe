"""Where words go: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any, Mapping

from rich.console import Console

from packstack_lite.cli.options import Options

SCHEMA_VERSION = 1
_ONE_AT_A_TIME = threading.Lock()


def is_interactive() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _make_console(options: Options, stderr: bool) -> Console:
    """A console that keeps to --color; ``auto`` leaves it to rich, which knows NO_COLOR and FORCE_COLOR."""
    if options.color == "never":
        return Console(stderr=stderr, no_color=True, color_system=None, highlight=False, soft_wrap=True)
    return Console(
        stderr=stderr, force_terminal=True if options.color == "always" else None, highlight=False, soft_wrap=True
    )


def stdout_console(options: Options) -> Console:
    """The console for results."""
    return _make_console(options, stderr=False)


def stderr_console(options: Options) -> Console:
    """The console for progress, warnings and errors."""
    return _make_console(options, stderr=True)


def print_stderr(options: Options, text: str) -> None:
    """A line beside the result: on stderr, no markup read into it."""
    stderr_console(options).print(text, markup=False)


def warn_once(options: Options, text: str) -> None:
    """A warning on stderr, once in a run: several nodes' threads may meet the same damaged file."""
    with _ONE_AT_A_TIME:
        known = text in options.warned
        options.warned.add(text)
    if not known:
        print_stderr(options, f"warning: {text}")


def print_json(payload: Mapping[str, Any]) -> None:
    """The one JSON object of this run, on stdout."""
    sys.stdout.write(json.dumps({"schema": SCHEMA_VERSION, **payload}, ensure_ascii=False) + "\n")
