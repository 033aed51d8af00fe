"""Apply on several nodes in parallel. Called by ``deployment``.

A node waits for another only where it needs something of it.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from packstack_lite.engine.apply import ApplyRun, NodePhaseError, select_resources
from packstack_lite.engine.diff import diff_resources, group_by_phase
from packstack_lite.engine.events import Listener, Skipped
from packstack_lite.engine.probe import probe_resources
from packstack_lite.engine.results import ApplyReport
from packstack_lite.errors import PackstackLiteError
from packstack_lite.remote.command import Connection
from packstack_lite.remote.connection_proxy import ConnectionProxy
from packstack_lite.resources.base import PHASES, Phase, Resource
from packstack_lite.secret import Masker
from packstack_lite.services._base.node_dependencies import NodeDependency

_ALL_PHASES = len(PHASES)
_INTERRUPTED = "the run was interrupted"


class DelegatedConnection(ConnectionProxy):
    """A delegate's connection under the name of the node it works for.

    Changes are reported as that node's.
    """

    def close(self) -> None:
        """Do nothing: the connection belongs to the delegate."""

    def abort(self) -> None:
        """Do nothing: the connection belongs to the delegate."""


@dataclass(frozen=True)
class NodeRun:
    """A node's work in this run.

    ``resources`` are applied on the node, ``delegated`` ones through the connection ``delegate_to`` on its behalf.
    ``connection`` is None for a node that could not be reached; ``error`` says why.
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
    """The part of the work that a run does; see ``select_resources``."""

    tags: FrozenSet[str] = frozenset()
    start_phase: Optional[Phase] = None


def apply_nodes(
    node_runs: Sequence[NodeRun],
    dependencies: Sequence[NodeDependency],
    listener: Listener,
    masker: Masker,
    scope: Scope,
    parallel: int,
) -> List[ApplyReport]:
    """Make every node as declared, in parallel; return a report for each.

    A node that fails stops only the nodes that wait for it; their reports have an ``error`` too. All states are read
    before anything is changed, in one round trip per node. At most ``parallel`` nodes are at work at any moment; a node
    that waits for others is not at work.
    """
    progress = _Progress(node_runs, dependencies, parallel)
    workers = [_NodeWorker(node_run, listener, masker, scope, progress) for node_run in node_runs]
    for worker in workers:
        worker.other_workers = {
            other_worker.node_run.name: other_worker for other_worker in workers if other_worker is not worker
        }
    pool = ThreadPoolExecutor(max(1, len(workers)), "node")
    try:
        list(pool.map(_NodeWorker.probe, workers))
        reports = list(pool.map(_NodeWorker.run, workers))
    except BaseException:
        # Only this thread gets the interrupt. The others shall end now and not when their jobs do; it does not wait.
        progress.stop()
        for node_run in node_runs:
            if node_run.connection:
                node_run.connection.abort()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return reports


