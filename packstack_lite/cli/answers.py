"""``answers show``: print each resolved answer and its origin.

Also the group ``answers``.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Sequence, Set, Tuple

import click
from rich.table import Table
from rich.text import Text

from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME, describe_fate, suggest_parameter
from packstack_lite.cli import answer_files
from packstack_lite.cli.answers_diff import diff
from packstack_lite.cli.answers_migrate import migrate
from packstack_lite.cli.opening import default_target
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import print_json, stdout_console
from packstack_lite.deployment import answer_sources
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend
from packstack_lite.secret import MASK


@click.group("answers", short_help="Show, compare and convert answers.")
def answers() -> None:
    """Show answers, compare two files, convert an old file."""


@answers.command("show")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--changed", is_flag=True, help="Only answers that were given and differ from the default.")
@shared_options()
@pass_options
def show(options: Options, names: Tuple[str, ...], changed: bool) -> None:
    """Print each resolved answer with its origin; secrets as ***.

    NAME is a parameter in upper or lower case; * and ? are wildcards. An origin is default, random, allinone,
    FILE:LINE, sandbox, $VARIABLE, --set, --FLAG, or the parameter whose answer is repeated.
    """
    matched_names = _match_names(names)
    resolved = answer_sources.resolve_answers(options.answer_sources, default_target(options))
    answer_files.print_warnings(options, resolved)
    parameters = [
        parameter
        for parameter in PARAMETERS
        if parameter.name in matched_names and (not changed or resolved.is_customized(parameter.name))
    ]
    rows = [
        (
            parameter.name,
            MASK if parameter.is_secret else resolved.text(parameter.name),
            resolved.origin(parameter.name),
        )
        for parameter in parameters
    ]
    if options.is_json:
        print_json({"answers": [dict(zip(("name", "value", "origin"), row)) for row in rows]})
        return
    table = Table(box=None, pad_edge=False)
    # A truncated name could be neither searched for nor typed.
    table.add_column("name", no_wrap=True, min_width=max((len(row[0]) for row in rows), default=0))
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    stdout_console(options).print(table)


def _match_names(names: Sequence[str]) -> Set[str]:
    """Return the parameters that names or patterns match, all without any.

    Raises UsageError if one matches none.
    """
    matches: Set[str] = set() if names else set(PARAMETERS_BY_NAME)
    for name in names:
        matched = {known for known in PARAMETERS_BY_NAME if fnmatchcase(known, name.upper())}
        if not matched:
            fate = describe_fate(name.upper()) or f"no such parameter{suggest_parameter(name.upper())}"
            raise UsageError(f"{name}: {fate}", recommend("answers", "show"))
        matches |= matched
    return matches


for _command in (diff, migrate):
    answers.add_command(_command)
