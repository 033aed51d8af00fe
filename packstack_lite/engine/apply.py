"""Apply: probe, fix what differs, probe again, phase by phase, on one node.

Called by ``deployment``, ``multi_node``.
"""

from __future__ import annotations

import time
from typing import Dict, FrozenSet, List, Optional, Sequence, Set

from packstack_lite.engine.diff import describe_diff, diff_resources, group_by_phase
from packstack_lite.engine.events import Changed, Failed, Listener, Note, PhaseFinished, PhaseStarted, Skipped
from packstack_lite.engine.executor import Executor
from packstack_lite.engine.probe import probe_resources
from packstack_lite.engine.results import ApplyReport, Change, PhaseTime, merge_phase_times
from packstack_lite.engine.schedule import next_batch
from packstack_lite.errors import PackstackLiteError, PhaseError
from packstack_lite.remote.command import Command, Connection
from packstack_lite.resources import Unit
from packstack_lite.resources.base import PHASES, Diff, Observed, Phase, Resource, State, join_names
from packstack_lite.resources.rabbitmq_user import QUEUE_ALARM_SH
from packstack_lite.secret import Masker

# Prints the state in a line, then why the message queue of this node takes no message, if it does not.
_SYSTEM_STATE = Command(
    "systemctl is-system-running 2>/dev/null || :\ncommand -v rabbitmqctl >/dev/null || exit 0\n" + QUEUE_ALARM_SH,
    description="ask for the system's state",
)


class NodePhaseError(PhaseError):
    """A phase failed on one node.

    ``reason`` is phase and failures: "Services: nova-compute did not start".
    """

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(
            f"{node} failed ({reason})",
            "fix the cause named above, then run the same command again: it resumes there",
        )
        self.reason = reason


def select_resources(
    resources: Sequence[Resource], tags: FrozenSet[str], start_phase: Optional[Phase]
) -> List[Resource]:
    """Return the resources with one of the tags (all without tags) from a phase on.

    Resources that ``always_run`` are part of every phase range.
    """
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
    """Make a node as declared.

    All states are read in one round trip. They stay valid until something is changed; after that each phase reads its
    own again. Raises NodePhaseError after the first phase in which a resource is still wrong.
    """
    run = ApplyRun(connection, resources, listener, masker)
    selected = select_resources(resources, tags, start_phase)
    run.observed = probe_resources(connection, selected)
    for phase, phase_resources in group_by_phase(selected).items():
        run.run_phase(phase, phase_resources)
    return run.report()


