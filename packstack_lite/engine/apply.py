"""Apply: look, close what differs, look again; phase by phase."""

from __future__ import annotations

import time
from typing import Dict, FrozenSet, List, Optional, Sequence, Set

from packstack_lite.engine.diff import describe_diff, diff_resources, group_by_phase
from packstack_lite.engine.events import Changed, Failed, Listener, PhaseFinished, PhaseStarted, Skipped
from packstack_lite.engine.executor import Executor
from packstack_lite.engine.probe import probe_resources
from packstack_lite.engine.results import ApplyReport, Change, PhaseTime, merge_phase_times
from packstack_lite.engine.schedule import next_batch
from packstack_lite.errors import PackstackLiteError, PhaseError
from packstack_lite.remote.command import Connection
from packstack_lite.resources.base import PHASES, Diff, Observed, Phase, Resource
from packstack_lite.secret import Masker


def select_resources(
    resources: Sequence[Resource], tags: FrozenSet[str], start_phase: Optional[Phase]
) -> List[Resource]:
    """The resources that carry one of the tags, from a phase on; all of them by default. What guards the rest stays."""
    first = PHASES.index(start_phase) if start_phase else 0
    return [
        resource
        for resource in resources
        if (not tags or tags & resource.tags) and (resource.always_run or PHASES.index(resource.phase) >= first)
    ]


def apply(
    connection: Connection,
    resources: Sequence[Resource],
    listener: Listener,
    masker: Masker,
    tags: FrozenSet[str] = frozenset(),
    start_phase: Optional[Phase] = None,
) -> ApplyReport:
    """Make the host as declared.

    All states are read in one flight; as long as nothing has been changed they stay true,
    after that each phase reads its own again. Raises PhaseFailed at the end of the first
    phase in which a resource is still wrong.
    """
    run = ApplyRun(connection, resources, listener, masker)
    selected = select_resources(resources, tags, start_phase)
    run.observed = probe_resources(connection, selected)
    for phase, phase_resources in group_by_phase(selected).items():
        run.run_phase(phase, phase_resources)
    return run.report()


class ApplyRun:
    """One apply: what has been seen, changed, restarted, and how long each phase took."""

    def __init__(
        self, connection: Connection, all_resources: Sequence[Resource], listener: Listener, masker: Masker
    ) -> None:
        self.connection = connection
        self.all_resources = all_resources
        self.listener = listener
        self.masker = masker
        self.observed: Dict[str, Observed] = {}
        self.changes: List[Change] = []
        self.restarted_units: List[str] = []
        self.phase_times: List[PhaseTime] = []
        self.has_changed = False
        self._started_at = time.monotonic()

    def report(self, *delegated_runs: "ApplyRun", error: str = "") -> ApplyReport:
        """What it came to by now; what ``others`` did for this host is laid to it."""
        runs = (self, *delegated_runs)
        return ApplyReport(
            tuple(change for run in runs for change in run.changes),
            tuple(unit for run in runs for unit in run.restarted_units),
            self.connection.round_trips,
            time.monotonic() - self._started_at,
            merge_phase_times([phase_time for run in runs for phase_time in run.phase_times]),
            self.connection.name,
            error,
        )

    def run_phase(self, phase: Phase, resources: Sequence[Resource]) -> None:
        """Bring one phase's resources to their wanted state."""
        started_at = time.monotonic()
        changes_before = len(self.changes)
        self.listener.on_event(PhaseStarted(self.connection.name, phase))
        if self.has_changed:
            self.observed.update(probe_resources(self.connection, resources))
        diffs = diff_resources(resources, self.observed)
        failed = self._fix_phase(phase, diffs) if diffs else []
        seconds, change_count = time.monotonic() - started_at, len(self.changes) - changes_before
        self.phase_times.append(PhaseTime(phase.value, seconds, change_count))
        self.listener.on_event(PhaseFinished(self.connection.name, phase, change_count, seconds, not failed))
        if failed:
            raise PhaseError(
                f"{self.connection.name}: phase {phase.value} failed at {', '.join(failed)}",
                "mend the cause named above, then run the same command again: it resumes here",
            )

    def _fix_phase(self, phase: Phase, diffs: Sequence[Diff]) -> List[str]:
        executor = Executor(self.connection, phase, self.listener, self.masker)
        skipped = self._fix_in_batches(diffs, executor)
        self.observed.update(probe_resources(self.connection, [diff.resource for diff in diffs]))
        remaining = {
            diff.resource.id: diff
            for diff in diff_resources([diff.resource for diff in diffs], self.observed)
            if diff.keys
        }
        for diff in diffs:
            self._report_outcome(phase, diff, remaining.get(diff.resource.id), executor, skipped)
        return [*remaining]

    def _fix_in_batches(self, diffs: Sequence[Diff], executor: Executor) -> Dict[str, str]:
        """Close the gaps wave by wave; returns what had to be skipped, and why."""
        waiting: List[Diff] = list(diffs)
        skipped: Dict[str, str] = {}
        failed: Set[str] = set()
        while waiting:
            while blocked := [diff for diff in waiting if failed & set(diff.resource.needs)]:
                for diff in blocked:
                    skipped[diff.resource.id] = "needs " + ", ".join(sorted(failed & set(diff.resource.needs)))
                    failed.add(diff.resource.id)
                    waiting.remove(diff)
            batch = next_batch(waiting)
            if waiting and not batch.gaps:
                raise PackstackLiteError("needs run in a circle: " + ", ".join(diff.resource.id for diff in waiting))
            self.has_changed = self.has_changed or bool(batch.gaps)
            failed |= executor.execute(batch, self.all_resources)
            waiting = [diff for diff in waiting if diff not in batch.gaps]
        return skipped

    def _report_outcome(
        self, phase: Phase, diff: Diff, remaining: Optional[Diff], executor: Executor, skipped: Dict[str, str]
    ) -> None:
        resource_id = diff.resource.id
        if remaining is None:
            description = self.masker(describe_diff(diff))
            self.changes.append(Change(self.connection.name, phase.value, resource_id, description))
            if diff.resource.kind == "unit":
                self.restarted_units.append(resource_id.split(":", 1)[1])
            self.listener.on_event(Changed(self.connection.name, phase, resource_id, description))
        elif resource_id in skipped:
            self.listener.on_event(Skipped(self.connection.name, phase, resource_id, skipped[resource_id]))
        else:
            message = executor.failure_message(diff) or f"is still wrong after its change: {describe_diff(remaining)}"
            self.listener.on_event(Failed(self.connection.name, phase, resource_id, self.masker.mask_lines(message)))
