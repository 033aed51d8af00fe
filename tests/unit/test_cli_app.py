"""The command line: help, usage errors, options before and after the verb, answer files."""

from __future__ import annotations

import io
import json
import pkgutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Iterable, Iterator, List, Sequence

import click
import pytest
from click.testing import Result
from rich.text import Text

from packstack_lite import cli as cli_package
from packstack_lite.answers import PARAMETERS, read_answer_file
from packstack_lite.cli import deploy
from packstack_lite.cli.app import cli
from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import stdout_console
from packstack_lite.errors import ExitCode
from tests.conftest import cli_runner

VERBS = [
    *("answers", "apply", "completion", "explain", "plan", "preflight", "render", "sandbox", "smoke", "verify"),
]
HELP_LINES = 48


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """Use an empty home directory."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def run(*arguments: str) -> Result:
    return cli_runner().invoke(cli, list(arguments), catch_exceptions=False)


@pytest.fixture
def deploy_calls(monkeypatch):
    """Record the calls of deploy_answer_files instead of deploying."""
    calls = []

    def from_files(options: Options, dry_run=False, only=frozenset(), start_phase=None) -> int:
        calls.append((options, dry_run, only, start_phase))
        return ExitCode.SUCCESS

    monkeypatch.setattr(deploy, "deploy_answer_files", from_files)
    return calls


def test_help_fits_a_screen_and_names_every_verb():
    result = run("--help")
    assert result.exit_code == 0
    line_count = len(result.output.splitlines())
    assert line_count <= HELP_LINES, (
        f"--help has {line_count} lines: shorten the help of an option that takes two lines; only if none can be"
        " shortened, raise HELP_LINES (a screen has 50 lines at most)"
    )
    assert max(map(len, result.output.splitlines())) <= 80
    for verb in VERBS:
        assert f"  {verb} " in result.output
    assert "--os-debug-mode" not in result.output


def missing_verbs(commands: Iterable[click.Command], group: click.Group, listed: Sequence[str]) -> List[str]:
    """Return a sentence for each command that no group offers, and for each verb that is not listed here."""
    offered = {group, *offered_commands(group)}
    unregistered = [
        f"nothing offers the command {command.name}: add it to VERBS in packstack_lite/cli/app.py, or to its group"
        for command in commands
        if command not in offered
    ]
    unlisted = sorted(set(group.commands) - set(listed))
    return [
        *unregistered,
        *(f"{name} has no test of its help: add it to VERBS of test_cli_app" for name in unlisted),
    ]


def offered_commands(group: click.Group) -> Iterator[click.Command]:
    """Yield every command below a group."""
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from offered_commands(command)


def defined_commands() -> Iterator[click.Command]:
    """Yield every command that a module of packstack_lite/cli defines."""
    for info in pkgutil.iter_modules(cli_package.__path__, f"{cli_package.__name__}."):
        yield from (value for value in vars(import_module(info.name)).values() if isinstance(value, click.Command))


def test_every_command_is_offered_and_listed():
    problems = missing_verbs(defined_commands(), cli, VERBS)
    assert not problems, "\n" + "\n".join(problems)


def test_a_command_that_nothing_offers_is_named():
    nodes, plan = click.Command("nodes"), click.Command("plan")
    assert missing_verbs([nodes, plan], click.Group(commands=[plan]), []) == [
        "nothing offers the command nodes: add it to VERBS in packstack_lite/cli/app.py, or to its group",
        "plan has no test of its help: add it to VERBS of test_cli_app",
    ]


def test_no_arguments_show_the_help():
    assert run().output == run("--help").output


def test_help_all_shows_every_parameter():
    result = run("--help-all").output
    flags = [parameter.flag for parameter in PARAMETERS if parameter.flag]
    assert len(flags) > 50
    assert not [flag for flag in flags if f"--{flag} " not in result]
    assert "--os-debug-mode" not in run("--help").output, "--help-all must not change the help of later runs"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb):
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: packstack-lite {verb}")


def test_version_is_one_line():
    assert run("--version").output.startswith("packstack-lite 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        ["no-such-verb"],
        ["--allinone", "--install-hosts=198.18.1.10"],
        ["--allinone", "--validate-answer-file=x"],
        ["--allinone", "--answer-file=x"],
        ["--allinone", "plan"],
        ["--dry-run", "apply"],
        ["--sandbox"],
        ["--debug"],
        ["apply"],
        ["plan"],
        ["verify"],
        ["plan", "--host=a", "--sandbox=b"],
        ["plan", "--host=a b"],
        ["plan", "--output=xml", "--host=a"],
        ["apply", "--from=Nowhere", "--host=a"],
        ["--timeout=0", "apply"],
        ["completion", "csh"],
        ["sandbox", "ssh", "no-such-sandbox"],
        ["plan", "--sandbox=no-such-sandbox"],
    ],
    ids=" ".join,
)
def test_a_usage_error_is_one_message_and_exit_code_2(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert 1 <= len(result.stderr.strip().splitlines()) <= 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["--answer-file=a", "--answer-file=b", "--os-debug-mode=y", "--ignore=memory", "apply", "--host=h"],
        [
            "apply",
            "--answer-file",
            "a",
            "--answer-file",
            "b",
            "--os-debug-mode",
            "y",
            "--ignore",
            "memory",
            "--host",
            "h",
        ],
        ["--answer-file=a", "--host=h", "apply", "--answer-file=b", "--ignore=memory", "--os-debug-mode=y"],
    ],
)
def test_options_work_before_and_after_the_verb(deploy_calls, arguments):
    assert run(*arguments).exit_code == 0
    options = deploy_calls[0][0]
    assert [str(path) for path in options.answer_files] == ["a", "b"]
    assert (options.host, options.ignore) == ("h", ["memory"])
    assert options.flags == {"CONFIG_DEBUG_MODE": "y"}


def test_apply_passes_tags_and_phase(deploy_calls):
    run("apply", "--host=h", "--only=nova", "--only=glance", "--from=services")
    _, dry_run, only, start = deploy_calls[0]
    assert (dry_run, only, start.value) == (False, {"nova", "glance"}, "Services")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["apply", "--sandbox"], "aio"),
        (["apply", "--sandbox", "two"], "two"),
        (["apply", "--sandbox=two"], "two"),
        (["--sandbox", "apply"], "aio"),
        (["--sandbox", "two", "apply"], "two"),
        (["--sandbox", "--debug", "apply"], "aio"),
        (["--sandbox", "--answer-file=f"], "aio"),
    ],
    ids=str,
)
def test_sandbox_has_a_default_name(deploy_calls, arguments, name):
    assert run(*arguments).exit_code == 0
    assert deploy_calls[0][0].sandbox == name


def test_an_answer_file_alone_means_apply_and_dry_run_means_plan(deploy_calls):
    run("--answer-file=f", "-y", "-t", "900", "-d")
    options, dry_run, _, _ = deploy_calls[0]
    assert dry_run
    assert (options.timeout, options.debug) == (900, True)


def test_a_run_keeps_no_options_of_the_run_before(deploy_calls):
    run("apply", "--answer-file=a", "--host=h")
    run("apply", "--answer-file=b", "--host=h")
    assert [str(path) for path in deploy_calls[1][0].answer_files] == ["b"]


def test_gen_answer_file_writes_every_parameter_for_its_owner_only(home):
    path = home / "answers.txt"
    result = run(f"--gen-answer-file={path}", "--install-hosts=198.18.1.10", "--os-debug-mode=y")
    assert (result.exit_code, result.stdout) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o600
    answers = {name: text for name, (text, _) in read_answer_file(path).answers.items()}
    assert set(answers) == {parameter.name for parameter in PARAMETERS}
    assert answers["CONFIG_CONTROLLER_HOST"] == "198.18.1.10"
    assert answers["CONFIG_DEBUG_MODE"] == "y"
    assert run(f"--validate-answer-file={path}").exit_code == 0


@pytest.mark.parametrize(
    ("content", "printed"),
    [
        ("[general]\nCONFIG_DEBUG_MODE=maybe\n", ":2"),
        ("[general]\nCONFIG_DEBUG_MODE=maybe\nCONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=lots\n", ":3"),
        ("CONFIG_DEBUG_MODE=y\n", "[general]"),
        (b"\x7fELF\x00\x01\x02\xff\xfe", "text"),
        (None, "answers.txt"),
    ],
    ids=["value", "two values", "no section", "binary", "missing"],
)
@pytest.mark.parametrize(
    "arguments", [["--validate-answer-file"], ["plan", "--host=198.18.1.10", "--answer-file"]], ids=" ".join
)
def test_a_bad_answer_file_is_reported_with_file_and_line(home, content, printed, arguments):
    path = home / "answers.txt"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(home.iterdir())
    result = run(*arguments, str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert printed in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(entry for entry in home.iterdir() if entry.name != "packstack-lite") == before, "only state is kept"


def test_all_errors_are_reported_at_once(home):
    path = home / "answers.txt"
    path.write_text("[general]\nCONFIG_DEBUG_MODE=maybe\nCONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=lots\n")
    printed = run(f"--validate-answer-file={path}").stderr
    assert "answers.txt:2" in printed
    assert "answers.txt:3" in printed


def test_an_unknown_name_is_a_warning_with_the_nearest_name(home):
    path = home / "answers.txt"
    path.write_text("[general]\nCONFIG_DEBUG_MOD=y\n")
    result = run(f"--validate-answer-file={path}")
    assert result.exit_code == 0
    assert "CONFIG_DEBUG_MODE" in result.stderr


def test_an_invalid_value_of_an_option_names_the_option(home):
    result = run(f"--gen-answer-file={home / 'x'}", "--os-debug-mode=maybe")
    assert result.exit_code == 2
    assert "--os-debug-mode" in result.stderr
    assert not (home / "x").exists()


def test_gen_answer_file_never_replaces_a_file(home):
    path = home / "answers.txt"
    path.write_text("# mine\n")
    result = run(f"--gen-answer-file={path}", "--install-hosts=198.18.1.10")
    assert result.exit_code == 2
    assert "answers.txt" in result.stderr
    assert path.read_text() == "# mine\n"


def test_answers_show_prints_origins_and_masks_secrets(home):
    path = home / "answers.txt"
    path.write_text("[general]\nCONFIG_KEYSTONE_ADMIN_PW=hunter22\nCONFIG_CONTROLLER_HOST=198.18.1.10\n")
    result = run("answers", "show", f"--answer-file={path}", "--os-debug-mode=y", "--output=json")
    assert result.exit_code == 0, result.stderr
    payload = json.loads(result.stdout)
    assert payload["schema"] == 1
    by_name = {row["name"]: row for row in payload["answers"]}
    assert by_name["CONFIG_KEYSTONE_ADMIN_PW"] == {
        "name": "CONFIG_KEYSTONE_ADMIN_PW",
        "value": "***",
        "origin": f"{path}:2",
    }
    assert by_name["CONFIG_DEBUG_MODE"]["origin"] == "--os-debug-mode"
    assert "hunter22" not in result.output


def test_render_needs_no_node_and_keeps_passwords_private(home):
    target = home / "configs"
    result = run("render", "--output", str(target), "--default-password=hunter22", "--os-controller-host=198.18.1.10")
    assert result.exit_code == 0, result.stderr
    nova = target / "etc" / "nova" / "nova.conf"
    assert nova.stat().st_mode & 0o777 == 0o600
    assert "hunter22" in nova.read_text()


def test_render_gives_each_node_a_directory(home):
    target = home / "configs"
    hosts = ["--os-controller-host=198.18.1.10", "--os-compute-hosts=198.18.1.11,far", "--os-network-hosts=198.18.1.10"]
    rest = ["--mariadb-host=198.18.1.10", "--amqp-host=198.18.1.10", "--os-neutron-ovn-tunnel-if=eth1"]
    result = run("render", "--output", str(target), *hosts, *rest)
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in target.iterdir()} == {"198.18.1.10", "198.18.1.11", "far"}
    assert (target / "198.18.1.10/etc/keystone/keystone.conf").is_file()
    compute = target / "198.18.1.11" / "etc"
    assert not (compute / "keystone").exists()
    assert "live_migration_inbound_addr = 198.18.1.11" in (compute / "nova/nova-compute.conf").read_text()
    assert "live_migration_inbound_addr = far" in (target / "far/etc/nova/nova-compute.conf").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script(shell):
    result = run("completion", shell)
    if result.exit_code:
        assert "bash" in result.stderr.lower(), "click asks bash for its version and must report a failure"
    else:
        assert "_PACKSTACK_LITE_COMPLETE" in result.stdout


@pytest.mark.parametrize(("color", "has_escape_codes"), [("never", False), ("always", True)])
def test_color_never_prints_no_escape_codes_on_a_terminal(monkeypatch, color, has_escape_codes):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", Terminal())
    stdout_console(Options(color=color)).print(Text("3 changes", style="bold red"))
    assert ("\x1b[" in sys.stdout.getvalue()) is has_escape_codes
