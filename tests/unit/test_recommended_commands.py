"""Every command of ours that an output or a page recommends: collected, parsed, and run where no node is needed.

Outputs: ``recommend`` and ``recommend_here`` make each command (packstack_lite/recommended.py). Their calls are read
from the source, with a sample for each value that only a run knows. Pages: the code of README, tutorial and how-to.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

import click
import pytest

from packstack_lite.cli.app import cli
from packstack_lite.cli.options import Options
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend, recommend_here, set_target_words
from tests.conftest import cli_runner
from tests.sources import nodes_of
from tests.unit.test_docs import PAGES, ROOT, joined_lines

PACKAGE = ROOT / "packstack_lite"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)
# Values that only a run knows, by the expression in the source.
SAMPLES = {
    "name": "lab",
    "sandbox.name": "lab",
    "record.name": "lab-2",
    "record.group_name": "lab",
    "used_by[0]": "lab",
    "directory.name": "lab",
    "created.name": "lab",
    "action": "cut",
    "data": "mariadb",
    "path": "/root/my answers.txt",
    "new or 'NEW'": "new.txt",
    "moved": "/root/packstack-answers-20260101-120000.txt.moved",
    "sources.files[-1]": "/root/packstack-answers-20260101-120000.txt",
}
# A command in a text that recommend() did not make.
LITERAL = re.compile(r"packstack-lite (?=--?[a-z]|(?:{verbs})\b)".format(verbs="|".join(sorted(cli.commands))))
# Our name in a command of another program.
NOT_OURS = re.compile(r"--comment packstack-lite ")
# How a run may name its cloud; recommend_here() adds one of these.
TARGETS: Tuple[Options, ...] = (
    Options(),
    Options(sandbox="lab"),
    Options(host="root@198.18.1.10:2222", ssh_key=Path("/root/a key"), ssh_config=Path("config")),
    Options(answer_files=[Path("one.txt"), Path("two.txt")], config_dir=Path("mine"), settings=["CONFIG_DEBUG_MODE=y"]),
    Options(flags={"CONFIG_DEBUG_MODE": "y", "CONFIG_NOVA_KS_PW": "hunter22"}),
)
# Verbs and options that need no node.
OFFLINE = ("render", "explain", "answers", "completion", "--gen-answer-file", "--validate-answer-file", "--help")


class Recommended(NamedTuple):
    place: str
    words: List[str]


def sample_of(node: ast.expr, place: str) -> str:
    """Return the text of an argument, with samples in the place of values."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            sample_of(part.value if isinstance(part, ast.FormattedValue) else part, place) for part in node.values
        )
    expression = ast.unparse(node)
    assert expression in SAMPLES, f"{place}: add a sample of {expression} to SAMPLES"
    return SAMPLES[expression]


