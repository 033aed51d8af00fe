"""``answers diff``: compare two answer files, with defaults filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Sequence

import click
from rich.text import Text

from packstack_lite.answers import Difference, PasswordStore, compare_answers, resolve_answers
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import print_json, print_stderr, stdout_console
from packstack_lite.counts import format_count
from packstack_lite.errors import ExitCode
from packstack_lite.secret import MASK

_FILE = click.Path(path_type=Path)


@click.command("diff")
@click.argument("one", type=_FILE, metavar="A")
@click.argument("other", type=_FILE, metavar="B")
@shared_options(with_parameters=False)
@pass_options
def diff(options: Options, one: Path, other: Path) -> int:
    """Print the differences between the answers of file A and file B, with the origin of each.

    Defaults are filled in first, and old names are converted. A secret is only reported to differ. The exit code is
    0 if the answers are the same and 10 if they differ.
    """
    # One password store for both: a password that neither file sets is no difference.
    password_store = PasswordStore()
    sides = [resolve_answers([path], password_store=password_store) for path in (one, other)]
    for side in sides:
        for warning in side.warnings:
            print_stderr(options, f"warning: {warning}")
    differences = compare_answers(*sides)
    if options.is_json:
        print_json({"differences": [_difference_to_json(difference) for difference in differences]})
    else:
        _print_differences(options, differences, one, other)
    return ExitCode.CHANGES_PENDING if differences else ExitCode.SUCCESS


def _difference_to_json(difference: Difference) -> Dict[str, Any]:
    """Return a difference as a JSON object; secrets are masked."""
    sides = {
        key: {"value": MASK if difference.is_secret else side.text, "origin": side.origin}
        for key, side in (("a", difference.first), ("b", difference.second))
    }
    return {"name": difference.name, "secret": difference.is_secret, "counts": difference.applies, **sides}


def _print_differences(options: Options, differences: Sequence[Difference], one: Path, other: Path) -> None:
    """Print each difference as two lines, and their number on stderr."""
    if not differences:
        stdout_console(options).print("the answers are the same", markup=False)
        return
    stdout_console(options).print(Text(f"--- {one}\n+++ {other}", style="bold"))
    for difference in differences:
        stdout_console(options).print(Text(difference.name, style="" if difference.applies else "dim"))
        for sign, style, side in (("-", "red", difference.first), ("+", "green", difference.second)):
            text = "differs" if difference.is_secret else side.text or "(empty)"
            stdout_console(options).print(Text.assemble((f"  {sign} {text}", style), (f"  from {side.origin}", "dim")))
    without_effect = sum(not difference.applies for difference in differences)
    summary = format_count(len(differences), "difference")
    print_stderr(
        options,
        summary + (f", {without_effect} of them without effect in either file" if without_effect else ""),
    )
