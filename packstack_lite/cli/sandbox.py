"""``sandbox up|list|ssh|link|down``: throw-away hosts on this machine."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Optional, Tuple

import click
from rich.table import Table

from packstack_lite import sandbox as room
from packstack_lite.cli.options import DEFAULT_SANDBOX, Options, pass_options, shared_options
from packstack_lite.cli.terminal import print_json, print_stderr, stdout_console
from packstack_lite.deployment.connection_target import add_guest_image
from packstack_lite.errors import UsageError

_COLUMNS = ("name", "kind", "distro", "address", "state")
# What hosts have that were made together; left out of a table of others.
_SEGMENT_COLUMNS = ("segment", "tunnel")
_name_argument = click.argument("name", default=DEFAULT_SANDBOX)


@click.group("sandbox", short_help="Throw-away hosts on this machine: up, list, ssh, link, down.")
def sandbox() -> None:
    """Make, list, enter and remove throw-away hosts on this machine."""


@sandbox.command("up")
@_name_argument
@click.option("--hosts", type=int, help="So many hosts on one segment: NAME, NAME-2 and so on.")
@shared_options(with_parameters=False)
@pass_options
def start_sandbox(options: Options, name: str, hosts: Optional[int]) -> None:
    """Bring sandbox NAME up; one that is up stays as it is.

    With --hosts each has a second interface, tunnel0, on a network of its own; more hosts may be added later by a
    higher number. NAME means all of them, to this verb and to down.
    """
    if hosts is not None and hosts < 1:
        raise UsageError(f"a segment of {hosts} nodes is not possible", "--hosts takes 1 or more")
    created = room.up(
        name, lambda text: print_stderr(options, text), options.distro, options.kind, node_count=hosts or 0
    )
    sandboxes = [box for box in room.list_all() if created.segment and box.segment == created.name] or [created]
    _print_sandboxes(options, *[add_guest_image(options, box) for box in sandboxes])
    print_stderr(options, f"root there: packstack-lite sandbox ssh {created.name}")


@sandbox.command("list")
@shared_options(excluding="distro", with_parameters=False)
@pass_options
def list_sandboxes(options: Options) -> None:
    """List the sandboxes of this machine."""
    _print_sandboxes(options, *room.list_all())


@sandbox.command("ssh", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_name_argument
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def open_ssh(name: str, command: Tuple[str, ...]) -> None:
    """Become root in sandbox NAME, or run COMMAND there."""
    # Where options stop being ours: "--" is for us, as ssh(1) would have taken it.
    command_words = command[1:] if command[:1] == ("--",) else command
    argv = room.ssh_argv(room.find(name), " ".join(command_words))
    os.execvp(argv[0], argv)


@sandbox.command("link")
@click.argument("name", metavar="HOST")
@click.argument("what", metavar="delay|cut|heal")
@click.argument("amount", default="", metavar="[TIME]")
@click.option("--interface", default="main", show_default=True, help="Which of its links: main or tunnel.")
@shared_options(excluding="distro", with_parameters=False)
@pass_options
def change_link(options: Options, name: str, what: str, amount: str, interface: str) -> None:
    """Delay HOST's link (what goes to it, by 50ms or 0.2s), cut it or heal it; a reboot of HOST heals it too."""
    room.change_link(name, what, amount, interface, lambda text: print_stderr(options, text))
    if options.is_json:
        print_json({"link": {"name": name, "interface": interface, "state": " ".join([what, amount]).strip()}})


@sandbox.command("down")
@_name_argument
@shared_options(excluding="distro", with_parameters=False)
@pass_options
def remove_sandbox(options: Options, name: str) -> None:
    """Remove sandbox NAME and everything in it, with all hosts of its segment."""
    room.down(name, progress=lambda text: print_stderr(options, text))
    if options.is_json:
        print_json({"removed": name})


def _print_sandboxes(options: Options, *sandboxes: room.Sandbox) -> None:
    rows = [{key: str(asdict(box)[key]) for key in (*_COLUMNS, *_SEGMENT_COLUMNS)} for box in sandboxes]
    if options.is_json:
        print_json({"sandboxes": rows})
        return
    if not rows:
        print_stderr(options, "no sandbox; make one: packstack-lite sandbox up")
        return
    columns = [key for key in rows[0] if key in _COLUMNS or any(row[key] for row in rows)]
    table = Table(box=None, pad_edge=False)
    for key in columns:
        # An address that is cut short for want of room is of no use to anybody.
        table.add_column(key, no_wrap=True, min_width=max(len(row[key]) for row in rows))
    for row in rows:
        table.add_row(*(row[key] for key in columns))
    stdout_console(options).print(table, crop=False)
