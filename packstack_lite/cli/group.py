"""The click group of the command line.

Options work before and after the verb, the help fits a screen, errors have no traceback.
"""

from __future__ import annotations

import sys
from typing import Any, List, Optional, Sequence

import click

from packstack_lite.cli.echo import echo
from packstack_lite.cli.failures import run_guarded
from packstack_lite.cli.lazy import LazyGroup
from packstack_lite.cli.option_abbreviations import expand_options
from packstack_lite.cli.options import DEFAULT_SANDBOX


class PackstackGroup(LazyGroup):
    """A click group that turns every failure into a message and an exit code."""

    def main(  # type: ignore[override]
        self,
        args: Optional[Sequence[str]] = None,
        prog_name: Optional[str] = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line; in standalone mode, exit with one of ExitCode."""
        arguments = list(sys.argv[1:] if args is None else args)

        def run() -> Any:
            """Run click's main with our arguments; its exceptions pass."""
            return super(PackstackGroup, self).main(
                args=arguments, prog_name=prog_name or "packstack-lite", standalone_mode=False, **extra
            )

        if not standalone_mode:
            return run()
        sys.exit(int(run_guarded(run, arguments, self.commands)))

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        """Expand abbreviated options.

        Let ``--sandbox VERB`` mean the default sandbox, not one named like a verb.
        """
        expanded = args if ctx.resilient_parsing else expand_options(self, args)
        return super().parse_args(ctx, self._insert_default_sandbox(expanded))

    def _insert_default_sandbox(self, args: List[str]) -> List[str]:
        """Give ``--sandbox`` directly before a verb its default name."""
        result = list(args)
        for index, word in enumerate(args):
            if word in self.commands:
                previous = args[index - 1] if index else ""
                if previous == "--sandbox":
                    result[index - 1] = f"--sandbox={DEFAULT_SANDBOX}"
                break
        return result

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write Packstack's options first, then the shared options, then the verbs."""
        visible = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        packstack_options = [
            option for option in visible if option.callback is None or option.expose_value or option.is_eager
        ]
        for title, options in (
            ("Packstack's options", packstack_options),
            ("Options of all verbs", [candidate for candidate in visible if candidate not in packstack_options]),
        ):
            records = [record for record in (option.get_help_record(ctx) for option in options) if record]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        self.format_commands(ctx, formatter)


def show_full_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the help with every parameter's option, and exit.

    This is the click callback of --help-all.
    """
    if not value or ctx.resilient_parsing:
        return
    if isinstance(ctx.command, PackstackGroup):
        ctx.command.add_parameter_options()
    hidden = [option for option in ctx.command.params if isinstance(option, click.Option) and option.hidden]
    for option in hidden:
        option.hidden = False
    try:
        echo(ctx.get_help(), color=ctx.color)
    finally:
        for option in hidden:
            option.hidden = True
    ctx.exit()
