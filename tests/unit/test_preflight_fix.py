"""``preflight --fix`` as a verb: what it asks, does, tells, and what it costs in flights."""

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


def finding(name, message="is wrong", level="error", cure=True):
    return Finding(
        name,
        ADDRESS,
        level,
        message,
        "do it",
        FixCommand(f"mend {name}", description=f"mends {name}") if cure else None,
    )


def moving(name, data="mariadb"):
    """A finding whose cure moves data."""
    cure = FixCommand(
        f"mend {name}", description=f"renames {name}", data=data, paths=(f"/var/lib/{name}", "/with space")
    )
    return Finding(name, ADDRESS, "error", "is old", "do it", cure)


class Host:
    """A host with faults; a cure whose script is ``mend NAME`` takes NAME's faults away, where it can."""

    name = ADDRESS

    def __init__(self) -> None:
        self.round_trips = 0
        self.masker = self.on_reply = None
        self.errors = []
        self.incurable = {}
        self.ran = []
        self.measured = []
        self.du = "1572864\t/var/lib/database\n512\t/with space\n"

    def run(self, commands):
        self.round_trips += 1
        return [self.one(command) for command in commands]

    def one(self, command):
        word, _, name = command.script.partition(" ")
        if "du -skD" in command.script:
            self.measured.append(command.script)
            return Reply(0, self.du)
        if word != "mend":
            return Reply(0)
        self.ran.append(name)
        if name in self.incurable:
            return Reply(1, "", self.incurable[name])
        self.errors = [finding for finding in self.errors if finding.check != name]
        return Reply(0)

    def close(self):
        """Nothing to close."""


@pytest.fixture
def host(tmp_path, monkeypatch):
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    made = Host()
    monkeypatch.setattr(connect, "open_connection", lambda *arguments: made)
    monkeypatch.setattr(connect.gather, "parse_facts", lambda replies: sample_facts("debian", "12", ADDRESS))
    monkeypatch.setattr(deployment_module.preflight, "run_checks", lambda *what: list(made.errors))
    return made


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(f"[general]\nCONFIG_CONTROLLER_HOST={ADDRESS}\n")
    return path


@pytest.fixture
def run(answers):
    def call(*words, **how):
        return cli_runner().invoke(
            cli, ["preflight", "--answer-file", str(answers), *words], catch_exceptions=False, **how
        )

    return call


def told(ended):
    return {
        (one["name"], one["message"]): (one["fixable"], one["fixed"]) for one in json.loads(ended.stdout)["findings"]
    }


def test_without_fix_nothing_is_done_and_one_flight_is_enough(host, run):
    host.errors = [finding("ports"), finding("memory", cure=False)]
    ended = run("--output=json")
    assert ended.exit_code == 3
    assert told(ended) == {("ports", "is wrong"): (True, False), ("memory", "is wrong"): (False, False)}
    assert (host.ran, host.round_trips) == ([], 1)


def test_fix_says_what_it_will_do_does_it_and_tells_what_is_gone(host, run):
    host.errors = [finding("locale", level="warning"), finding("ports"), finding("memory", cure=False)]
    ended = run("--fix", "--output=json")
    assert ended.exit_code == 3, "memory is not bought by --fix"
    assert host.ran == ["locale", "ports"]
    assert told(ended) == {
        ("memory", "is wrong"): (False, False),
        ("locale", "is wrong"): (True, True),
        ("ports", "is wrong"): (True, True),
    }
    assert f"--fix will, on {ADDRESS}:\n  locale: mends locale\n  ports: mends ports\n" in ended.stderr
    assert host.round_trips == 4, "look, lock, mend and look again, unlock"


def test_fix_that_mends_the_last_error_exits_with_0(host, run):
    host.errors = [finding("ports")]
    ended = run("--fix")
    assert ended.exit_code == 0
    assert ended.stdout == "✓ ports  mended: is wrong\nnothing is in the way\n"


def test_fix_on_a_healthy_host_sends_no_command(host, run):
    host.errors = [finding("virtualization", level="info", cure=False)]
    ended = run("--fix")
    assert ended.exit_code == 0
    assert (host.ran, host.round_trips) == ([], 1)
    assert "there is nothing that --fix can fix" in ended.stderr


def test_a_cure_that_fails_is_told_with_its_words_and_the_fault_stays(host, run):
    host.errors = [finding("leatherman", level="warning"), finding("ports")]
    host.incurable = {"leatherman": "Loaded plugins\nError: Nothing to do"}
    ended = run("--fix", "--output=json")
    assert ended.exit_code == 0
    assert f"{ADDRESS}: leatherman: --fix failed with exit code 1: Error: Nothing to do" in ended.stderr
    assert told(ended) == {("leatherman", "is wrong"): (True, False), ("ports", "is wrong"): (True, True)}


def test_of_a_cures_words_its_error_is_told_or_the_first(host, run):
    host.errors = [finding("leatherman", level="warning"), finding("clock", level="warning"), finding("locale")]
    host.incurable = {
        "leatherman": "Error: no such key\nusername:\n",
        "clock": "You have enabled checking of packages\nuser_agent: x\nusername:\n",
        "locale": "",
    }
    told = run("--fix").stderr
    assert "leatherman: --fix failed with exit code 1: Error: no such key\n" in told
    assert "clock: --fix failed with exit code 1: You have enabled checking of packages\n" in told
    assert "locale: --fix failed with exit code 1: no output\n" in told


def test_what_is_ignored_is_left_alone(host, run):
    host.errors = [finding("ports"), finding("locale")]
    run("--fix", "--ignore=ports")
    assert host.ran == ["locale"]


