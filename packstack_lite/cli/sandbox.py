"""``sandbox up|list|ssh|link|down``: manage throw-away nodes on this machine."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Optional, Tuple

import click
from rich.table import Table

from packstack_lite import sandbox as sandbox_api
from packstack_lite.cli.options import DEFAULT_SANDBOX, Options, pass_options, shared_options
from packstack_lite.cli.terminal import make_callbacks, print_json, print_stderr, stdout_console
from packstack_lite.counts import format_count
from packstack_lite.deployment.connection_target import add_guest_image
from packstack_lite.deployment.sandbox_lifetime import remove_sandbox as remove_sandbox_and_memory
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend

_COLUMNS = ("name", "kind", "distro", "address", "state")
# Only nodes of a segment have these; otherwise the columns are omitted.
_SEGMENT_COLUMNS = ("segment", "tunnel")
_name_argument = click.argument("name", default=DEFAULT_SANDBOX)


@click.group("sandbox", short_help="Manage throw-away nodes on this machine.")
def sandbox() -> None:
    """Create, list, enter and remove throw-away nodes on this machine."""


@sandbox.command("up")
@_name_argument
@click.option("--hosts", type=int, help="Number of nodes on one segment: NAME, NAME-2 and so on.")
@shared_options(with_parameters=False)
@pass_options
def start_sandbox(options: Options, name: str, hosts: Optional[int]) -> None:
    """Create sandbox NAME, or start it; a running one stays as it is.

    With --hosts each node has a second interface, tunnel0, on a network of its own; a higher number adds nodes
    later. NAME means all nodes of the segment, for this verb and for down.
    """
    if hosts is not None and hosts < 1:
        raise UsageError(f"a segment of {format_count(hosts, 'node')} is not possible", "--hosts takes 1 or more")
    progress = make_callbacks(options).progress
    created = sandbox_api.up(name, progress, options.distro, options.kind, node_count=hosts or 0)
    sandboxes = [box for box in sandbox_api.list_all() if created.segment and box.segment == created.name] or [created]
    _print_sandboxes(options, *[add_guest_image(box, progress) for box in sandboxes])
    print_stderr(options, f"log in as root: {recommend('sandbox', 'ssh', created.name)}")


@sandbox.command("list")
@shared_options(excluding="distro", with_parameters=False)
@pass_options
def list_sandboxes(options: Options) -> None:
    """List the sandboxes of this machine."""
    _print_sandboxes(options, *sandbox_api.list_all())


@sandbox.command("ssh", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_name_argument
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def open_ssh(name: str, command: Tuple[str, ...]) -> None:
    """Log in to sandbox NAME as root, or run COMMAND there."""
    # "--" ends our options and is not part of the command, as with ssh(1).
    command_words = command[1:] if command[:1] == ("--",) else command
    argv = sandbox_api.ssh_argv(sandbox_api.find(name), " ".join(command_words))
    os.execvp(argv[0], argv)


@sandbox.command("link")
@click.argument("name", metavar="HOST")
@click.argument("what", metavar="delay|cut|heal")
@click.argument("amount", default="", metavar="[TIME]")
@click.option("--interface", default="main", show_default=True, help="Which link: main or tunnel.")
@shared_options(excluding="distro", with_parameters=False)
@pass_options
def change_link(options: Options, name: str, what: str, amount: str, interface: str) -> None:
    """Delay packets to HOST (by 50ms or 0.2s), cut its link, or heal it; a reboot of HOST heals it too."""
    sandbox_api.change_cable(name, what, amount, interface, lambda text: print_stderr(options, text))
    if options.is_json:
        print_json({"link": {"name": name, "interface": interface, "state": " ".join([what, amount]).strip()}})


@sandbox.command("down")
@_name_argument
@shared_options(excluding="distro", with_parameters=False)
@pass_options
def remove_sandbox(options: Options, name: str) -> None:
    """Remove sandbox NAME and everything in it, with all nodes of its segment."""
    remove_sandbox_and_memory(name, lambda text: print_stderr(options, text))
    if options.is_json:
        print_json({"removed": name})


def _print_sandboxes(options: Options, *sandboxes: sandbox_api.Sandbox) -> None:
    """Print sandboxes as a table, or as JSON."""
    rows = [{key: str(asdict(box)[key]) for key in (*_COLUMNS, *_SEGMENT_COLUMNS)} for box in sandboxes]
    if options.is_json:
        print_json({"sandboxes": rows})
        return
    if not rows:
        print_stderr(options, f"no sandbox; create one: {recommend('sandbox', 'up')}")
        return
    columns = [key for key in rows[0] if key in _COLUMNS or any(row[key] for row in rows)]
    table = Table(box=None, pad_edge=False)
    for key in columns:
        # A truncated address would be useless.
        table.add_column(key, no_wrap=True, min_width=max(len(row[key]) for row in rows))
    for row in rows:
        table.add_row(*(row[key] for key in columns))
    stdout_console(options).print(table, crop=False)
