"""However a run ends: a sentence, a hint, the right code, no traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager

import click
import pytest

from packstack_lite.cli.failures import run_guarded
from packstack_lite.errors import (
    AnswersError,
    ConnectError,
    ExitCode,
    LockedError,
    PhaseError,
    PreflightError,
    UsageError,
)


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "packstack-lite"


def raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (AnswersError("x"), 2),
        (PreflightError("x"), 3),
        (ConnectError("x"), 4),
        (PhaseError("x"), 5),
        (LockedError("x"), 7),
        (click.UsageError("x"), 2),
        (click.FileError("x"), 2),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.exceptions.Exit(10), 10),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_codes(error, code, state):
    assert run_guarded(raising(error), []) == code
    assert not state.exists()


def test_foreseen_failure_is_a_sentence_and_a_hint(capsys):
    run_guarded(raising(ConnectError("cannot reach cloud1", "ssh cloud1")), [])
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == ["packstack-lite: cannot reach cloud1", "  → ssh cloud1"]


def test_every_fault_of_an_answer_file_is_told(capsys):
    run_guarded(raising(AnswersError("two faults", ["line 3: a", "line 9: b"])), [])
    assert "  line 3: a\n  line 9: b\n" in capsys.readouterr().err


def test_bug_leaves_a_private_report_without_secrets(capsys, state):
    arguments = ["--default-password=hunter22", "--keystone-admin-pw", "hunter33!", "apply"]
    assert (
        run_guarded(raising(ValueError("cannot use hunter33!\npassword = hunter44")), arguments, ["apply"])
        == ExitCode.BUG
    )
    (report,) = state.glob("bug-*.txt")
    told, text = capsys.readouterr().err, report.read_text()
    assert str(report) in told
    assert "Traceback" not in told
    assert "Traceback" in text
    assert "--default-password --keystone-admin-pw … apply\n" in text
    assert "hunter" not in text + told
    assert report.stat().st_mode & 0o777 == 0o600


def test_result_of_the_command_is_the_code():
    assert run_guarded(lambda: ExitCode.CHANGES_PENDING, []) == 10
    assert run_guarded(lambda: None, []) == 0


# A long run, which says when it has begun and when it has undone what was half made.
LONG = """
import time
from packstack_lite.cli import app
def invoke(ctx):
    try:
        print("begun", flush=True)
        time.sleep(5)
    finally:
        print("undone", flush=True)
app.cli.invoke = invoke
app.main(["preflight"])
"""


def unhindered():
    """The tests themselves may have been started by nohup, which is inherited."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def begun(*words):
    """The run, begun by these words before its own (nohup, say), with its output and errors."""
    here = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": unhindered}
    with subprocess.Popen([*words, sys.executable, "-c", LONG], text=True, **here) as run:
        assert run.stdout.readline() == "begun\n"
        yield run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_from_outside_undoes_what_is_half_made(number):
    with begun() as run:
        run.send_signal(number)
        out, err = run.communicate()
    assert (run.returncode, out) == (130, "undone\n")
    assert "interrupted" in err and "Traceback" not in err


def test_a_run_by_nohup_does_not_mind_that_its_terminal_is_closed():
    with begun("nohup") as run:
        run.send_signal(signal.SIGHUP)
        out, err = run.communicate()
    assert (run.returncode, out) == (0, "undone\n"), err
