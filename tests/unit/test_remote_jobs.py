"""The scripts of jobs with a fake systemd 219: its systemd-run does not wait, and it keeps failed units.

On a real systemd: tests/e2e/test_jobs.py.
"""

from __future__ import annotations

import base64
import os
import time
from dataclasses import replace

import pytest

from packstack_lite.remote.command import Job, Reply
from packstack_lite.remote.jobs import JobRunner, make_follow_command, make_start_command
from packstack_lite.state_paths import JOBS_DIR
from tests.unit.dash import Dash

# Records how it was called; runs the command at once if $T/runs exists.
SYSTEMD_RUN = """
echo "$*" > $T/called
while [ "${1#-}" != "$1" ]; do shift; done
[ ! -e $T/runs ] || { : > $T/active; "$@"; rm $T/active; }
"""
SYSTEMCTL = 'case $1 in is-active) [ -e $T/active ] ;; *) echo "$*" >> $T/calls ;; esac'


@pytest.fixture
def dash(tmp_path):
    """A sh with fake systemd commands."""
    dash = Dash(tmp_path, moved=[JOBS_DIR])
    dash.tool("systemd-run", SYSTEMD_RUN)
    dash.tool("systemctl", SYSTEMCTL)
    return dash


def follow(dash, name, seconds=0.1):
    """The job's exit code and the bytes of its output, as the follow command prints them."""
    job_name, code, size = dash.run(make_follow_command({name: 0}, seconds)).out.split(" ")[:3]
    assert job_name == name
    return code, int(size)


@pytest.mark.parametrize(
    ("script", "timeout", "code"),
    [
        ("echo done", 9, "0"),
        ("exit 3", 9, "3"),
        ("sleep 20", 1, "124"),
        ("kill -9 $$", 9, "137"),
    ],
)
def test_a_job_s_exit_code_is_kept_and_its_unit_succeeds(dash, script, timeout, code):
    (dash.root / "runs").touch()
    assert dash.run(make_start_command(Job("j", script, b"secret", timeout=timeout))).code == 0
    assert follow(dash, "j")[0] == code
    assert not (dash.root / JOBS_DIR[1:] / "j" / "stdin").exists()


def test_a_running_job_with_other_input_is_stopped_unless_it_must_end(dash):
    first, other = (Job("j", "true", text, must_end=False) for text in (b"a", b"b"))
    assert dash.run(make_start_command(first)).code == 0
    (dash.root / "active").touch()
    (dash.root / "calls").unlink()
    assert dash.run(make_start_command(first)).code == 0, "it is joined"
    assert dash.read_note("calls") == ""
    assert dash.run(make_start_command(replace(other, must_end=True))).code == 75
    assert dash.run(make_start_command(replace(first, must_end=True))).code == 0
    assert dash.read_note("calls") == ""
    assert dash.run(make_start_command(other)).code == 0
    assert dash.read_note("calls").startswith("stop packstack-lite-job-j.service")


class Node:
    """Answers a JobRunner's commands: another "one" runs for the first two turns."""

    def __init__(self):
        self.turns = 0
        self.events = []

    def run(self, commands):
        self.turns += 1
        starts = [Reply(75 if self.turns == 1 else 0) for _ in commands[:-1]]
        self.events += [f"start {reply.code}" for reply in starts]
        code, text = {1: ("-", b"other\n"), 2: ("3", b"end\n"), 3: ("0", b"mine\n")}[self.turns]
        return [*starts, Reply(0, f"one {code} {len(text)} {base64.b64encode(text).decode()}\n")]

    def job_started(self, job):
        self.events.append("started")

    def job_output(self, job, line):
        self.events.append(line)

    def job_finished(self, job, result):
        self.events.append(f"finished {result.code}")


def test_a_job_of_an_earlier_run_that_must_end_is_followed_to_its_end_then_ours_starts():
    node = Node()
    results = JobRunner(node.run, "node", node).run_all([Job("one", "true", must_end=True)])
    assert [(result.code, result.out) for result in results] == [(0, "mine\n")]
    assert node.events == [
        *("started", "start 75", "an earlier run began this with other input: waiting for its end"),
        *("other", "end", "start 0", "mine", "finished 0"),
    ]


def test_only_options_of_systemd_219_are_used(dash):
    dash.run(make_start_command(Job("j", "true")), env={"LC_ALL": "", "LC_CTYPE": "en_US.utf8"})
    called = dash.read_note("called")
    assert "--collect" not in called and "RuntimeMaxSec" not in called
    assert "--unit=packstack-lite-job-j.service" in called and "--setenv=LC_CTYPE=en_US.utf8" in called


def test_a_job_that_has_not_begun_yet_counts_as_running(dash):
    assert dash.run(make_start_command(Job("j", "true"))).code == 0
    assert follow(dash, "j") == ("-", 0)
    assert "reset-failed packstack-lite-job-j.service" in dash.read_note("calls")


def test_a_vanished_job_ends_with_124_and_its_failed_unit_is_reset(dash):
    dash.run(make_start_command(Job("j", "true")))
    (dash.root / "calls").unlink()
    directory = dash.root / JOBS_DIR[1:] / "j"
    (directory / "begun").touch()
    assert follow(dash, "j")[0] == "124"
    assert dash.read_note("calls") == "reset-failed packstack-lite-job-j.service\n"


def test_a_job_that_never_begins_ends_with_124_after_a_minute(dash):
    dash.run(make_start_command(Job("j", "true")))
    two_minutes_ago = time.time() - 120
    os.utime(dash.root / JOBS_DIR[1:] / "j" / "digest", (two_minutes_ago, two_minutes_ago))
    assert follow(dash, "j")[0] == "124"
