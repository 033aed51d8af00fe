"""Several hosts side by side: a lane each, which waits for another one only where it needs something of it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from packstack_lite.engine.apply import ApplyRun, select_resources
from packstack_lite.engine.delegation import DelegatedConnection
from packstack_lite.engine.diff import group_by_phase
from packstack_lite.engine.events import Listener, Skipped
from packstack_lite.engine.probe import probe_resources
from packstack_lite.engine.results import ApplyReport
from packstack_lite.errors import PackstackLiteError
from packstack_lite.remote.command import Connection
from packstack_lite.resources.base import PHASES, Phase, Resource
from packstack_lite.secret import Masker
from packstack_lite.services._base.node_dependencies import NodeDependency

_ALL_PHASES = len(PHASES)


@dataclass(frozen=True)
class NodeRun:
    """A host's work: what is declared for it, and what is to be done ``elsewhere`` for it, on the host ``at``.

    A lane without a ``host`` is that of one that could not be reached, as ``trouble`` says.
    """

    name: str
    roles: Tuple[str, ...]
    connection: Optional[Connection]
    resources: Sequence[Resource] = ()
    delegated: Sequence[Resource] = ()
    delegate_to: Optional[Connection] = None
    error: str = ""


@dataclass(frozen=True)
class Scope:
    """What of the work is done: see ``chosen``."""

    tags: FrozenSet[str] = frozenset()
    start_phase: Optional[Phase] = None


FULL_SCOPE = Scope()


def apply_nodes(
    node_runs: Sequence[NodeRun],
    dependencies: Sequence[NodeDependency],
    listener: Listener,
    masker: Masker,
    scope: Scope = FULL_SCOPE,
) -> List[ApplyReport]:
    """Make every host as declared, side by side; a report for each lane, in their order.

    A host that fails does not stop the others, except those that wait for it: its report and theirs have
    ``trouble``. The hosts' states are read in one flight each, before anything is changed.
    """
    progress = _Progress(node_runs, dependencies)
    workers = [_NodeWorker(node_run, listener, masker, scope, progress) for node_run in node_runs]
    for worker in workers:
        worker.other_workers = {
            other_worker.node_run.name: other_worker for other_worker in workers if other_worker is not worker
        }
    with ThreadPoolExecutor(max(1, len(workers)), "host") as pool:
        try:
            list(pool.map(_NodeWorker.probe, workers))
            return list(pool.map(_NodeWorker.run, workers))
        except BaseException:
            # An interrupt reaches this thread alone; the others are to end now, not when their jobs do.
            progress.stop()
            for node_run in node_runs:
                if node_run.connection:
                    node_run.connection.abort()
            raise


class _Progress:
    """How far each lane is; lanes wait here for each other."""

    def __init__(self, node_runs: Sequence[NodeRun], dependencies: Sequence[NodeDependency]) -> None:
        self._condition = threading.Condition()
        self._roles = {node_run.name: node_run.roles for node_run in node_runs}
        self._reached = {node_run.name: 0 for node_run in node_runs}
        self._ended: Dict[str, str] = {}
        self._dependencies = dependencies
        self._stopped = False

    def mark_reached(self, node_run: NodeRun, phase_index: int) -> None:
        """The lane is through with every phase before this place."""
        with self._condition:
            self._reached[node_run.name] = phase_index
            self._condition.notify_all()

    def mark_ended(self, node_run: NodeRun, reason: str) -> None:
        """The lane goes no further."""
        with self._condition:
            self._ended[node_run.name] = reason
            self._condition.notify_all()

    def stop(self) -> None:
        """Nobody begins anything new."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def awaited_nodes(self, node_run: NodeRun, phase: Phase) -> Iterator[Tuple[str, NodeDependency]]:
        """The lanes that this one waits for before a phase or an earlier one, each with the reason."""
        for dependency in self._dependencies:
            if dependency.role in node_run.roles and PHASES.index(dependency.phase) <= PHASES.index(phase):
                for name, roles in self._roles.items():
                    if name != node_run.name and dependency.required_role in roles:
                        yield name, dependency

    def wait_for_others(self, node_run: NodeRun, phase: Phase) -> str:
        """Return once the lane may begin the phase; or why it never may."""
        for name, dependency in self.awaited_nodes(node_run, phase):
            phase_index = PHASES.index(dependency.required_phase)
            with self._condition:
                self._condition.wait_for(
                    lambda: self._stopped or name in self._ended or self._reached[name] > phase_index
                )
                if self._stopped:
                    return "the run was interrupted"
                if self._reached[name] <= phase_index:
                    return f"it needs {dependency.reason}, and {name} did not get through {dependency.required_phase.value}"
        return ""


