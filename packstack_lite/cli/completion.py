"""``completion SHELL``: print a shell's completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from packstack_lite.cli.echo import echo
from packstack_lite.errors import UsageError

COMPLETE_VARIABLE = "_PACKSTACK_LITE_COMPLETE"


@click.command("completion", short_help="Print a shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    Bash: packstack-lite completion bash > ~/.local/share/bash-completion/completions/packstack-lite
    """
    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise UsageError(f"the installed version of click has no completion for {shell}", "use bash, zsh or fish")
    echo(completion_class(ctx.find_root().command, {}, "packstack-lite", COMPLETE_VARIABLE).source())
