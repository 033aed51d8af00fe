"""``preflight --fix``: its question, its changes, its output, and its number of round trips."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

from packstack_lite.cli import preflight as verb
from packstack_lite.cli.app import cli
from packstack_lite.deployment import connect
from packstack_lite.deployment import deployment as deployment_module
from packstack_lite.engine.events import Finding, FixCommand
from packstack_lite.nodes.facts import sample_facts
from packstack_lite.remote.command import Reply
from tests.conftest import cli_runner

ADDRESS = "198.18.1.10"


def finding(name, message="is wrong", level="error", has_fix=True):
    return Finding(
        name,
        ADDRESS,
        level,
        message,
        "do it",
        FixCommand(f"mend {name}", description=f"mends {name}") if has_fix else None,
    )


def moving(name, data="mariadb"):
    """Return a finding whose fix moves data."""
    fix = FixCommand(
        f"mend {name}", description=f"renames {name}", data=data, paths=(f"/var/lib/{name}", "/with space")
    )
    return Finding(name, ADDRESS, "error", "is old", "do it", fix)


class FakeNode:
    """A node with findings. The fix ``mend NAME`` removes those of check NAME, unless ``fix_errors`` names it."""

    name = ADDRESS

    def __init__(self) -> None:
        self.round_trips = 0
        self.masker = self.on_reply = None
        self.errors = []
        self.fix_errors = {}
        self.ran = []
        self.measured = []
        self.du = "1572864\t/var/lib/database\n512\t/with space\n"

    def run(self, commands):
        self.round_trips += 1
        return [self.run_one(command) for command in commands]

    def run_one(self, command):
        word, _, name = command.script.partition(" ")
        if "du -skD" in command.script:
            self.measured.append(command.script)
            return Reply(0, self.du)
        if word != "mend":
            return Reply(0)
        self.ran.append(name)
        if name in self.fix_errors:
            return Reply(1, "", self.fix_errors[name])
        self.errors = [finding for finding in self.errors if finding.check != name]
        return Reply(0)

    def after_reopening(self, action):
        pass

    def abort(self):
        self.close()

    def close(self):
        """Nothing to close."""


@pytest.fixture
def node(tmp_path, monkeypatch):
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    node = FakeNode()
    monkeypatch.setattr(connect, "open_connection", lambda *arguments: node)
    monkeypatch.setattr(connect.gather, "parse_facts", lambda replies: sample_facts("debian", "12", ADDRESS))
    monkeypatch.setattr(deployment_module.preflight, "run_checks", lambda *arguments: list(node.errors))
    return node


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(f"[general]\nCONFIG_CONTROLLER_HOST={ADDRESS}\n")
    return path


@pytest.fixture
def run(answers):
    def call(*arguments, **options):
        return cli_runner().invoke(
            cli, ["preflight", "--answer-file", str(answers), *arguments], catch_exceptions=False, **options
        )

    return call


def fix_state(result):
    return {
        (item["name"], item["message"]): (item["fixable"], item["fixed"])
        for item in json.loads(result.stdout)["findings"]
    }


def test_without_fix_nothing_is_changed_in_one_round_trip(node, run):
    node.errors = [finding("ports"), finding("memory", has_fix=False)]
    result = run("--output=json")
    assert result.exit_code == 3
    assert fix_state(result) == {("ports", "is wrong"): (True, False), ("memory", "is wrong"): (False, False)}
    assert (node.ran, node.round_trips) == ([], 1)


def test_fix_announces_its_changes_makes_them_and_reports_what_is_fixed(node, run):
    node.errors = [finding("locale", level="warning"), finding("ports"), finding("memory", has_fix=False)]
    result = run("--fix", "--output=json")
    assert result.exit_code == 3, "--fix cannot add memory"
    assert node.ran == ["locale", "ports"]
    assert fix_state(result) == {
        ("memory", "is wrong"): (False, False),
        ("locale", "is wrong"): (True, True),
        ("ports", "is wrong"): (True, True),
    }
    assert f"--fix will, on {ADDRESS}:\n  locale: mends locale\n  ports: mends ports\n" in result.stderr
    assert node.round_trips == 4, "gather facts; lock; fix and gather facts; unlock"


def test_fix_of_the_last_error_exits_with_0(node, run):
    node.errors = [finding("ports")]
    result = run("--fix")
    assert result.exit_code == 0
    assert result.stdout == "✓ ports  fixed: is wrong\nno errors or warnings\n"


def test_fix_on_a_healthy_node_sends_no_command(node, run):
    node.errors = [finding("virtualization", level="info", has_fix=False)]
    result = run("--fix")
    assert result.exit_code == 0
    assert (node.ran, node.round_trips) == ([], 1)
    assert "there is nothing that --fix can fix" in result.stderr


def test_a_failed_fix_is_reported_with_its_error_and_the_finding_stays(node, run):
    node.errors = [finding("leatherman", level="warning"), finding("ports")]
    node.fix_errors = {"leatherman": "Loaded plugins\nError: Nothing to do"}
    result = run("--fix", "--output=json")
    assert result.exit_code == 0
    assert f"{ADDRESS}: leatherman: --fix failed with exit code 1: Error: Nothing to do" in result.stderr
    assert fix_state(result) == {("leatherman", "is wrong"): (True, False), ("ports", "is wrong"): (True, True)}


def test_of_the_output_of_a_failed_fix_the_error_or_the_first_line_is_printed(node, run):
    node.errors = [finding("leatherman", level="warning"), finding("clock", level="warning"), finding("locale")]
    node.fix_errors = {
        "leatherman": "Error: no such key\nusername:\n",
        "clock": "You have enabled checking of packages\nuser_agent: x\nusername:\n",
        "locale": "",
    }
    printed = run("--fix").stderr
    assert "leatherman: --fix failed with exit code 1: Error: no such key\n" in printed
    assert "clock: --fix failed with exit code 1: You have enabled checking of packages\n" in printed
    assert "locale: --fix failed with exit code 1: no output\n" in printed


def test_an_ignored_finding_is_not_fixed(node, run):
    node.errors = [finding("ports"), finding("locale")]
    run("--fix", "--ignore=ports")
    assert node.ran == ["locale"]


@pytest.mark.parametrize(
    ("arguments", "typed", "ran"), [([], "n\n", []), ([], "y\n", ["ports"]), (["--yes"], "", ["ports"])]
)
def test_on_a_terminal_fix_asks_once_unless_yes_is_given(node, run, monkeypatch, arguments, typed, ran):
    monkeypatch.setattr(verb, "is_interactive", lambda: True)
    node.errors = [finding("ports")]
    result = run("--fix", *arguments, input=typed)
    assert node.ran == ran
    assert result.exit_code == (0 if ran else 3)


def test_a_reworded_finding_is_not_fixed(node, run, monkeypatch):
    node.errors = [finding("clock", "120 seconds behind")]

    def reword(commands, real=node.run):
        replies = real(commands)
        node.errors = [finding("clock", "121 seconds behind")] if node.ran else node.errors
        return replies

    monkeypatch.setattr(node, "run", reword)
    result = run("--fix", "--output=json")
    assert fix_state(result) == {("clock", "121 seconds behind"): (True, False)}


def test_two_findings_of_one_check_are_counted_separately(node, run, monkeypatch):
    node.errors = [finding("ports", "80 is held"), finding("ports", "5000 is held")]

    def fix_one(commands, real=node.run):
        replies = real(commands)
        node.errors = [finding("ports", "5000 is held")] if node.ran else node.errors
        return replies

    monkeypatch.setattr(node, "run", fix_one)
    result = run("--fix", "--output=json")
    assert fix_state(result) == {("ports", "80 is held"): (True, True), ("ports", "5000 is held"): (True, False)}


def test_the_node_is_locked_while_fixes_run(node, run, monkeypatch):
    order = []

    @contextmanager
    def locked(*arguments):
        order.append("lock")
        yield
        order.append(f"unlock after {node.ran}")

    monkeypatch.setattr(deployment_module, "hold_lock", locked)
    node.errors = [finding("ports")]
    run("--fix")
    assert order == ["lock", "unlock after ['ports']"]


def test_the_hint_of_apply_names_fix(node, answers):
    node.errors = [finding("ports"), finding("memory", has_fix=False)]
    result = cli_runner().invoke(cli, ["apply", "--answer-file", str(answers)])
    assert result.exit_code == 3
    command = f"packstack-lite preflight --fix --answer-file {answers}"
    assert f"{command} does it for ports)" in " ".join(result.stderr.split())


@pytest.mark.parametrize("arguments", [[], ["--yes"], ["--move-data", "packstack"], ["--yes", "--move-data=packstack"]])
def test_fix_moves_no_data_without_their_name(node, run, answers, arguments):
    node.errors = [moving("database"), finding("ports")]
    result = run("--fix", *arguments)
    assert result.exit_code == 3
    assert node.ran == ["ports"]
    assert (
        f"--fix alone moves no data, so it will not, on {ADDRESS}:\n"
        "  database: renames database (/var/lib/database: 1.5 GiB, /with space: 0.5 MiB);"
        f" packstack-lite preflight --fix --move-data mariadb --answer-file {answers} does it\n"
    ) in result.stderr
    assert "nothing that --fix can fix" not in result.stderr


def test_a_finding_about_data_is_reported_without_a_question(node, run, monkeypatch):
    monkeypatch.setattr(verb, "is_interactive", lambda: True)
    node.errors = [moving("database")]
    result = run("--fix", "--output=json")
    assert (result.exit_code, node.ran) == (3, [])
    assert "Do it?" not in result.stderr
    assert fix_state(result) == {("database", "is old"): (False, False)}
    assert len(node.measured) == 1 and "/var/lib/database '/with space'" in node.measured[0]


def test_named_data_are_moved_after_their_size_was_printed(node, run):
    node.errors = [moving("database"), moving("leftovers", "packstack"), finding("ports")]
    result = run("--fix", "--move-data", "mariadb", "--output=json")
    assert node.ran == ["database", "ports"]
    assert fix_state(result)[("database", "is old")] == (False, True)
    assert f"--fix will, on {ADDRESS}:\n  database: renames database (/var/lib/database: 1.5 GiB" in result.stderr
    assert "leftovers: renames leftovers" in result.stderr and "--move-data packstack --answer-file" in result.stderr


def test_an_unreadable_size_is_reported_as_unknown(node, run):
    node.du = "du: cannot access\n"
    node.errors = [moving("database")]
    assert "renames database (size unknown)" in run("--fix").stderr


@pytest.mark.parametrize(
    ("arguments", "typed", "ran"), [([], "\n", []), ([], "y\n", ["database"]), (["--yes"], "", ["database"])]
)
def test_on_a_terminal_enter_alone_moves_no_data(node, run, monkeypatch, arguments, typed, ran):
    monkeypatch.setattr(verb, "is_interactive", lambda: True)
    node.errors = [moving("database")]
    run("--fix", "--move-data=mariadb", *arguments, input=typed)
    assert node.ran == ran


def test_an_ignored_finding_moves_no_data(node, run):
    node.errors = [moving("database")]
    result = run("--fix", "--move-data=mariadb", "--ignore=database")
    assert "--move-data mariadb: no check has found such data in the way" in result.stderr
    assert (node.ran, node.measured) == ([], [])


def test_move_data_needs_fix_and_a_known_name(node, run):
    node.errors = [moving("database")]
    result = run("--move-data=mariadb")
    assert result.exit_code == 2
    assert "--move-data does nothing without --fix" in result.stderr
    assert "packstack-lite preflight --fix --move-data mariadb" in result.stderr
    assert run("--fix", "--move-data=everything").exit_code == 2
    assert (node.ran, node.round_trips) == ([], 0)


def test_the_hint_of_apply_does_not_claim_that_fix_moves_data(node, answers):
    node.errors = [moving("database"), finding("ports")]
    result = cli_runner().invoke(cli, ["apply", "--answer-file", str(answers)])
    assert result.exit_code == 3
    command = f"packstack-lite preflight --fix --answer-file {answers}"
    assert f"{command} does it for ports)" in " ".join(result.stderr.split())
