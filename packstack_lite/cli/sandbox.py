"""``sandbox up|list|ssh|down``: a throw-away host on this machine."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Tuple

import click
from rich.table import Table

from packstack_lite import sandbox as room
from packstack_lite.cli.options import DEFAULT_SANDBOX, Options, pass_options, shared
from packstack_lite.cli.target import furnished
from packstack_lite.cli.terminal import out, print_json, say

_SHOWN = ("name", "kind", "distro", "address", "state")
_name = click.argument("name", default=DEFAULT_SANDBOX)


@click.group("sandbox", short_help="A throw-away host on this machine: up, list, ssh, down.")
def sandbox() -> None:
    """Make, list, enter and remove throw-away hosts on this machine."""


@sandbox.command("up")
@_name
@click.option("--kind", default="container", show_default=True, help="How it is made.")
@shared(parameters=False)
@pass_options
def up(options: Options, name: str, kind: str) -> None:
    """Bring sandbox NAME up; one that is up stays as it is."""
    made = furnished(options, room.up(name, say=lambda text: say(options, text), distro=options.distro, kind=kind))
    _tell(options, made)
    say(options, f"root there: packstack-lite sandbox ssh {made.name}")


@sandbox.command("list")
@shared(without="distro", parameters=False)
@pass_options
def list_sandboxes(options: Options) -> None:
    """List the sandboxes of this machine."""
    _tell(options, *room.list_all())


@sandbox.command("ssh", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_name
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(name: str, command: Tuple[str, ...]) -> None:
    """Become root in sandbox NAME, or run COMMAND there."""
    # Where options stop being ours: "--" is for us, as ssh(1) would have taken it.
    words = command[1:] if command[:1] == ("--",) else command
    argv = room.ssh_argv(room.find(name), " ".join(words))
    os.execvp(argv[0], argv)


@sandbox.command("down")
@_name
@shared(without="distro", parameters=False)
@pass_options
def down(options: Options, name: str) -> None:
    """Remove sandbox NAME and everything in it."""
    room.down(name, say=lambda text: say(options, text))
    if options.json:
        print_json({"removed": name})


def _tell(options: Options, *sandboxes: room.Sandbox) -> None:
    rows = [{key: str(asdict(each)[key]) for key in _SHOWN} for each in sandboxes]
    if options.json:
        print_json({"sandboxes": rows})
        return
    if not rows:
        say(options, "no sandbox; make one: packstack-lite sandbox up")
        return
    table = Table(*_SHOWN, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row.values())
    out(options).print(table)
