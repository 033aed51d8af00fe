"""A command imports what it uses: the shell waits for --version, --help and completion at each key.

Modules are counted and not seconds, which depend on the machine.
"""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from packstack_lite import deployment, resources, sandbox
from packstack_lite.answers import PARAMETERS, resolve_answers, write_answer_file
from packstack_lite.cli.app import VERBS, cli
from packstack_lite.lazy_exports import lazy_exports
from tests.conftest import PROJECT, Tool

PROGRAM = """
import atexit, json, os, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
# click 8.0 ends a completion by os._exit, which calls no exit functions.
os._exit = sys.exit
from packstack_lite.cli.app import main
main(sys.argv[1:])
"""
# What takes longest to import; the table of parameters is read with packstack_lite.answers.
NODES = {"paramiko", "packstack_lite.deployment.deployment", "packstack_lite.engine.apply", "packstack_lite.preflight"}
RENDERING = {"jinja2", "packstack_lite.services"}
ANSWERS = {"yaml", "rich", "packstack_lite.answers"}
# Packages that some versions of our libraries import and others do not: tenacity 8 asyncio, rich 12 attr where it is.
NOT_COUNTED = {"asyncio", "_asyncio", "attr"}


def imported_modules(tmp_path, *arguments, **environment):
    """Return the modules that a command of its own process imports."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**Tool(tmp_path / "home").environment(), **environment},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


COMPLETING = {"_PACKSTACK_LITE_COMPLETE": "bash_complete", "COMP_WORDS": "packstack-lite pl", "COMP_CWORD": "1"}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--version"], {}), (["--help"], {}), (["completion", "bash"], {}), ([], COMPLETING)],
)
def test_what_a_shell_waits_for_reads_no_answers_and_imports_no_verb(tmp_path, arguments, environment):
    modules = imported_modules(tmp_path, *arguments, **environment)
    assert not modules & (NODES | RENDERING | ANSWERS)
    assert not modules & {f"packstack_lite.cli.{verb}" for verb in VERBS if verb != "completion"}
    assert len(modules) < 230


def test_validating_an_answer_file_imports_nothing_of_nodes_and_services(tmp_path):
    path = tmp_path / "a.txt"
    write_answer_file(path, resolve_answers(address="198.18.1.10"))
    modules = imported_modules(tmp_path, f"--validate-answer-file={path}")
    assert not modules & (NODES | RENDERING)
    assert len([name for name in modules if name.partition(".")[0] not in NOT_COUNTED]) < 390


def test_rendering_imports_nothing_of_connections(tmp_path):
    path = tmp_path / "a.txt"
    write_answer_file(path, resolve_answers(address="198.18.1.10"))
    modules = imported_modules(tmp_path, "render", f"--answer-file={path}", "--output", str(tmp_path / "r"))
    assert not modules & {*NODES, "packstack_lite.diagnosis.explain"}


def test_the_help_of_all_verbs_is_their_own():
    assert {name: command.short_help for name, command in cli.commands.items()} == VERBS
    assert all(command.name == name for name, command in cli.commands.items())


def test_an_unknown_verb_is_a_key_error_and_a_known_one_can_be_replaced():
    assert "deploy" not in cli.commands and cli.commands.get("deploy") is None
    assert len(cli.commands) == len(VERBS)
    own = click.Command("own")
    commands = type(cli.commands)(["plan"])
    commands["own"] = own
    assert list(commands) == ["plan", "own"] and commands["own"] is own
    del commands["own"]
    assert "own" not in commands


def test_every_parameter_is_an_option_of_the_main_command():
    cli.add_parameter_options()
    cli.add_parameter_options()
    options = [name for param in cli.params for name in param.opts]
    assert len(options) == len(set(options))
    assert {f"--{parameter.flag}" for parameter in PARAMETERS if parameter.flag} <= set(options)


@pytest.mark.parametrize("package", [deployment, resources, sandbox], ids=lambda package: package.__name__)
def test_every_exported_name_can_be_imported(package):
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_an_export_is_imported_once(monkeypatch):
    monkeypatch.delitem(vars(sandbox), "DEFAULT_DISTRO", raising=False)
    import_name = lazy_exports("packstack_lite.sandbox", {"distros": "DEFAULT_DISTRO DEBIAN_SUITES"})
    assert import_name("DEFAULT_DISTRO") == sandbox.DEFAULT_DISTRO == vars(sandbox)["DEFAULT_DISTRO"]
