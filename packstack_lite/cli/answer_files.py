"""Work with answer files, without a node.

Implements --gen-answer-file, --validate-answer-file and --options.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from packstack_lite.answers import (
    PARAMETERS,
    Answers,
    derive_node_answers,
    describe_parameter,
    write_answer_file,
)
from packstack_lite.cli.echo import echo
from packstack_lite.cli.options import Options, split_hosts
from packstack_lite.cli.terminal import make_callbacks, print_json, print_stderr, stdout_console
from packstack_lite.counts import format_count
from packstack_lite.deployment import answer_sources
from packstack_lite.deployment.connection_target import choose_target, find_own_address
from packstack_lite.errors import ExitCode, UsageError
from packstack_lite.recommended import recommend

_LOOPBACK = "127.0.0.1"


def generate_answer_file(options: Options, path: Path, install_hosts: Optional[str] = None) -> int:
    """Write an answer file with every parameter; connect to nothing.

    Raises UsageError if the file exists.
    """
    if path.exists():
        raise UsageError(
            f"{path} exists already, and answer files are never replaced", "name another file, or remove it"
        )
    hosts = split_hosts(install_hosts)
    if options.sandbox or options.distro:
        target = choose_target(options.node_selection, options.connection_options, make_callbacks(options))
        answers = answer_sources.resolve_answers(options.answer_sources, target)
    else:
        address = hosts[0] if hosts else options.host or _find_own_address(options)
        answers = answer_sources.load_answers(
            options.answer_sources,
            node_answers=derive_node_answers(hosts) if hosts else {},
            address=address,
        )
    print_warnings(options, answers)
    write_answer_file(path, answers)
    if options.is_json:
        print_json({"written": str(path)})
    else:
        print_stderr(options, f"written: {path}")
        print_stderr(options, f"next: {recommend('plan', '--answer-file', path)}")
    return ExitCode.SUCCESS


def _find_own_address(options: Options) -> str:
    """Return this machine's address.

    Without a default route, warn and return the loopback address.
    """
    try:
        return find_own_address()
    except UsageError:
        print_stderr(
            options,
            f"warning: this machine has no default route, so every node is {_LOOPBACK}: write its address instead",
        )
        return _LOOPBACK


def validate_answer_file(options: Options, path: Path) -> int:
    """Check an answer file, print that it is valid and its warnings, return SUCCESS.

    It is read together with the options' other sources of answers. Raises AnswersError with every error.
    """
    answers = answer_sources.load_answers(options.with_answer_file(path).answer_sources)
    print_warnings(options, answers)
    if options.is_json:
        print_json({"warnings": list(answers.warnings)})
    else:
        stdout_console(options).print(f"{path}: valid, {format_count(len(answers.warnings), 'warning')}", markup=False)
    return ExitCode.SUCCESS


def print_parameters() -> int:
    """Print every parameter with its option and meaning, in reStructuredText.

    The output is that of Packstack's --options.
    """
    group = ""
    for parameter in PARAMETERS:
        if parameter.group != group:
            group = parameter.group
            echo(f"{group}\n{'-' * len(group)}\n")
        echo(f"**{parameter.name}** (``--{parameter.flag}``)\n    {describe_parameter(parameter)}\n")
    return ExitCode.SUCCESS


def print_warnings(options: Options, answers: Answers) -> None:
    """Print the warnings about these answers on stderr."""
    for warning in answers.warnings:
        print_stderr(options, f"warning: {warning}")
