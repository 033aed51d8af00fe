"""The engine with a toy kind of resource, whose state is real files in a temporary directory."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import ClassVar, FrozenSet, List, Sequence, Tuple

import pytest

from packstack_lite.engine import events
from packstack_lite.engine.apply import apply
from packstack_lite.engine.diff import describe_diff, diff_resources, differing_keys
from packstack_lite.engine.events import Changed, Failed, PhaseFinished, Skipped
from packstack_lite.engine.executor import Executor
from packstack_lite.engine.plan import plan
from packstack_lite.engine.schedule import add_needs, next_batch
from packstack_lite.engine.verify import verify
from packstack_lite.errors import PackstackLiteError, PhaseError
from packstack_lite.remote.command import Command, Job, JobResult, Reply
from packstack_lite.resources import Absent, Packages
from packstack_lite.resources.base import Diff, Phase, Probe, Resource, Unknown
from packstack_lite.resources.run_once import WARNING_PREFIX
from packstack_lite.secret import Masker


@dataclass(frozen=True)
class Note(Resource):
    """A file ``name`` in ``directory`` that shall hold ``text``. With ``breaks`` its fix fails."""

    kind: ClassVar[str] = "note"
    name: str
    directory: str
    text: str = "x"
    breaks: bool = False
    triggers: Tuple[str, ...] = ()
    always_run: bool = False
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self):
        return f"{self.kind}:{self.name}"

    @property
    def trigger_ids(self):
        return self.triggers

    def desired(self):
        return {"text": self.text}

    def invalidate(self):
        return Command(f"echo invalidated {self.name} >> {self.directory}/log", description=f"invalidate {self.name}")

    @classmethod
    def probe(cls, resources):
        lines = "; ".join(
            f"printf '%s ' {note.name}; cat {note.directory}/{note.name} 2>/dev/null || echo" for note in resources
        )

        def parse(reply):
            pairs = [line.split(" ", 1) for line in reply.out.splitlines()]
            return {f"{cls.kind}:{name}": {"text": text} if text else None for name, text in pairs}

        return [Probe(Command(lines), parse)]

    @classmethod
    def script(cls, note):
        verdict = "echo broken >&2; exit 3" if note.breaks else f"echo {note.text} > {note.directory}/{note.name}"
        return f"echo {note.name} >> {note.directory}/log; {verdict}"

    @classmethod
    def fix(cls, diffs):
        return [Command(cls.script(diff.resource), description=f"write {diff.resource.name}") for diff in diffs]


@dataclass(frozen=True)
class Task(Note):
    """A Note that a job writes."""

    kind: ClassVar[str] = "task"

    @classmethod
    def fix(cls, diffs):
        return [Job(f"task-{diff.resource.name}", cls.script(diff.resource)) for diff in diffs]


@dataclass
class ShNode:
    """A node whose commands sh runs on this machine. Each call counts as a round trip."""

    name: str = "here"
    round_trips: int = 0
    batches: List[Sequence[object]] = field(default_factory=list)

    def run(self, commands):
        self.round_trips += 1
        return [self._sh(command) for command in commands]

    def push(self, files, before=(), after=()):
        raise AssertionError("the toy kind pushes no files")

    def run_jobs(self, jobs, watcher):
        self.batches.append([job.name for job in jobs])
        results = {}
        for job in jobs:
            assert set(job.needs) <= set(results), "jobs were given in an order that cannot be run"
            watcher.job_started(job)
            reply = self._sh(job)
            blocked = not all(results[need].ok for need in job.needs)
            results[job.name] = JobResult(job.name, -1 if blocked else reply.code, reply.out + reply.err, 0.0)
            watcher.job_finished(job, results[job.name])
        return list(results.values())

    def close(self):
        self.round_trips = 0

    def abort(self):
        self.close()

    @staticmethod
    def _sh(command):
        done = subprocess.run(["sh", "-c", command.script], input=command.stdin, capture_output=True, check=False)
        return Reply(done.returncode, done.stdout.decode(), done.stderr.decode())


class RecordingListener:
    """Keeps all events."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def node():
    return ShNode()


@pytest.fixture
def listener():
    return RecordingListener()


@pytest.fixture(autouse=True)
def toy_job_names(monkeypatch):
    name = lambda identity: identity.replace(":", "-")  # noqa: E731
    monkeypatch.setattr("packstack_lite.engine.schedule.job_name", name)
    monkeypatch.setattr("packstack_lite.engine.executor.job_name", name)


