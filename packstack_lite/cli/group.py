"""The command group: options in both positions, a help of one screen, errors without tracebacks."""

from __future__ import annotations

import sys
from typing import Any, List, Optional, Sequence

import click

from packstack_lite.cli.failures import guarded
from packstack_lite.cli.options import DEFAULT_SANDBOX
from packstack_lite.cli.words import spelled


class Group(click.Group):
    """A click group whose ``main`` turns every failure into words and an exit code."""

    def main(  # type: ignore[override]
        self,
        args: Optional[Sequence[str]] = None,
        prog_name: Optional[str] = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As click's; in standalone mode exits with one of ExitCode."""
        arguments = list(sys.argv[1:] if args is None else args)

        def run() -> Any:
            return super(Group, self).main(
                args=arguments, prog_name=prog_name or "packstack-lite", standalone_mode=False, **extra
            )

        if not standalone_mode:
            return run()
        sys.exit(int(guarded(run, arguments, self.commands)))

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        """Write out abbreviations; let ``--sandbox VERB`` mean the default sandbox, not one of a verb's name."""
        told = args if ctx.resilient_parsing else spelled(self, args)
        return super().parse_args(ctx, self._with_sandbox_named(told))

    def _with_sandbox_named(self, args: List[str]) -> List[str]:
        named = list(args)
        for place, word in enumerate(args):
            if word in self.commands:
                before = args[place - 1] if place else ""
                if before == "--sandbox":
                    named[place - 1] = f"--sandbox={DEFAULT_SANDBOX}"
                break
        return named

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Packstack's words first, then what all verbs share, then the verbs."""
        shown = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        own = [option for option in shown if option.callback is None or option.expose_value or option.is_eager]
        for title, options in (("Packstack's words", own), ("Shared by all verbs", [o for o in shown if o not in own])):
            records = [record for record in (option.get_help_record(ctx) for option in options) if record]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        self.format_commands(ctx, formatter)


def show_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """--help-all: the help, with every parameter's flag, then the end."""
    if not value or ctx.resilient_parsing:
        return
    hidden = [option for option in ctx.command.params if isinstance(option, click.Option) and option.hidden]
    for option in hidden:
        option.hidden = False
    try:
        click.echo(ctx.get_help(), color=ctx.color)
    finally:
        for option in hidden:
            option.hidden = True
    ctx.exit()
