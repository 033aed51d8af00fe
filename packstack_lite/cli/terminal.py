"""Where words go: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from typing import Any, Mapping

from rich.console import Console

from packstack_lite.cli.options import Options

SCHEMA = 1


def attended() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _console(options: Options, stderr: bool) -> Console:
    """A console that keeps to --color; ``auto`` leaves it to rich, which knows NO_COLOR and FORCE_COLOR."""
    if options.color == "never":
        return Console(stderr=stderr, no_color=True, color_system=None, highlight=False, soft_wrap=True)
    return Console(
        stderr=stderr, force_terminal=True if options.color == "always" else None, highlight=False, soft_wrap=True
    )


def out(options: Options) -> Console:
    """The console for results."""
    return _console(options, stderr=False)


def err(options: Options) -> Console:
    """The console for progress, warnings and errors."""
    return _console(options, stderr=True)


def say(options: Options, text: str) -> None:
    """A line beside the result: on stderr, no markup read into it."""
    err(options).print(text, markup=False)


def print_json(payload: Mapping[str, Any]) -> None:
    """The one JSON object of this run, on stdout."""
    sys.stdout.write(json.dumps({"schema": SCHEMA, **payload}, ensure_ascii=False) + "\n")