@pytest.mark.parametrize(
    "desired, observed, keys",
    [
        ({"a": 1}, {"a": 1, "more": 2}, None),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ("b",)),
        ({"a": 1, "b": 2}, None, ("a", "b")),
        ({"a": 1}, Unknown(Phase.SERVICES), ("a",)),
        (None, None, None),
        (None, {"a": 1}, ("exists",)),
    ],
)
def test_keys_whose_values_differ_are_returned(desired, observed, keys):
    assert differing_keys(desired, observed) == keys


@pytest.mark.parametrize(("status", "is_installed"), [("absent", False), ("unpacked", False), ("installed", True)])
def test_what_a_package_may_bring_is_unknown_until_it_is_installed(status, is_installed):
    """Also where an interrupted installation left the package's directory, but not yet what it brings into it."""
    packages, site = Packages(names=("web", "other")), Absent(path="/etc/web/site", brought_by=("web",))
    observed = {packages.id: {"web": status, "other": "absent", "policy-rc.d": "none"}, site.id: None}
    diffs = {diff.resource.id: diff for diff in diff_resources([site, packages], observed)}
    assert set(diffs) == ({packages.id} if is_installed else {packages.id, site.id})
    if not is_installed:
        text = "remove /etc/web/site if needed (known after Packages: its package is not installed yet)"
        assert describe_diff(diffs[site.id]) == text


def test_a_resource_changes_with_its_trigger(tmp_path):
    config, service = (
        Note("config", str(tmp_path)),
        Note("service", str(tmp_path), triggers=("note:config",), phase=Phase.SERVICES),
    )
    observed = {"note:config": {"text": "other"}, "note:service": {"text": "x"}}
    diffs = diff_resources([service, config], observed)
    assert [(diff.resource.id, diff.keys, diff.triggered_by) for diff in diffs] == [
        ("note:config", ("text",), ()),
        ("note:service", (), ("note:config",)),
    ]
    assert describe_diff(diffs[1]) == "change note service (config changed)"


@pytest.mark.parametrize(
    "observed, sentence",
    [
        (None, "create note a"),
        ({"text": "old"}, "change note a (text old → x)"),
        (
            Unknown(Phase.SERVICES, "keystone does not answer"),
            "create note a if needed (known after Services: keystone does not answer)",
        ),
        (Unknown(Phase.SERVICES), "create note a if needed (known after Services)"),
    ],
)
def test_a_diff_is_described_in_a_sentence(observed, sentence, tmp_path):
    note = Note("a", str(tmp_path))
    assert describe_diff(Diff(note, observed, ("text",))) == sentence


def test_the_second_apply_changes_nothing(tmp_path, node, listener):
    notes = [Note("a", str(tmp_path)), Note("b", str(tmp_path), phase=Phase.SERVICES)]
    first = apply(node, notes, listener, Masker())
    assert [change.resource_id for change in first.changes] == ["note:a", "note:b"]
    round_trips = node.round_trips
    second = apply(node, notes, RecordingListener(), Masker())
    assert (second.changes, second.restarted_units, node.round_trips - round_trips) == ((), (), 1)
    assert [phase.name for phase in second.phase_times] == ["Configure", "Services"]


def test_plan_changes_nothing_and_lists_what_apply_changes(tmp_path, node, listener):
    (tmp_path / "a").write_text("old\n")
    notes = [Note("a", str(tmp_path)), Note("b", str(tmp_path), phase=Phase.DEMO)]
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    planned = plan(node, notes, True, Masker())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    assert [(change.resource_id, change.description) for change in planned] == [
        ("note:a", "change note a (text old → x)"),
        ("note:b", "create note b"),
    ]
    assert "-text: old" in planned[0].text_diff and "+text: x" in planned[0].text_diff
    applied = apply(node, notes, listener, Masker())
    assert [(change.resource_id, change.description) for change in applied.changes] == [
        (c.resource_id, c.description) for c in planned
    ]


def test_a_resource_that_is_still_wrong_fails_and_ends_the_run(tmp_path, node, listener):
    notes = [
        Note("bad", str(tmp_path), breaks=True),
        Note("later", str(tmp_path), needs=("note:bad",)),
        Note("other", str(tmp_path)),
        Note("never", str(tmp_path), phase=Phase.DEMO),
    ]
    with pytest.raises(PhaseError) as failure:
        apply(node, notes, listener, Masker())
    assert failure.value.message == "here failed (Configure: cannot create note bad)"
    assert [event.resource_id for event in listener.of(Changed)] == ["note:other"]
    assert "broken" in listener.of(Failed)[0].message
    assert [event.resource_id for event in listener.of(Skipped)] == ["note:later"]
    assert [event.ok for event in listener.of(PhaseFinished)] == [False]
    assert not (tmp_path / "never").exists()


