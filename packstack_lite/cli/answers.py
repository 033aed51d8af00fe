"""``answers``: the group, and ``answers show``: each effective answer, and where it came from."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Sequence, Set, Tuple

import click
from rich.table import Table
from rich.text import Text

from packstack_lite.answers import BY_NAME, TABLE, nearest
from packstack_lite.cli import answerfiles, sources
from packstack_lite.cli.compare import diff
from packstack_lite.cli.migrate import migrate
from packstack_lite.cli.options import Options, pass_options, shared
from packstack_lite.cli.terminal import out, print_json
from packstack_lite.errors import UsageFault
from packstack_lite.secret import MASK


@click.group("answers", short_help="Look at answers: show, diff, migrate.")
def answers() -> None:
    """Look at answers, compare two files, bring an old file up to date."""


@answers.command("show")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--changed", is_flag=True, help="Only answers that somebody gave and that are not the default.")
@shared()
@pass_options
def show(options: Options, names: Tuple[str, ...], changed: bool) -> None:
    """Print each effective answer with where it came from; secrets as ***.

    NAME is a parameter in any case, * and ? stand for any letters. Where it came from: default, random,
    allinone, FILE:LINE, sandbox, $VARIABLE, --set, --FLAG, or the parameter whose answer is repeated.
    """
    wanted = _wanted(names)
    told = sources.answers(options, answerfiles.target_of(options))
    answerfiles.warn(options, told)
    shown = [p for p in TABLE if p.name in wanted and (not changed or told.differs(p.name))]
    rows = [(p.name, MASK if p.secret else told.text(p.name), told.origin(p.name)) for p in shown]
    if options.json:
        print_json({"answers": [dict(zip(("name", "value", "origin"), row)) for row in rows]})
        return
    table = Table(box=None, pad_edge=False)
    # A name cut short could not be searched for, nor typed.
    table.add_column("name", no_wrap=True, min_width=max((len(row[0]) for row in rows), default=0))
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    out(options).print(table)


def _wanted(names: Sequence[str]) -> Set[str]:
    """The parameters that these names and patterns mean; all without any. Raises UsageFault for one that means none."""
    found: Set[str] = set() if names else set(BY_NAME)
    for name in names:
        meant = {known for known in BY_NAME if fnmatchcase(known, name.upper())}
        if not meant:
            raise UsageFault(f"{name}: no parameter is called so{nearest(name.upper())}", "packstack-lite answers show")
        found |= meant
    return found


for _command in (diff, migrate):
    answers.add_command(_command)
