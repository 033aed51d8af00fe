"""Jobs' own scripts with a stand-in systemd 219: its systemd-run does not wait, and it keeps what has failed.

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

# Notes how it was called; runs the command line at once where $T/runs is.
RUN = """
echo "$*" > $T/called
while [ "${1#-}" != "$1" ]; do shift; done
[ ! -e $T/runs ] || { : > $T/active; "$@"; rm $T/active; }
"""
SYSTEMCTL = 'case $1 in is-active) [ -e $T/active ] ;; *) echo "$*" >> $T/calls ;; esac'


@pytest.fixture
def dash(tmp_path):
    made = Dash(tmp_path, moved=[JOBS_DIR])
    made.tool("systemd-run", RUN)
    made.tool("systemctl", SYSTEMCTL)
    return made


def told(dash, name, seconds=0.1):
    """The code that following a job tells, and how many bytes it has said."""
    word, code, size = dash.run(make_follow_command({name: 0}, seconds)).out.split(" ")[:3]
    assert word == name
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
def test_a_jobs_code_is_its_own_and_the_unit_ends_well(dash, script, timeout, code):
    (dash.root / "runs").touch()
    assert dash.run(make_start_command(Job("j", script, b"secret", timeout=timeout))).code == 0
    assert told(dash, "j")[0] == code
    assert not (dash.root / JOBS_DIR[1:] / "j" / "stdin").exists()


def test_only_what_systemd_219_knows_is_asked_for(dash):
    dash.run(make_start_command(Job("j", "true")), env={"LC_ALL": "", "LC_CTYPE": "en_US.utf8"})
    called = dash.noted("called")
    assert "--collect" not in called and "RuntimeMaxSec" not in called
    assert "--unit=packstack-lite-job-j.service" in called and "--setenv=LC_CTYPE=en_US.utf8" in called


def test_a_job_that_was_ordered_and_has_not_begun_is_no_lost_one(dash):
    assert dash.run(make_start_command(Job("j", "true"))).code == 0
    assert told(dash, "j") == ("-", 0)
    assert "reset-failed packstack-lite-job-j.service" in dash.noted("calls")


def test_a_job_that_vanished_is_124_and_does_not_stay_as_a_failed_unit(dash):
    dash.run(make_start_command(Job("j", "true")))
    (dash.root / "calls").unlink()
    place = dash.root / JOBS_DIR[1:] / "j"
    (place / "begun").touch()
    assert told(dash, "j")[0] == "124"
    assert dash.noted("calls") == "reset-failed packstack-lite-job-j.service\n"


def test_a_job_that_never_begins_is_given_up_after_a_minute(dash):
    dash.run(make_start_command(Job("j", "true")))
    old = time.time() - 120
    os.utime(dash.root / JOBS_DIR[1:] / "j" / "digest", (old, old))
    assert told(dash, "j")[0] == "124"