@pytest.mark.parametrize(
    ("words", "typed", "ran"), [([], "n\n", []), ([], "y\n", ["ports"]), (["--yes"], "", ["ports"])]
)
def test_on_a_terminal_it_asks_once_unless_told_not_to(host, run, monkeypatch, words, typed, ran):
    monkeypatch.setattr(verb, "is_interactive", lambda: True)
    host.errors = [finding("ports")]
    ended = run("--fix", *words, input=typed)
    assert host.ran == ran
    assert ended.exit_code == (0 if ran else 3)


def test_a_fault_that_is_told_in_other_words_is_not_gone(host, run, monkeypatch):
    host.errors = [finding("clock", "120 seconds behind")]

    def later(commands, real=host.run):
        replies = real(commands)
        host.errors = [finding("clock", "121 seconds behind")] if host.ran else host.errors
        return replies

    monkeypatch.setattr(host, "run", later)
    ended = run("--fix", "--output=json")
    assert told(ended) == {("clock", "121 seconds behind"): (True, False)}


def test_two_findings_of_one_check_are_two(host, run, monkeypatch):
    host.errors = [finding("ports", "80 is held"), finding("ports", "5000 is held")]

    def half(commands, real=host.run):
        replies = real(commands)
        host.errors = [finding("ports", "5000 is held")] if host.ran else host.errors
        return replies

    monkeypatch.setattr(host, "run", half)
    ended = run("--fix", "--output=json")
    assert told(ended) == {("ports", "80 is held"): (True, True), ("ports", "5000 is held"): (True, False)}


def test_the_host_is_locked_while_it_is_mended(host, run, monkeypatch):
    order = []

    @contextmanager
    def locked(*what):
        order.append("lock")
        yield
        order.append(f"unlock after {host.ran}")

    monkeypatch.setattr(deployment_module, "hold_lock", locked)
    host.errors = [finding("ports")]
    run("--fix")
    assert order == ["lock", "unlock after ['ports']"]


def test_apply_names_fix_as_the_way_out(host, answers):
    host.errors = [finding("ports"), finding("memory", cure=False)]
    ended = cli_runner().invoke(cli, ["apply", "--answer-file", str(answers)])
    assert ended.exit_code == 3
    assert "preflight --fix does it for ports" in " ".join(ended.stderr.split())


@pytest.mark.parametrize("words", [[], ["--yes"], ["--move-data", "packstack"], ["--yes", "--move-data=packstack"]])
def test_fix_moves_no_data_without_their_name(host, run, words):
    host.errors = [moving("database"), finding("ports")]
    ended = run("--fix", *words)
    assert ended.exit_code == 3
    assert host.ran == ["ports"]
    assert (
        f"--fix alone moves no data, so it will not, on {ADDRESS}:\n"
        "  database: renames database (/var/lib/database: 1.5 GiB, /with space: 0.5 MiB);"
        " packstack-lite preflight --fix --move-data mariadb does it\n"
    ) in ended.stderr
    assert "nothing that --fix can fix" not in ended.stderr


def test_data_alone_are_told_and_not_asked_about(host, run, monkeypatch):
    monkeypatch.setattr(verb, "is_interactive", lambda: True)
    host.errors = [moving("database")]
    ended = run("--fix", "--output=json")
    assert (ended.exit_code, host.ran) == (3, [])
    assert "Do it?" not in ended.stderr
    assert told(ended) == {("database", "is old"): (False, False)}
    assert len(host.measured) == 1 and "/var/lib/database '/with space'" in host.measured[0]


def test_data_that_are_named_are_moved_after_their_size_was_shown(host, run):
    host.errors = [moving("database"), moving("leftovers", "packstack"), finding("ports")]
    ended = run("--fix", "--move-data", "mariadb", "--output=json")
    assert host.ran == ["database", "ports"]
    assert told(ended)[("database", "is old")] == (False, True)
    assert f"--fix will, on {ADDRESS}:\n  database: renames database (/var/lib/database: 1.5 GiB" in ended.stderr
    assert "leftovers: renames leftovers" in ended.stderr and "--move-data packstack does it" in ended.stderr


def test_a_size_that_cannot_be_read_is_said(host, run):
    host.du = "du: cannot access\n"
    host.errors = [moving("database")]
    assert "renames database (size unknown)" in run("--fix").stderr


@pytest.mark.parametrize(
    ("words", "typed", "ran"), [([], "\n", []), ([], "y\n", ["database"]), (["--yes"], "", ["database"])]
)
def test_on_a_terminal_enter_alone_moves_no_data(host, run, monkeypatch, words, typed, ran):
    monkeypatch.setattr(verb, "is_interactive", lambda: True)
    host.errors = [moving("database")]
    run("--fix", "--move-data=mariadb", *words, input=typed)
    assert host.ran == ran


def test_an_ignored_finding_moves_no_data(host, run):
    host.errors = [moving("database")]
    ended = run("--fix", "--move-data=mariadb", "--ignore=database")
    assert "--move-data mariadb: no check has found such data in the way" in ended.stderr
    assert (host.ran, host.measured) == ([], [])


def test_move_data_needs_fix_and_a_known_name(host, run):
    host.errors = [moving("database")]
    ended = run("--move-data=mariadb")
    assert ended.exit_code == 2
    assert "--move-data does nothing without --fix" in ended.stderr
    assert "packstack-lite preflight --fix --move-data mariadb" in ended.stderr
    assert run("--fix", "--move-data=everything").exit_code == 2
    assert (host.ran, host.round_trips) == ([], 0)


def test_apply_does_not_say_that_fix_moves_data(host, answers):
    host.errors = [moving("database"), finding("ports")]
    ended = cli_runner().invoke(cli, ["apply", "--answer-file", str(answers)])
    assert ended.exit_code == 3
    assert "preflight --fix does it for ports)" in " ".join(ended.stderr.split())
