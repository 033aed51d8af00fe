"""--gen-answer-file and --validate-answer-file."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from packstack_lite import answers as room
from packstack_lite.cli import sources
from packstack_lite.cli.options import Options
from packstack_lite.cli.target import Target, choose, own_address
from packstack_lite.cli.terminal import out, print_json, say
from packstack_lite.errors import ExitCode, UsageFault

_LOOPBACK = "127.0.0.1"


def generate(options: Options, path: Path, install_hosts: Optional[str] = None) -> int:
    """Write an answer file with every parameter; deploy nothing, connect to nothing."""
    if path.exists():
        raise UsageFault(
            f"{path} is there already, and answer files are never replaced", "name another file, or remove it"
        )
    hosts = [host.strip() for host in (install_hosts or "").split(",") if host.strip()]
    if options.sandbox or options.distro:
        told = sources.answers(options, choose(options))
    else:
        address = hosts[0] if hosts else options.host or _own_address(options)
        told = sources.load(
            options, options.answer_files, hosts=room.host_overrides(hosts) if hosts else {}, address=address
        )
    warn(options, told)
    room.write(path, told)
    if options.json:
        print_json({"written": str(path)})
    else:
        say(options, f"written: {path}")
        say(options, f"next: packstack-lite plan --answer-file {path}")
    return ExitCode.FINE


def _own_address(options: Options) -> str:
    try:
        return own_address()
    except UsageFault:
        say(options, f"warning: this machine has no default route, so the hosts are {_LOOPBACK}: write theirs instead")
        return _LOOPBACK


def validate(options: Options, path: Path) -> int:
    """Tell every fault of an answer file (AnswersFault), or that there is none; other files are layers below it."""
    told = sources.load(options, [*options.answer_files, path])
    warn(options, told)
    if options.json:
        print_json({"warnings": list(told.warnings)})
    else:
        out(options).print(f"{path}: fine, {len(told.warnings)} warnings", markup=False)
    return ExitCode.FINE


def explain() -> int:
    """Packstack's --options: every parameter with its flag and its meaning, by group, in reStructuredText."""
    group = ""
    for parameter in room.TABLE:
        if parameter.group != group:
            group = parameter.group
            click.echo(f"{group}\n{'-' * len(group)}\n")
        click.echo(f"**{parameter.name}** (``--{parameter.flag}``)\n    {room.explained(parameter)}\n")
    return ExitCode.FINE


def warn(options: Options, told: room.Answers) -> None:
    """Tell what is doubtful in the answers."""
    for warning in told.warnings:
        say(options, f"warning: {warning}")


def target_of(options: Options) -> Target:
    """The target that the options mean, this machine when they mean none."""
    return choose(options, sources.controller(options), here=True)
