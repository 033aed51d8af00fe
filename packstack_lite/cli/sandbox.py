"""``sandbox up|list|ssh|link|down``: throw-away hosts on this machine."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Optional, Tuple

import click
from rich.table import Table

from packstack_lite import sandbox as room
from packstack_lite.cli.options import DEFAULT_SANDBOX, Options, pass_options, shared
from packstack_lite.cli.target import furnished
from packstack_lite.cli.terminal import out, print_json, say
from packstack_lite.errors import UsageFault

_SHOWN = ("name", "kind", "distro", "address", "state")
# What hosts have that were made together; left out of a table of others.
_SEGMENT = ("segment", "tunnel")
_name = click.argument("name", default=DEFAULT_SANDBOX)


@click.group("sandbox", short_help="Throw-away hosts on this machine: up, list, ssh, link, down.")
def sandbox() -> None:
    """Make, list, enter and remove throw-away hosts on this machine."""


@sandbox.command("up")
@_name
@click.option("--hosts", type=int, help="So many hosts on one segment: NAME, NAME-2 and so on.")
@shared(parameters=False)
@pass_options
def up(options: Options, name: str, hosts: Optional[int]) -> None:
    """Bring sandbox NAME up; one that is up stays as it is.

    With --hosts each has a second interface, tunnel0, on a network of its own; more hosts may be added later by a
    higher number. NAME means all of them, to this verb and to down.
    """
    if hosts is not None and hosts < 1:
        raise UsageFault(f"a segment of {hosts} hosts cannot be", "--hosts takes 1 or more")
    made = room.up(name, lambda text: say(options, text), options.distro, options.kind, hosts=hosts or 0)
    every = [each for each in room.list_all() if made.segment and each.segment == made.name] or [made]
    _tell(options, *[furnished(options, each) for each in every])
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


@sandbox.command("link")
@click.argument("name", metavar="HOST")
@click.argument("what", metavar="delay|cut|heal")
@click.argument("amount", default="", metavar="[TIME]")
@click.option("--interface", default="main", show_default=True, help="Which of its links: main or tunnel.")
@shared(without="distro", parameters=False)
@pass_options
def link(options: Options, name: str, what: str, amount: str, interface: str) -> None:
    """Delay HOST's link (what goes to it, by 50ms or 0.2s), cut it or heal it; a reboot of HOST heals it too."""
    room.change_link(name, what, amount, interface, lambda text: say(options, text))
    if options.json:
        print_json({"link": {"name": name, "interface": interface, "state": " ".join([what, amount]).strip()}})


@sandbox.command("down")
@_name
@shared(without="distro", parameters=False)
@pass_options
def down(options: Options, name: str) -> None:
    """Remove sandbox NAME and everything in it, with all hosts of its segment."""
    room.down(name, say=lambda text: say(options, text))
    if options.json:
        print_json({"removed": name})


def _tell(options: Options, *sandboxes: room.Sandbox) -> None:
    rows = [{key: str(asdict(each)[key]) for key in (*_SHOWN, *_SEGMENT)} for each in sandboxes]
    if options.json:
        print_json({"sandboxes": rows})
        return
    if not rows:
        say(options, "no sandbox; make one: packstack-lite sandbox up")
        return
    shown = [key for key in rows[0] if key in _SHOWN or any(row[key] for row in rows)]
    table = Table(box=None, pad_edge=False)
    for key in shown:
        # An address that is cut short for want of room is of no use to anybody.
        table.add_column(key, no_wrap=True, min_width=max(len(row[key]) for row in rows))
    for row in rows:
        table.add_row(*(row[key] for key in shown))
    out(options).print(table, crop=False)
