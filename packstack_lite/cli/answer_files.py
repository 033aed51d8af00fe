"""--gen-answer-file and --validate-answer-file."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from packstack_lite.answers import PARAMETERS, Answers, derive_node_answers, describe_parameter, write_answer_file
from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import print_json, print_stderr, stdout_console
from packstack_lite.deployment import answer_sources
from packstack_lite.deployment.connection_target import ConnectionTarget, choose_target, find_own_address
from packstack_lite.errors import ExitCode, UsageError

_LOOPBACK = "127.0.0.1"


def generate_answer_file(options: Options, path: Path, install_hosts: Optional[str] = None) -> int:
    """Write an answer file with every parameter; deploy nothing, connect to nothing."""
    if path.exists():
        raise UsageError(
            f"{path} is there already, and answer files are never replaced", "name another file, or remove it"
        )
    nodes = [node.strip() for node in (install_hosts or "").split(",") if node.strip()]
    if options.sandbox or options.distro:
        answers = answer_sources.resolve_answers(options, choose_target(options))
    else:
        address = nodes[0] if nodes else options.host or _find_own_address(options)
        answers = answer_sources.load_answers(
            options,
            options.answer_files,
            node_answers=derive_node_answers(nodes) if nodes else {},
            address=address,
        )
    print_warnings(options, answers)
    write_answer_file(path, answers)
    if options.is_json:
        print_json({"written": str(path)})
    else:
        print_stderr(options, f"written: {path}")
        print_stderr(options, f"next: packstack-lite plan --answer-file {path}")
    return ExitCode.SUCCESS


def _find_own_address(options: Options) -> str:
    try:
        return find_own_address()
    except UsageError:
        print_stderr(
            options, f"warning: this machine has no default route, so the hosts are {_LOOPBACK}: write theirs instead"
        )
        return _LOOPBACK


def validate_answer_file(options: Options, path: Path) -> int:
    """Tell every fault of an answer file (AnswersFault), or that there is none; other files are layers below it."""
    answers = answer_sources.load_answers(options, [*options.answer_files, path])
    print_warnings(options, answers)
    if options.is_json:
        print_json({"warnings": list(answers.warnings)})
    else:
        stdout_console(options).print(f"{path}: fine, {len(answers.warnings)} warnings", markup=False)
    return ExitCode.SUCCESS


def print_parameters() -> int:
    """Packstack's --options: every parameter with its flag and its meaning, by group, in reStructuredText."""
    group = ""
    for parameter in PARAMETERS:
        if parameter.group != group:
            group = parameter.group
            click.echo(f"{group}\n{'-' * len(group)}\n")
        click.echo(f"**{parameter.name}** (``--{parameter.flag}``)\n    {describe_parameter(parameter)}\n")
    return ExitCode.SUCCESS


def print_warnings(options: Options, answers: Answers) -> None:
    """Tell what is doubtful in the answers."""
    for warning in answers.warnings:
        print_stderr(options, f"warning: {warning}")


def default_target(options: Options) -> ConnectionTarget:
    """The target that the options mean, this machine when they mean none."""
    return choose_target(options, answer_sources.find_controller(options), allow_local=True)
