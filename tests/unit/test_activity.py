"""What goes on on nodes, as an interrupted run says it."""

from __future__ import annotations

import pytest

from packstack_lite import activity
from packstack_lite.activity import Activity, describe_activities
from packstack_lite.cli import interrupt
from packstack_lite.remote.command import Command, Job, Reply
from packstack_lite.remote.connections import LocalConnection
from packstack_lite.remote.jobs import JobRunner


@pytest.fixture(autouse=True)
def nothing_goes_on(monkeypatch):
    monkeypatch.setattr(activity, "_activities", {})


def test_jobs_are_named_with_their_units_and_how_to_stop_them():
    lines = describe_activities(
        [
            Activity("a", "install 9 packages", "packstack-lite-job-packages.service"),
            Activity("b", "write 3 files", seconds=120),
            Activity("a", "start nova", "packstack-lite-job-unit-nova.service"),
        ]
    )
    assert lines == [
        "a: still running: install 9 packages (packstack-lite-job-packages.service), "
        "start nova (packstack-lite-job-unit-nova.service)",
        "  → the next run joins them; to stop, type on a:",
        "    systemctl stop packstack-lite-job-packages.service packstack-lite-job-unit-nova.service",
        "b: still running: write 3 files; it ends within 120 seconds by itself",
    ]


class Watcher:
    def job_started(self, job):
        pass

    job_output = job_finished = lambda self, *arguments: None


def test_a_job_goes_on_until_its_end_was_seen():
    replies = iter([[Reply(0), Reply(0, "a - 0 \n")], [Reply(0, "a 0 0 \n")]])
    seen = []

    def run(commands):
        seen.append([item.unit for item in activity.list_activities()])
        return next(replies)

    JobRunner(run, "node", Watcher()).run_all([Job("a", "true")])
    assert seen == [["packstack-lite-job-a.service"]] * 2
    assert activity.list_activities() == []


def test_a_command_goes_on_while_it_runs_and_after_an_interrupt(monkeypatch):
    connection = LocalConnection()
    try:
        connection.run([Command("true", description="look")])
        assert activity.list_activities() == []
        monkeypatch.setattr(connection._shell, "run", lambda commands: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            connection.run([Command("true", timeout=9, description=word) for word in ("a", "b", "a", "c", "d")])
        assert activity.list_activities() == [Activity("localhost", "a, b, c and 1 more", seconds=9)]
        # The stream was in the middle of a reply: another shell runs the next command.
        assert connection.run([Command("echo next")])[0].out == "next\n"
    finally:
        connection.close()


def test_a_cleanup_delays_the_end_of_an_interrupted_run(monkeypatch):
    assert activity.list_cleanups() == []
    with pytest.raises(KeyboardInterrupt), activity.cleanup("removing the unfinished sandbox"):
        assert activity.list_cleanups() == ["removing the unfinished sandbox"]
        raise KeyboardInterrupt
    assert activity.list_cleanups() == []


def test_what_went_on_is_what_it_was_at_the_signal():
    guard = interrupt.InterruptGuard()
    activity.begin(Activity("a", "write 3 files", seconds=5))
    with pytest.raises(KeyboardInterrupt):
        guard._raise_interrupt(2, None)
    activity.end("a")
    assert guard.describe() == ["a: still running: write 3 files; it ends within 5 seconds by itself"]
    guard._raise_interrupt(2, None)