def calls_in(path: Path, function: str) -> Iterator[Recommended]:
    """Yield the arguments of each call of ``recommend`` or ``recommend_here`` in a module."""
    # Tests are collected in every process: only the modules that have such a call are parsed for it.
    if f"{function}(" not in path.read_text(encoding="utf-8"):
        return
    for node in nodes_of(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
            place = f"{path.relative_to(ROOT)}:{node.lineno}"
            yield Recommended(place, [sample_of(argument, place) for argument in node.args])


def recommended_by_outputs() -> List[Recommended]:
    """Return every command that an output recommends, once for each way to name the cloud."""
    found = []
    for path in MODULES:
        if path.name == "recommended.py":
            continue
        found += calls_in(path, "recommend")
        for call in calls_in(path, "recommend_here"):
            found += [Recommended(call.place, [*call.words, *options.target_words]) for options in TARGETS]
    return found


def recommended_by_pages() -> List[Recommended]:
    """Return every command in the code of the pages; one with ``...`` is a part of a command."""
    found = []
    for path in PAGES:
        for line in joined_lines(path.read_text(encoding="utf-8")):
            if not line.is_code:
                continue
            for call in re.findall(r"(?:^|[\s/=]|\$ )packstack-lite\s+([^|;>&]+)", re.sub(r"\s#\s.*$", "", line.text)):
                words = [word for word in shlex.split(call) if word != "..."]
                found.append(Recommended(f"{path.relative_to(ROOT)}:{line.number}", words))
    return found


OUTPUTS, IN_PAGES = recommended_by_outputs(), recommended_by_pages()


def parse(words: Sequence[str]) -> None:
    """Parse a command line as the tool does, through all its verbs, and run nothing."""
    command: click.Command = cli
    remaining, parent = list(words), None
    while True:
        try:
            context = command.make_context(command.name, list(remaining), parent=parent)
        except click.exceptions.Exit:
            return  # --help, --version
        # Click 8.2 renamed protected_args, and will have all in args.
        protected = context._protected_args if hasattr(context, "_protected_args") else context.protected_args
        remaining = [*protected, *context.args]
        if not isinstance(command, click.Group) or not remaining:
            return
        _, found, remaining = command.resolve_command(context, remaining)
        assert found
        command, parent = found, context


def problems_of(commands: Sequence[Recommended]) -> List[str]:
    problems = []
    for place, words in commands:
        try:
            parse(words)
        except (click.ClickException, UsageError) as error:
            problems.append(f"{place}: packstack-lite {shlex.join(words)}: {error.message}")
    return problems


def test_the_parser_refuses_what_the_tool_refuses():
    assert len(problems_of([Recommended("here", words) for words in (["aply"], ["apply", "--hots", "a"])])) == 2
    assert problems_of([Recommended("here", ["sandbox", "up", "lab", "--hosts", "three"])])


def test_every_command_that_an_output_recommends_is_one_of_the_tool(capsys):
    assert len(OUTPUTS) > 40
    problems = problems_of(OUTPUTS)
    assert not problems, "\n".join(problems)


def test_every_command_in_the_pages_is_one_of_the_tool(capsys):
    assert len(IN_PAGES) > 40
    problems = problems_of(IN_PAGES)
    assert not problems, "\n".join(problems)


def texts_of(path: Path) -> Iterator[Tuple[int, str]]:
    """Yield the texts of a module that are no docstrings."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in nodes_of(path)
        if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in nodes_of(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_no_text_contains_a_command_that_was_not_collected():
    problems = [
        f"{path.relative_to(ROOT)}:{number}: write this command with recommend() or recommend_here(): {text!r}"
        for path in MODULES
        for number, text in texts_of(path)
        if LITERAL.search(NOT_OURS.sub("", text))
    ]
    assert not problems, "\n".join(problems)


def test_words_are_quoted_and_the_cloud_is_named_again():
    assert recommend("plan", "--answer-file", "/root/my answers.txt") == (
        "packstack-lite plan --answer-file '/root/my answers.txt'"
    )
    set_target_words(Options(sandbox="lab").target_words)
    try:
        assert recommend_here("apply") == "packstack-lite apply --sandbox lab"
        assert recommend("sandbox", "list") == "packstack-lite sandbox list"
    finally:
        set_target_words(())
    assert recommend_here("apply") == "packstack-lite apply"


def test_a_recommended_command_holds_no_password():
    (words,) = [options.target_words for options in TARGETS if options.flags]
    assert words == ["--set=CONFIG_DEBUG_MODE=y"]


# Each command that needs no node is run.


def is_offline(words: Sequence[str]) -> bool:
    return bool(words) and words[0].split("=")[0] in OFFLINE and "--sandbox" not in words and "--host" not in words


def offline_commands() -> Dict[str, List[str]]:
    """Return the commands that need no node, each once."""
    commands = [entry.words for entry in (*OUTPUTS, *IN_PAGES) if is_offline(entry.words)]
    return {shlex.join(words): words for words in commands}


FILES = ("my.txt", "answers.txt", "old.txt", "one.txt", "two.txt", "other.txt", "FILE", "NEW")


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """A directory with the answer files that the commands name."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (tmp_path / name).write_text("[general]\nCONFIG_CONTROLLER_HOST=198.18.1.10\n")
    (tmp_path / "mine").mkdir()
    return tmp_path


@pytest.mark.parametrize("command", sorted(offline_commands()))
def test_a_command_that_needs_no_node_works_as_printed(directory, command):
    words = [re.sub("^(.*=)?/(root|tmp)/", rf"\g<1>{directory}/", word) for word in shlex.split(command)]
    for index, word in enumerate(words):
        # A file that is to be written does not exist; one that is to be read does.
        if word == "--gen-answer-file":
            (directory / words[index + 1]).unlink(missing_ok=True)
        elif word in ("--validate-answer-file", "diff"):
            (directory / words[-1]).write_text("[general]\nCONFIG_CONTROLLER_HOST=198.18.1.10\n")
    result = cli_runner().invoke(cli, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output + result.stderr


def test_no_module_makes_a_command_when_it_is_imported() -> None:
    """The options that name the cloud are set by then in no run, so that the command would mean another cloud."""
    script = """
import importlib, pkgutil
import packstack_lite
from packstack_lite import recommended

def refuse(*words):
    raise AssertionError(f"{words} is made when a module is imported")

recommended.recommend_here = refuse
for module in pkgutil.walk_packages(packstack_lite.__path__, "packstack_lite."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