class _Progress:
    """The progress of each node by phase; workers wait here for other nodes."""

    def __init__(self, node_runs: Sequence[NodeRun], dependencies: Sequence[NodeDependency], parallel: int) -> None:
        self._condition = threading.Condition()
        self._roles = {node_run.name: node_run.roles for node_run in node_runs}
        self._reached = {node_run.name: 0 for node_run in node_runs}
        self._ended: Dict[str, str] = {}
        self._dependencies = dependencies
        self._free_turns = parallel
        self._stopped = False

    def mark_reached(self, node_run: NodeRun, phase_index: int) -> None:
        """Record that the node has finished every phase before this index."""
        with self._condition:
            self._reached[node_run.name] = phase_index
            self._condition.notify_all()

    def mark_ended(self, node_run: NodeRun, reason: str) -> None:
        """Record that the node goes no further."""
        with self._condition:
            self._ended[node_run.name] = reason
            self._condition.notify_all()

    def stop(self) -> None:
        """Keep every node from beginning another phase."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    @contextmanager
    def turn(self) -> Iterator[str]:
        """Wait until the node may be at work; it is until the end of the block.

        Yields "", or why there is nothing to do any more.
        """
        with self._condition:
            while not self._stopped and not self._free_turns:
                self._condition.wait()
            self._free_turns -= 1
        try:
            yield _INTERRUPTED if self._stopped else ""
        finally:
            with self._condition:
                self._free_turns += 1
                self._condition.notify_all()

    def awaited_nodes(self, node_run: NodeRun, phase: Phase) -> Iterator[Tuple[str, NodeDependency]]:
        """Yield each node that this one waits for up to a phase, and the dependency."""
        for dependency in self._dependencies:
            if dependency.role in node_run.roles and PHASES.index(dependency.phase) <= PHASES.index(phase):
                for name, roles in self._roles.items():
                    if name != node_run.name and dependency.required_role in roles:
                        yield name, dependency

    def wait_for_others(self, node_run: NodeRun, phase: Phase) -> str:
        """Wait until the node may begin the phase; return "" or why it never may."""
        for name, dependency in self.awaited_nodes(node_run, phase):
            phase_index = PHASES.index(dependency.required_phase)
            with self._condition:
                while not (self._stopped or name in self._ended or self._reached[name] > phase_index):
                    self._condition.wait()
                if self._stopped:
                    return _INTERRUPTED
                if self._reached[name] <= phase_index:
                    return f"waits for {dependency.reason}, but {name} did not finish {dependency.required_phase.value}"
        return ""


@dataclass
class _NodeWorker:
    """The worker that runs one node's work in a thread of its own."""

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
        """Return the resources within the scope."""
        return select_resources(resources, self.scope.tags, self.scope.start_phase)

    def probe(self) -> None:
        """Probe this node's resources and those delegated to it, in one round trip.

        The states are kept in the runs' ``observed``; an error ends the node's work.
        """
        if self.own_run is None or self.error:
            return
        with self.progress.turn() as reason:
            self.error = reason or self._probe(self.own_run)

    def _probe(self, own_run: ApplyRun) -> str:
        """Probe the resources; return the reason of an error, "" for none."""
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
            observed = probe_resources(own_run.connection, self.select(resources))
        except PackstackLiteError as error:
            return self._error_reason(error)
        for run in (own_run, *(worker.delegated_run for worker in delegating_workers if worker.delegated_run)):
            run.observed = dict(observed)
        return ""

    def run(self) -> ApplyReport:
        """Run every phase in order, each once the nodes it waits for are ready."""
        try:
            self.error = self.error or self._run_phases()
        except PackstackLiteError as error:
            self.error = self._error_reason(error)
        except BaseException as error:
            # Nodes that wait for this one must not wait for ever.
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
        """Run the phases; return what kept the node from going on, "" for nothing."""
        assert self.own_run
        own_phases, delegated_phases = (
            group_by_phase(self.select(self.node_run.resources)),
            group_by_phase(self.select(self.node_run.delegated)),
        )
        for phase_index, phase in enumerate(PHASES):
            self.progress.mark_reached(self.node_run, phase_index)
            if phase not in own_phases and phase not in delegated_phases:
                continue
            if phase is Phase.REMOVE and not diff_resources(own_phases.get(phase, []), self.own_run.observed):
                # Nothing appears that has to be removed: there is no need to wait for other nodes.
                continue
            reason = self.progress.wait_for_others(self.node_run, phase)
            if not reason:
                with self.progress.turn() as reason:
                    if not reason:
                        self._run_phase(phase, own_phases.get(phase, []), delegated_phases.get(phase, []))
            if reason:
                self.listener.on_event(Skipped(self.node_run.name, phase, "the remaining phases", reason))
                return f"{phase.value}: {reason}"
        return ""

    def _error_reason(self, error: PackstackLiteError) -> str:
        """Return the error without the node's name, which the report has anyway."""
        if isinstance(error, NodePhaseError):
            return error.reason
        prefix = f"{self.node_run.name}: "
        return error.message[len(prefix) :] if error.message.startswith(prefix) else error.message

    def _any_changed(self, names: Set[str]) -> bool:
        """Tell whether one of these nodes has changed something in this run.

        States that were read before may be outdated then.
        """
        return any(
            worker.own_run is not None and worker.own_run.has_changed
            for name, worker in self.other_workers.items()
            if name in names
        )

    def _run_phase(self, phase: Phase, own: Sequence[Resource], delegated: Sequence[Resource]) -> None:
        """Run one phase: the node's own resources, then those that are delegated for it."""
        assert self.own_run
        self.own_run.has_changed = self.own_run.has_changed or self._any_changed(
            {name for name, _ in self.progress.awaited_nodes(self.node_run, phase)}
        )
        if own:
            self.own_run.run_phase(phase, own)
        if not self.delegated_run or not delegated:
            return
        delegate_names = {
            name
            for name, worker in self.other_workers.items()
            if worker.node_run.connection is self.node_run.delegate_to
        }
        self.delegated_run.has_changed = (
            self.delegated_run.has_changed or self.own_run.has_changed or self._any_changed(delegate_names)
        )
        self.delegated_run.run_phase(phase, delegated)


def failed_reports(reports: Sequence[ApplyReport]) -> List[ApplyReport]:
    """Return the reports of the nodes that did not finish."""
    return [report for report in reports if report.error]
