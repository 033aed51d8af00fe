"""``answers diff``: what two answer files differ in, once defaults are filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Sequence

import click
from rich.text import Text

from packstack_lite import answers as room
from packstack_lite.cli.options import Options, pass_options, shared
from packstack_lite.cli.terminal import out, print_json, say
from packstack_lite.errors import ExitCode
from packstack_lite.secret import MASK

_FILE = click.Path(path_type=Path)


@click.command("diff")
@click.argument("one", type=_FILE, metavar="A")
@click.argument("other", type=_FILE, metavar="B")
@shared(parameters=False)
@pass_options
def diff(options: Options, one: Path, other: Path) -> int:
    """Print what the answers of file A and file B differ in, with where each comes from.

    Defaults are filled in and old names are read as today's first. Of a secret it is only told that
    it differs. The exit code is 0 when the answers are the same and 10 when they are not.
    """
    # One vault for both: a password that neither file gives is no difference.
    vault = room.Vault()
    sides = [room.load([path], vault=vault) for path in (one, other)]
    for side in sides:
        for warning in side.warnings:
            say(options, f"warning: {warning}")
    found = room.differences(*sides)
    if options.json:
        print_json({"differences": [_fields(difference) for difference in found]})
    else:
        _print(options, found, one, other)
    return ExitCode.CHANGES if found else ExitCode.FINE


def _fields(difference: room.Difference) -> Dict[str, Any]:
    sides = {
        key: {"value": MASK if difference.secret else side.text, "origin": side.origin}
        for key, side in (("a", difference.one), ("b", difference.other))
    }
    return {"name": difference.name, "secret": difference.secret, "counts": difference.counts, **sides}


def _print(options: Options, found: Sequence[room.Difference], one: Path, other: Path) -> None:
    if not found:
        out(options).print("the answers are the same", markup=False)
        return
    out(options).print(Text(f"--- {one}\n+++ {other}", style="bold"))
    for difference in found:
        out(options).print(Text(difference.name, style="" if difference.counts else "dim"))
        for sign, style, side in (("-", "red", difference.one), ("+", "green", difference.other)):
            text = "differs" if difference.secret else side.text or "(empty)"
            out(options).print(Text.assemble((f"  {sign} {text}", style), (f"  from {side.origin}", "dim")))
    idle = sum(not difference.counts for difference in found)
    told = f"{len(found)} differences" if len(found) > 1 else "1 difference"
    say(options, told + (f", {idle} of them in answers that count on neither side" if idle else ""))
