"""The engine over a toy kind whose state is real files in a temporary directory."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import ClassVar, FrozenSet, List, Sequence, Tuple

import pytest

from packstack_lite.engine import events
from packstack_lite.engine.apply import apply
from packstack_lite.engine.diff import describe_diff, diff_resources, differing_keys
from packstack_lite.engine.events import Changed, Failed, PhaseFinished, Skipped
from packstack_lite.engine.plan import plan
from packstack_lite.engine.schedule import add_needs, next_batch
from packstack_lite.engine.verify import verify
from packstack_lite.errors import PackstackLiteError, PhaseError
from packstack_lite.remote.command import Command, Job, JobResult, Reply
from packstack_lite.resources.base import Diff, Phase, Probe, Resource, Unknown
from packstack_lite.resources.run_once import WARNING_PREFIX
from packstack_lite.secret import Masker


@dataclass(frozen=True)
class Note(Resource):
    """A file ``name`` in ``where`` that shall hold ``text``."""

    kind: ClassVar[str] = "note"
    name: str
    where: str
    text: str = "x"
    breaks: bool = False
    watches: Tuple[str, ...] = ()
    always_run: bool = False
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self):
        return f"{self.kind}:{self.name}"

    @property
    def trigger_ids(self):
        return self.watches

    def desired(self):
        return {"text": self.text}

    def invalidate(self):
        return Command(f"echo forgot {self.name} >> {self.where}/log", description=f"forget {self.name}")

    @classmethod
    def probe(cls, resources):
        lines = "; ".join(
            f"printf '%s ' {note.name}; cat {note.where}/{note.name} 2>/dev/null || echo" for note in resources
        )

        def parse(reply):
            pairs = [line.split(" ", 1) for line in reply.out.splitlines()]
            return {f"{cls.kind}:{name}": {"text": text} if text else None for name, text in pairs}

        return [Probe(Command(lines), parse)]

    @classmethod
    def script(cls, note):
        verdict = "echo broken >&2; exit 3" if note.breaks else f"echo {note.text} > {note.where}/{note.name}"
        return f"echo {note.name} >> {note.where}/log; {verdict}"

    @classmethod
    def fix(cls, diffs):
        return [Command(cls.script(gap.resource), description=f"write {gap.resource.name}") for gap in diffs]


@dataclass(frozen=True)
class Task(Note):
    """A Note written by a job."""

    kind: ClassVar[str] = "task"

    @classmethod
    def fix(cls, diffs):
        return [Job(f"task-{gap.resource.name}", cls.script(gap.resource)) for gap in diffs]


@dataclass
class ShHost:
    """Runs for real, by sh, on this machine; a round trip per call."""

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


class Ear:
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def host():
    return ShHost()


@pytest.fixture
def ear():
    return Ear()


@pytest.fixture(autouse=True)
def toy_job_names(monkeypatch):
    name = lambda identity: identity.replace(":", "-")  # noqa: E731
    monkeypatch.setattr("packstack_lite.engine.schedule.job_name", name)
    monkeypatch.setattr("packstack_lite.engine.executor.job_name", name)


@pytest.mark.parametrize(
    "want, seen, keys",
    [
        ({"a": 1}, {"a": 1, "more": 2}, None),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ("b",)),
        ({"a": 1, "b": 2}, None, ("a", "b")),
        ({"a": 1}, Unknown(Phase.SERVICES), ("a",)),
        (None, None, None),
        (None, {"a": 1}, ("exists",)),
    ],
)
def test_compare(want, seen, keys):
    assert differing_keys(want, seen) == keys


def test_a_reader_of_a_changing_resource_changes_too(tmp_path):
    config, service = (
        Note("config", str(tmp_path)),
        Note("service", str(tmp_path), watches=("note:config",), phase=Phase.SERVICES),
    )
    seen = {"note:config": {"text": "other"}, "note:service": {"text": "x"}}
    gaps = diff_resources([service, config], seen)
    assert [(gap.resource.id, gap.keys, gap.triggered_by) for gap in gaps] == [
        ("note:config", ("text",), ()),
        ("note:service", (), ("note:config",)),
    ]
    assert describe_diff(gaps[1]) == "change note service (config changed)"


@pytest.mark.parametrize(
    "seen, words",
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
def test_in_words(seen, words, tmp_path):
    note = Note("a", str(tmp_path))
    assert describe_diff(Diff(note, seen, ("text",))) == words


def test_first_apply_changes_second_does_not(tmp_path, host, ear):
    notes = [Note("a", str(tmp_path)), Note("b", str(tmp_path), phase=Phase.SERVICES)]
    first = apply(host, notes, ear, Masker())
    assert [change.resource_id for change in first.changes] == ["note:a", "note:b"]
    round_trips = host.round_trips
    second = apply(host, notes, Ear(), Masker())
    assert (second.changes, second.restarted_units, host.round_trips - round_trips) == ((), (), 1)
    assert [phase.name for phase in second.phase_times] == ["Configure", "Services"]


def test_a_plan_touches_nothing_and_shows_what_apply_then_does(tmp_path, host, ear):
    (tmp_path / "a").write_text("old\n")
    notes = [Note("a", str(tmp_path)), Note("b", str(tmp_path), phase=Phase.DEMO)]
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    planned = plan(host, notes, True, Masker())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    assert [(change.resource_id, change.description) for change in planned] == [
        ("note:a", "change note a (text old → x)"),
        ("note:b", "create note b"),
    ]
    assert "-text: old" in planned[0].text_diff and "+text: x" in planned[0].text_diff
    applied = apply(host, notes, ear, Masker())
    assert [(change.resource_id, change.description) for change in applied.changes] == [
        (c.resource_id, c.description) for c in planned
    ]


def test_still_wrong_after_the_change_is_a_failure_and_ends_the_run(tmp_path, host, ear):
    notes = [
        Note("bad", str(tmp_path), breaks=True),
        Note("later", str(tmp_path), needs=("note:bad",)),
        Note("beside", str(tmp_path)),
        Note("never", str(tmp_path), phase=Phase.DEMO),
    ]
    with pytest.raises(PhaseError) as failure:
        apply(host, notes, ear, Masker())
    assert failure.value.message == "here failed (Configure: cannot create note bad)"
    assert [event.resource_id for event in ear.of(Changed)] == ["note:beside"]
    assert "broken" in ear.of(Failed)[0].message
    assert [event.resource_id for event in ear.of(Skipped)] == ["note:later"]
    assert [event.ok for event in ear.of(PhaseFinished)] == [False]
    assert not (tmp_path / "never").exists()


def test_what_needs_something_skipped_is_skipped_too(tmp_path, host, ear):
    notes = [
        Note("bad", str(tmp_path), breaks=True),
        Note("middle", str(tmp_path), needs=("note:bad",)),
        Task("last", str(tmp_path), needs=("note:middle",)),
    ]
    with pytest.raises(PhaseError):
        apply(host, list(reversed(notes)), ear, Masker())
    assert (tmp_path / "log").read_text().split() == ["bad"]
    skipped = {heard.resource_id: heard.reason for heard in ear.of(Skipped)}
    assert skipped == {"note:middle": "needs note:bad", "task:last": "needs note:middle"}


def test_needs_order_commands_and_jobs_of_a_phase(tmp_path, host, ear):
    notes = [
        Note("bridge", str(tmp_path), needs=("task:switch",)),
        Task("switch", str(tmp_path), needs=("note:setting",)),
        Note("setting", str(tmp_path)),
        Task("agent", str(tmp_path), needs=("note:bridge", "task:switch")),
    ]
    apply(host, notes, ear, Masker())
    log = (tmp_path / "log").read_text().split()
    assert log == ["setting", "switch", "bridge", "agent"]
    assert host.batches == [["task-switch"], ["task-agent"]]


def test_jobs_that_only_need_jobs_go_as_one_batch(tmp_path, host, ear):
    tasks = [
        Task("sync", str(tmp_path)),
        Task("start", str(tmp_path), needs=("task:sync",)),
        Task("other", str(tmp_path)),
    ]
    apply(host, tasks, ear, Masker())
    assert host.batches == [["task-sync", "task-start", "task-other"]]


def test_jobs_learn_the_needs_of_their_resources(tmp_path):
    sync, start = Task("sync", str(tmp_path)), Task("start", str(tmp_path), needs=("task:sync", "task:elsewhere"))
    gaps = [Diff(sync, None, ("text",)), Diff(start, None, ("text",))]
    jobs = add_needs(Task.fix(gaps), gaps)
    assert [job.needs for job in jobs] == [(), ("task-sync",)]


def test_needs_in_a_circle_are_a_bug_that_names_them(tmp_path, host, ear):
    notes = [Note("a", str(tmp_path), needs=("note:b",)), Note("b", str(tmp_path), needs=("note:a",))]
    assert next_batch([Diff(note, None, ("text",)) for note in notes]).diffs == ()
    with pytest.raises(PackstackLiteError, match="note:a, note:b"):
        apply(host, notes, ear, Masker())


def test_readers_forget_before_what_they_read_changes(tmp_path, host, ear):
    notes = [
        Note("config", str(tmp_path)),
        Note("service", str(tmp_path), watches=("note:config",), phase=Phase.SERVICES),
    ]
    apply(host, notes, ear, Masker())
    assert (tmp_path / "log").read_text().splitlines() == ["forgot service", "config", "service"]


def test_only_and_from(tmp_path, host, ear):
    notes = [
        Note("a", str(tmp_path), tags=frozenset({"nova"})),
        Note("b", str(tmp_path), tags=frozenset({"glance"})),
        Note("c", str(tmp_path), tags=frozenset({"nova"}), phase=Phase.DEMO),
    ]
    report = apply(host, notes, ear, Masker(), tags=frozenset({"nova"}), start_phase=Phase.SERVICES)
    assert [change.resource_id for change in report.changes] == ["note:c"]


def test_verify_names_what_drifted_and_only_that(tmp_path, host, ear):
    notes = [Note("a", str(tmp_path)), Note("b", str(tmp_path)), Note("s", str(tmp_path), watches=("note:a",))]
    apply(host, notes, ear, Masker())
    (tmp_path / "a").write_text("by hand\n")
    (tmp_path / "b").unlink()
    faults = verify(host, notes, Masker())
    assert [(fault.resource_id, fault.message) for fault in faults] == [
        ("note:a", "note a: text is by hand (should be x)"),
        ("note:b", "note b is missing"),
    ]
    assert all(fault.hint for fault in faults)


def test_what_guards_the_rest_is_part_of_a_run_from_any_phase_on(host, ear, tmp_path):
    where = str(tmp_path)
    early = Note("early", where, phase=Phase.PACKAGES)
    guard = Task("guard", where, breaks=True, always_run=True, phase=Phase.PACKAGES)
    late = Note("late", where, phase=Phase.CONFIGURE)
    with pytest.raises(PhaseError):
        apply(host, [early, guard, late], ear, Masker(), start_phase=Phase.CONFIGURE)
    assert (tmp_path / "log").read_text().split() == ["guard"]


@dataclass(frozen=True)
class Remarking(Task):
    """A task that has something to say besides."""

    kind: ClassVar[str] = "remarking"

    @classmethod
    def fix(cls, diffs):
        said = f"echo '{WARNING_PREFIX}my_password=sesame was not checked'"
        return [Job(f"remarking-{gap.resource.name}", f"{cls.script(gap.resource)}; {said}") for gap in diffs]


def test_a_remark_of_a_job_is_told_as_a_warning(host, ear, tmp_path):
    apply(host, [Remarking("a", str(tmp_path))], ear, Masker())
    assert [(note.text, note.level) for note in ear.of(events.Note)] == [("my_password=***", "warning")]


@dataclass(frozen=True)
class Prepared(Task):
    """A task whose kind prepares all of a wave's with one command. That fails, and the task does nothing, where
    there is a file called broken."""

    kind: ClassVar[str] = "prepared"

    @classmethod
    def fix(cls, diffs):
        where = diffs[0].resource.where
        first = Command(f"cd {where} && echo ready >> log && [ ! -e broken ]", description="prepare")
        tasks = [gap.resource for gap in diffs]
        return [
            first,
            *(Job(f"prepared-{task.name}", f"[ -e {where}/broken ] || {{ {cls.script(task)}; }}") for task in tasks),
        ]


def test_what_prepares_for_jobs_runs_once_and_before_them(host, ear, tmp_path):
    apply(host, [Prepared("a", str(tmp_path)), Prepared("b", str(tmp_path))], ear, Masker())
    assert (tmp_path / "log").read_text().split() == ["ready", "a", "b"]


def test_what_went_wrong_when_jobs_were_prepared_for_is_told_where_they_do_not_know(host, ear, tmp_path):
    (tmp_path / "broken").touch()
    with pytest.raises(PhaseError):
        apply(host, [Prepared("a", str(tmp_path))], ear, Masker())
    assert "prepare failed with exit code" in ear.of(events.Failed)[0].message