@dataclass
class _NodeWorker:
    """One lane at work."""

    node_run: NodeRun
    listener: Listener
    masker: Masker
    scope: Scope
    progress: _Progress
    own_run: Optional[ApplyRun] = None
    delegated_run: Optional[ApplyRun] = None
    error: str = ""
    other_workers: Mapping[str, "_NodeWorker"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        node_run = self.node_run
        self.error = node_run.error
        if node_run.connection:
            self.own_run = ApplyRun(node_run.connection, node_run.resources, self.listener, self.masker)
        if node_run.delegate_to:
            self.delegated_run = ApplyRun(
                DelegatedConnection(node_run.delegate_to, node_run.name), node_run.delegated, self.listener, self.masker
            )

    def select(self, resources: Sequence[Resource]) -> List[Resource]:
        """Those within the scope."""
        return select_resources(resources, self.scope.tags, self.scope.start_phase)

    def probe(self) -> None:
        """Read this host's states, those that are another lane's affair too."""
        if self.own_run is None or self.error:
            return
        delegating_workers = [
            worker
            for worker in self.other_workers.values()
            if worker.node_run.delegate_to is self.node_run.connection and worker.delegated_run
        ]
        resources = [
            *self.node_run.resources,
            *(resource for worker in delegating_workers for resource in worker.node_run.delegated),
        ]
        try:
            observed = probe_resources(self.own_run.connection, self.select(resources))
        except PackstackLiteError as error:
            self.error = error.message
            return
        for run in (self.own_run, *(worker.delegated_run for worker in delegating_workers if worker.delegated_run)):
            run.observed = dict(observed)

    def run(self) -> ApplyReport:
        """Every phase in its order, each once what it waits for is there."""
        try:
            self.error = self.error or self._run_phases()
        except PackstackLiteError as error:
            self.error = error.message
        except BaseException as error:
            # Whoever waits for this lane must not wait for ever.
            self.progress.mark_ended(self.node_run, str(error))
            raise
        if self.error:
            self.progress.mark_ended(self.node_run, self.error)
        else:
            self.progress.mark_reached(self.node_run, _ALL_PHASES)
        if self.own_run is None:
            return ApplyReport((), (), 0, 0.0, (), self.node_run.name, self.error)
        return self.own_run.report(*([self.delegated_run] if self.delegated_run else []), error=self.error)

    def _run_phases(self) -> str:
        """Returns what kept the lane from going on, "" for nothing."""
        assert self.own_run
        own_phases, delegated_phases = (
            group_by_phase(self.select(self.node_run.resources)),
            group_by_phase(self.select(self.node_run.delegated)),
        )
        for phase_index, phase in enumerate(PHASES):
            self.progress.mark_reached(self.node_run, phase_index)
            if phase not in own_phases and phase not in delegated_phases:
                continue
            reason = self.progress.wait_for_others(self.node_run, phase)
            if reason:
                self.listener.on_event(Skipped(self.node_run.name, phase, "what is left", reason))
                return f"{self.node_run.name}: phase {phase.value} was not begun: {reason}"
            self.own_run.has_changed = self.own_run.has_changed or self._any_changed(
                {name for name, _ in self.progress.awaited_nodes(self.node_run, phase)}
            )
            self._run_phase(self.own_run, phase, own_phases.get(phase, []))
            if self.delegated_run and phase in delegated_phases:
                delegate_names = {
                    name
                    for name, worker in self.other_workers.items()
                    if worker.node_run.connection is self.node_run.delegate_to
                }
                self.delegated_run.has_changed = (
                    self.delegated_run.has_changed or self.own_run.has_changed or self._any_changed(delegate_names)
                )
                self._run_phase(self.delegated_run, phase, delegated_phases[phase])
        return ""

    def _any_changed(self, names: Set[str]) -> bool:
        """Whether one of these has changed something, so that what was seen at first may be so no more."""
        return any(
            worker.own_run is not None and worker.own_run.has_changed
            for name, worker in self.other_workers.items()
            if name in names
        )

    def _run_phase(self, run: ApplyRun, phase: Phase, resources: Sequence[Resource]) -> None:
        if resources:
            run.run_phase(phase, resources)


def failed_reports(reports: Sequence[ApplyReport]) -> List[ApplyReport]:
    """The reports of the hosts that did not come to their end."""
    return [report for report in reports if report.error]
