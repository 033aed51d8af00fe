"""However a run ends, it gives a message, a hint and the right exit code, and no traceback."""

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
from tests.conftest import heed_signals


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
def test_each_error_has_its_exit_code(error, code, state):
    assert run_guarded(raising(error), []) == code
    assert not state.exists()


def test_an_expected_failure_is_a_message_and_a_hint(capsys):
    run_guarded(raising(ConnectError("cannot reach cloud1", "ssh cloud1")), [])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == ["packstack-lite: cannot reach cloud1", "  → ssh cloud1"]


def test_every_error_of_an_answer_file_is_printed(capsys):
    run_guarded(raising(AnswersError("two errors", ["line 3: a", "line 9: b"])), [])
    assert "  line 3: a\n  line 9: b\n" in capsys.readouterr().err


def test_a_bug_leaves_a_private_report_without_secrets(capsys, state):
    arguments = ["--default-password=hunter22", "--keystone-admin-pw", "hunter33!", "apply"]
    assert (
        run_guarded(raising(ValueError("cannot use hunter33!\npassword = hunter44")), arguments, ["apply"])
        == ExitCode.BUG
    )
    (report,) = state.glob("bug-*.txt")
    printed, text = capsys.readouterr().err, report.read_text()
    assert str(report) in printed
    assert "Traceback" not in printed
    assert "Traceback" in text
    assert "--default-password --keystone-admin-pw … apply\n" in text
    assert "hunter" not in text + printed
    assert report.stat().st_mode & 0o777 == 0o600


def test_the_result_of_the_command_is_the_exit_code():
    assert run_guarded(lambda: ExitCode.CHANGES_PENDING, []) == 10
    assert run_guarded(lambda: None, []) == 0


# A run that lasts until its input ends, and reports when it has started and when it has cleaned up.
LONG_RUN = """
import sys
from packstack_lite.cli import app
def invoke(ctx):
    try:
        print("started", flush=True)
        sys.stdin.read()
    finally:
        print("cleaned up", flush=True)
app.cli.invoke = invoke
app.main(["preflight"])
"""


@contextmanager
def started_run(*prefix):
    """Start the run, with ``prefix`` (such as nohup) before its command, and wait until it has started."""
    streams = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "preexec_fn": heed_signals,
    }
    with subprocess.Popen([*prefix, sys.executable, "-c", LONG_RUN], text=True, **streams) as run:
        assert run.stdout.readline() == "started\n"
        yield run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_run_cleans_up_partial_work(number):
    with started_run() as run:
        run.send_signal(number)
        out, err = run.communicate()
    assert (run.returncode, out) == (130, "cleaned up\n")
    assert "interrupted" in err and "Traceback" not in err


def test_a_run_under_nohup_survives_the_end_of_its_terminal():
    with started_run("nohup") as run:
        run.send_signal(signal.SIGHUP)
        out, err = run.communicate()
    assert (run.returncode, out) == (0, "cleaned up\n"), err
