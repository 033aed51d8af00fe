"""``completion SHELL``: what the shell needs to complete our words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from packstack_lite.errors import UsageFault

VARIABLE = "_PACKSTACK_LITE_COMPLETE"


@click.command("completion", short_help="Print shell completion, to be sourced.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    Bash: packstack-lite completion bash > ~/.local/share/bash-completion/completions/packstack-lite
    """
    found = get_completion_class(shell)
    if found is None:
        raise UsageFault(f"click, the library for the command line, has no completion for {shell} in this version")
    click.echo(found(ctx.find_root().command, {}, "packstack-lite", VARIABLE).source())
