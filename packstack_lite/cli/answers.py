"""``answers``: the group, and ``answers show``: each effective answer, and where it came from."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from packstack_lite.answers import TABLE
from packstack_lite.cli import answerfiles, sources
from packstack_lite.cli.compare import diff
from packstack_lite.cli.migrate import migrate
from packstack_lite.cli.options import Options, pass_options, shared
from packstack_lite.cli.terminal import out, print_json
from packstack_lite.secret import MASK


@click.group("answers", short_help="Look at answers: show, diff, migrate.")
def answers() -> None:
    """Look at answers, compare two files, bring an old file up to date."""


@answers.command("show")
@shared()
@pass_options
def show(options: Options) -> None:
    """Print each effective answer with where it came from; secrets as ***."""
    told = sources.answers(options, answerfiles.target_of(options))
    rows = [(p.name, MASK if p.secret else told.text(p.name), told.origin(p.name)) for p in TABLE]
    if options.json:
        print_json({"answers": [dict(zip(("name", "value", "origin"), row)) for row in rows]})
        return
    table = Table("name", "value", "from", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    out(options).print(table)


for _command in (diff, migrate):
    answers.add_command(_command)