class ApplyRun:
    """An apply on one node, with its observed states, changes and phase times."""

    def __init__(
        self, connection: Connection, all_resources: Sequence[Resource], listener: Listener, masker: Masker
    ) -> None:
        self.connection = connection
        self.all_resources = all_resources
        self.listener = listener
        self.masker = masker
        self.observed: Dict[str, Observed[State]] = {}
        self.changes: List[Change] = []
        self.restarted_units: List[str] = []
        self.phase_times: List[PhaseTime] = []
        # Once True, states read before may be outdated.
        self.has_changed = False
        self._started_at = time.monotonic()

    def report(self, *delegated_runs: "ApplyRun", error: str = "") -> ApplyReport:
        """Return what was done so far.

        ``delegated_runs`` worked on behalf of this node: their changes are reported as its own.
        """
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
        """Bring one phase's resources to their desired state.

        Raises NodePhaseError if one is still wrong.
        """
        started_at = time.monotonic()
        changes_before = len(self.changes)
        self.listener.on_event(PhaseStarted(self.connection.name, phase))
        if self.has_changed:
            self.observed.update(probe_resources(self.connection, resources))
        diffs = diff_resources(resources, self.observed)
        failures = self._fix_phase(phase, diffs) if diffs else []
        seconds, change_count = time.monotonic() - started_at, len(self.changes) - changes_before
        self.phase_times.append(PhaseTime(phase.value, seconds, change_count))
        self.listener.on_event(PhaseFinished(self.connection.name, phase, change_count, seconds, not failures))
        if failures:
            raise NodePhaseError(self.connection.name, f"{phase.value}: {join_names(failures, 3)}")

    def _fix_phase(self, phase: Phase, diffs: Sequence[Diff[Resource]]) -> List[str]:
        """Fix the diffs, probe again, report each outcome; return failures in words."""
        executor = Executor(self.connection, phase, self.listener, self.masker)
        skipped = self._fix_in_batches(diffs, executor)
        if executor.has_failures:
            self._look_for_common_cause()
        self.observed.update(probe_resources(self.connection, [diff.resource for diff in diffs]))
        remaining = {
            diff.resource.id: diff
            for diff in diff_resources([diff.resource for diff in diffs], self.observed)
            if diff.keys
        }
        for diff in diffs:
            self._report_outcome(phase, diff, remaining.get(diff.resource.id), executor, skipped)
        failed = [diff for diff in diffs if diff.resource.id in remaining and diff.resource.id not in skipped]
        return [self.masker(diff.resource.describe_failure(diff)) for diff in failed]

    def _look_for_common_cause(self) -> None:
        """Raise PhaseError if the node is shutting down; warn of an alarm of its queue.

        A shutdown ends jobs and refuses units, and an alarm keeps services waiting; each then fails with an error of
        its own, which says nothing of the cause.
        """
        state, *alarms = [*self.connection.run([_SYSTEM_STATE])[0].out.splitlines(), ""]
        for alarm in filter(None, alarms):
            self.listener.on_event(Note(self.connection.name, alarm, "warning"))
        if state == "stopping":
            raise PhaseError(
                f"{self.connection.name}: the node is shutting down",
                "wait until it has booted again, then run the same command again: it resumes",
            )

    def _fix_in_batches(self, diffs: Sequence[Diff[Resource]], executor: Executor) -> Dict[str, str]:
        """Fix the diffs batch by batch; return the ids that were skipped, with reasons."""
        waiting: List[Diff[Resource]] = list(diffs)
        skipped: Dict[str, str] = {}
        failed: Set[str] = set()
        while waiting:
            while blocked := [diff for diff in waiting if failed & set(diff.resource.needs)]:
                for diff in blocked:
                    skipped[diff.resource.id] = "needs " + ", ".join(sorted(failed & set(diff.resource.needs)))
                    failed.add(diff.resource.id)
                    waiting.remove(diff)
            batch = next_batch(waiting)
            if waiting and not batch.diffs:
                raise PackstackLiteError("circular needs: " + ", ".join(diff.resource.id for diff in waiting))
            self.has_changed = self.has_changed or bool(batch.diffs)
            failed |= executor.execute(batch, self.all_resources)
            waiting = [diff for diff in waiting if diff not in batch.diffs]
        return skipped

    def _report_outcome(
        self,
        phase: Phase,
        diff: Diff[Resource],
        remaining: Optional[Diff[Resource]],
        executor: Executor,
        skipped: Dict[str, str],
    ) -> None:
        """Report a fix as changed, skipped or failed.

        ``remaining`` is the diff that a second probe found, None for none; ``skipped`` maps ids to reasons.
        """
        resource_id = diff.resource.id
        if remaining is None:
            description = self.masker(describe_diff(diff))
            self.changes.append(Change(self.connection.name, phase.value, resource_id, description))
            if isinstance(diff.resource, Unit) and diff.resource.state == "running":
                self.restarted_units.append(resource_id.split(":", 1)[1])
            self.listener.on_event(Changed(self.connection.name, phase, resource_id, description))
        elif resource_id in skipped:
            self.listener.on_event(Skipped(self.connection.name, phase, resource_id, skipped[resource_id]))
        else:
            still_wrong = f"still wrong after the change; to do: {describe_diff(remaining)}"
            message = executor.failure_message(diff) or still_wrong
            self.listener.on_event(Failed(self.connection.name, phase, resource_id, self.masker.mask_lines(message)))