def test_dependents_of_a_skipped_resource_are_skipped(tmp_path, node, listener):
    notes = [
        Note("bad", str(tmp_path), breaks=True),
        Note("middle", str(tmp_path), needs=("note:bad",)),
        Task("last", str(tmp_path), needs=("note:middle",)),
    ]
    with pytest.raises(PhaseError):
        apply(node, list(reversed(notes)), listener, Masker())
    assert (tmp_path / "log").read_text().split() == ["bad"]
    skipped = {event.resource_id: event.reason for event in listener.of(Skipped)}
    assert skipped == {"note:middle": "needs note:bad", "task:last": "needs note:middle"}


def test_needs_order_the_commands_and_jobs_of_a_phase(tmp_path, node, listener):
    notes = [
        Note("bridge", str(tmp_path), needs=("task:switch",)),
        Task("switch", str(tmp_path), needs=("note:setting",)),
        Note("setting", str(tmp_path)),
        Task("agent", str(tmp_path), needs=("note:bridge", "task:switch")),
    ]
    apply(node, notes, listener, Masker())
    log = (tmp_path / "log").read_text().split()
    assert log == ["setting", "switch", "bridge", "agent"]
    assert node.batches == [["task-switch"], ["task-agent"]]


def test_jobs_that_need_only_jobs_are_one_batch(tmp_path, node, listener):
    tasks = [
        Task("sync", str(tmp_path)),
        Task("start", str(tmp_path), needs=("task:sync",)),
        Task("other", str(tmp_path)),
    ]
    apply(node, tasks, listener, Masker())
    assert node.batches == [["task-sync", "task-start", "task-other"]]


def test_jobs_get_the_needs_of_their_resources(tmp_path):
    sync, start = Task("sync", str(tmp_path)), Task("start", str(tmp_path), needs=("task:sync", "task:elsewhere"))
    diffs = [Diff(sync, None, ("text",)), Diff(start, None, ("text",))]
    jobs = add_needs(Task.fix(diffs), diffs)
    assert [job.needs for job in jobs] == [(), ("task-sync",)]


def test_circular_needs_are_an_error_that_names_them(tmp_path, node, listener):
    notes = [Note("a", str(tmp_path), needs=("note:b",)), Note("b", str(tmp_path), needs=("note:a",))]
    assert next_batch([Diff(note, None, ("text",)) for note in notes]).diffs == ()
    with pytest.raises(PackstackLiteError, match="note:a, note:b"):
        apply(node, notes, listener, Masker())


def test_dependents_are_invalidated_before_their_trigger_changes(tmp_path, node, listener):
    notes = [
        Note("config", str(tmp_path)),
        Note("service", str(tmp_path), triggers=("note:config",), phase=Phase.SERVICES),
    ]
    apply(node, notes, listener, Masker())
    assert (tmp_path / "log").read_text().splitlines() == ["invalidated service", "config", "service"]


def test_tags_and_start_phase_select_resources(tmp_path, node, listener):
    notes = [
        Note("a", str(tmp_path), tags=frozenset({"nova"})),
        Note("b", str(tmp_path), tags=frozenset({"glance"})),
        Note("c", str(tmp_path), tags=frozenset({"nova"}), phase=Phase.DEMO),
    ]
    report = apply(node, notes, listener, Masker(), tags=frozenset({"nova"}), start_phase=Phase.SERVICES)
    assert [change.resource_id for change in report.changes] == ["note:c"]


def test_verify_returns_only_what_drifted(tmp_path, node, listener):
    notes = [Note("a", str(tmp_path)), Note("b", str(tmp_path)), Note("s", str(tmp_path), triggers=("note:a",))]
    apply(node, notes, listener, Masker())
    (tmp_path / "a").write_text("by hand\n")
    (tmp_path / "b").unlink()
    drift = verify(node, notes, Masker())
    assert [(item.resource_id, item.message) for item in drift] == [
        ("note:a", "note a: text is by hand (should be x)"),
        ("note:b", "note b is missing"),
    ]
    assert all(item.hint for item in drift)


