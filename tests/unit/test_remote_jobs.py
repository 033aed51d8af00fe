"""The scripts of jobs with a fake systemd 219: its systemd-run does not wait, and it keeps failed units.

On a real systemd: tests/e2e/test_jobs.py.
"""

from __future__ import annotations

import os
import time

import pytest

from packstack_lite.remote.command import Job
from packstack_lite.remote.jobs import make_follow_command, make_start_command
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