def test_an_always_run_resource_is_part_of_every_phase_range(node, listener, tmp_path):
    directory = str(tmp_path)
    early = Note("early", directory, phase=Phase.PACKAGES)
    guard = Task("guard", directory, breaks=True, always_run=True, phase=Phase.PACKAGES)
    late = Note("late", directory, phase=Phase.CONFIGURE)
    with pytest.raises(PhaseError):
        apply(node, [early, guard, late], listener, Masker(), start_phase=Phase.CONFIGURE)
    assert (tmp_path / "log").read_text().split() == ["guard"]


@dataclass(frozen=True)
class WarningTask(Task):
    """A task whose job prints a warning."""

    kind: ClassVar[str] = "warning"

    @classmethod
    def fix(cls, diffs):
        print_warning = f"echo '{WARNING_PREFIX}my_password=sesame was not checked'"
        return [Job(f"warning-{diff.resource.name}", f"{cls.script(diff.resource)}; {print_warning}") for diff in diffs]


def test_a_warning_that_a_job_prints_is_an_event(node, listener, tmp_path):
    apply(node, [WarningTask("a", str(tmp_path))], listener, Masker())
    assert [(note.text, note.level) for note in listener.of(events.Note)] == [("my_password=***", "warning")]


@dataclass(frozen=True)
class Prepared(Task):
    """A task whose kind prepares a batch by one command.

    Where there is a file "broken", that command fails and the task does nothing.
    """

    kind: ClassVar[str] = "prepared"

    @classmethod
    def fix(cls, diffs):
        directory = diffs[0].resource.directory
        first = Command(f"cd {directory} && echo ready >> log && [ ! -e broken ]", description="prepare")
        tasks = [diff.resource for diff in diffs]
        return [
            first,
            *(
                Job(f"prepared-{task.name}", f"[ -e {directory}/broken ] || {{ {cls.script(task)}; }}")
                for task in tasks
            ),
        ]


def test_a_command_that_prepares_jobs_runs_once_and_first(node, listener, tmp_path):
    apply(node, [Prepared("a", str(tmp_path)), Prepared("b", str(tmp_path))], listener, Masker())
    assert (tmp_path / "log").read_text().split() == ["ready", "a", "b"]


def test_a_job_without_an_error_fails_with_that_of_its_preparation(node, listener, tmp_path):
    (tmp_path / "broken").touch()
    with pytest.raises(PhaseError):
        apply(node, [Prepared("a", str(tmp_path))], listener, Masker())
    assert "prepare failed with exit code" in listener.of(events.Failed)[0].message


@pytest.mark.parametrize(
    ("state", "message"), [("stopping", "here: the node is shutting down"), ("degraded", "failed")]
)
@pytest.mark.parametrize("kind", [Note, Task])
def test_a_node_that_shuts_down_is_the_cause_of_its_failures(
    node, listener, tmp_path, monkeypatch, kind, state, message
):
    tool = tmp_path / "tools" / "systemctl"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\n[ "$1" = is-system-running ] && echo {state}\nexit 1\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    with pytest.raises(PhaseError) as failure:
        apply(node, [kind(name, str(tmp_path), breaks=True) for name in "abc"], listener, Masker())
    assert message in failure.value.message
    assert failure.value.hint
    assert bool(listener.of(Failed)) == (state != "stopping")


def test_an_alarm_of_the_queue_is_named_beside_failures(node, listener, tmp_path, monkeypatch):
    (tmp_path / "tools").mkdir()
    alarm = "[{{resource_limit,memory,rabbit@a},[]}]"
    for name, script in (("systemctl", "echo running"), ("rabbitmqctl", f"echo '{alarm}'")):
        (tmp_path / "tools" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "tools" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}:{os.environ['PATH']}")
    with pytest.raises(PhaseError):
        apply(node, [Note("a", str(tmp_path), breaks=True)], listener, Masker())
    (note,) = listener.of(events.Note)
    assert (note.level, note.text[:52]) == ("warning", "RabbitMQ takes no messages: its memory alarm is set ")


def test_what_a_job_waited_for_is_not_in_its_failure(node, listener):
    executor = Executor(node, Phase.SERVICES, listener, Masker())
    out = "waits until app is ready, for 10 of 20 seconds: x\napp is not ready\n"
    executor.job_finished(Job("unit-app", ""), JobResult("unit-app", 1, out, 20.0))
    assert listener.of(events.StepFinished)[0].detail == "unit-app failed with exit code 1: app is not ready"
