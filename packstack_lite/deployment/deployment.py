"""One run against the nodes of a cloud.

Holds ``open_deployment`` and ``Deployment``, which docs/api.md describes.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Callable, ContextManager, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple, TypeVar

from packstack_lite import preflight, services, smoke
from packstack_lite.answers import Answers
from packstack_lite.config_overrides import loader
from packstack_lite.config_overrides.user_files import UserTree
from packstack_lite.deployment import answer_sources, run_record
from packstack_lite.deployment.attribution import (
    UNREACHABLE_CHECK,
    Attributable,
    attribute,
    raise_for_failures,
    unreachable_finding,
)
from packstack_lite.deployment.connect import build_fact_queries, connect_nodes
from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.deployment.manifests import NodeManifests
from packstack_lite.deployment.new_answer_file import NewAnswerFile
from packstack_lite.deployment.node_checks import check_arguments
from packstack_lite.deployment.node_sessions import Declarations, NodeSession, build_node_sessions, run_parallel
from packstack_lite.deployment.obvious_target import choose_known_target, is_found_here
from packstack_lite.deployment.options import (
    CONTROLLER_OF_ANSWERS,
    DEFAULT_CONNECTION,
    DEFAULT_RUN,
    NO_ANSWERS,
    NO_CALLBACKS,
    AnswerSources,
    Callbacks,
    ConnectionOptions,
    NodeSelection,
    RunOptions,
)
from packstack_lite.deployment.remembered import find_record
from packstack_lite.engine.apply import apply
from packstack_lite.engine.events import Fanout, Finding, Listener, NodeFilter, WaitEnd, blocking_findings
from packstack_lite.engine.lock import hold_lock, lock_owner, owner_is_gone
from packstack_lite.engine.multi_node import NodeRun, Scope, apply_nodes
from packstack_lite.engine.plan import plan
from packstack_lite.engine.results import ApplyReport, Case, Change, Drift, merge_reports
from packstack_lite.engine.verify import verify
from packstack_lite.errors import PreflightError
from packstack_lite.nodes.facts import gather
from packstack_lite.nodes.inventory import describe_nodes
from packstack_lite.recommended import recommend_here
from packstack_lite.remote.command import Command, Connection, Reply
from packstack_lite.report.formatting import describe_case
from packstack_lite.resources.base import PHASES, Phase, Resource
from packstack_lite.secret import Masker
from packstack_lite.services._base import node_dependencies
from packstack_lite.services._base.context import NodeContext

R = TypeVar("R")
# Checks that a sandbox with preinstalled packages fails by design.
_PREINSTALLED_CHECKS = ("leftovers", "database")


@dataclass
class Deployment:
    """The connected nodes of a cloud, with their answers.

    ``open_deployment`` creates it.
    The first of ``sessions`` is the controller's. ``masker`` hides the run's secrets in text.
    """

    answers: Answers
    sessions: List[NodeSession]
    masker: Masker
    user_tree: UserTree
    run_options: RunOptions = DEFAULT_RUN
    callbacks: Callbacks = NO_CALLBACKS

    @property
    def controller_target(self) -> ConnectionTarget:
        """Return the way to reach the controller."""
        return self.sessions[0].target

    @property
    def controller_connection(self) -> Connection:
        """The connection to the controller."""
        return self.sessions[0].live_connection

    @property
    def nodes_text(self) -> str:
        """The number of nodes, with the roles of each, in words."""
        return describe_nodes([session.node for session in self.sessions])

    @property
    def connected_sessions(self) -> List[NodeSession]:
        """The nodes that are connected: neither excluded nor unreachable."""
        return [session for session in self.sessions if session.is_connected]

    @property
    def attempted_sessions(self) -> List[NodeSession]:
        """Connected and unreachable nodes; excluded nodes are omitted."""
        return [session for session in self.sessions if session.is_connected or session.connect_error]

    @property
    def controller_context(self) -> NodeContext:
        """Return the NodeContext of the controller, from which services declare resources."""
        return self._declarations.context_for(self.sessions[0])

    @property
    def ignored_checks(self) -> Tuple[str, ...]:
        """The preflight checks whose errors do not stop apply."""
        by_design = _PREINSTALLED_CHECKS if self.controller_target.has_preinstalled_packages else ()
        return (*self.run_options.ignored_checks, *by_design)

    @cached_property
    def _declarations(self) -> Declarations:
        """The resources that the answers declare for these nodes."""
        return Declarations(self.answers, self.sessions, self.user_tree)

    def resources_for(self, session: NodeSession) -> List[Resource]:
        """Return a node's own resources, with the configuration overrides in its files.

        Those that overrides add, the declared ones by phase, then removals. Delegated ones are not among them.
        """
        return [*self._resources_by_node[session.node.name], *self._manifests.removals_for(session)]

    @cached_property
    def _manifests(self) -> NodeManifests:
        """The manifests of these nodes."""
        return NodeManifests(self.answers, self.sessions, self._declarations, self._resources_by_node)

    @cached_property
    def _resources_by_node(self) -> Dict[str, List[Resource]]:
        """The resources of each node; computed once, with one warning for each cause."""
        with_overrides = self._declarations.with_overrides
        for warning in dict.fromkeys(
            warning for overridden in with_overrides.values() for warning in overridden.warnings
        ):
            self.callbacks.warn(warning)
        return {name: overridden.resources for name, overridden in with_overrides.items()}

    def preflight(self) -> List[Finding]:
        """Run every check on the connected nodes.

        Unsupported systems and unreachable nodes are findings too.
        """
        findings = [
            finding
            for session in self.connected_sessions
            for finding in preflight.run_checks(*check_arguments(session, self.sessions, self.answers))
        ]
        return findings + [unreachable_finding(session) for session in self.sessions if session.connect_error]

    def require_preflight(self, on_finding: Callable[[Finding], None] = lambda finding: None) -> None:
        """Run every check and pass each finding to ``on_finding``.

        Raises PreflightError if one blocks apply.
        Unreachable nodes do not block: the other nodes are deployed without them.
        """
        findings = [finding for finding in self.preflight() if finding.check != UNREACHABLE_CHECK]
        for finding in findings:
            on_finding(finding)
        blocking = blocking_findings(findings, self.ignored_checks)
        if blocking:
            names = ", ".join(dict.fromkeys(finding.check for finding in blocking))
            nodes = ", ".join(dict.fromkeys(finding.node for finding in blocking))
            fixable = dict.fromkeys(finding.check for finding in blocking if finding.is_fixable)
            fix_hint = f" ({recommend_here('preflight', '--fix')} does it for {', '.join(fixable)})" if fixable else ""
            raise PreflightError(
                f"{nodes}: preflight failed: {names}",
                f"do what the findings say{fix_hint}, or go on with --ignore NAME",
            )

    def run_fixes(self, fixes: Sequence[Tuple[str, Command]]) -> List[Reply]:
        """Run fixes, each on the node of that address and under its lock.

        Gather facts anew and return the replies.
        """
        for cached_name in ("_declarations", "_resources_by_node", "_manifests"):
            self.__dict__.pop(cached_name, None)
        replies: List[Reply] = []
        for session in self.connected_sessions:
            node_fixes = [fix for address, fix in fixes if address == session.live_connection.name]
            if node_fixes:
                with self._lock_node(session):
                    fix_replies, session.facts = gather.run_and_gather_facts(
                        session.live_connection, node_fixes, *build_fact_queries(self.answers, session.node)
                    )
                replies += fix_replies
        return replies

    def plan(self, diff: bool = False) -> List[Change]:
        """Return what apply would change, by node and phase, and change nothing.

        With ``diff``, the changes hold the changed lines.
        Raises ConnectError if a node is unreachable.
        """
        self._require_all_connected()
        self._manifests.report_kept(self.callbacks.warn)
        with self.callbacks.working("reading the state of every resource"):
            changes_by_node = self._run_parallel(
                lambda session: plan(session.live_connection, self._resources_to_probe(session), diff, self.masker)
            )
        addresses = [session.target.address for session in self.sessions]
        attributed = self._attribute_to_nodes([change for changes in changes_by_node for change in changes])
        return sorted(attributed, key=lambda change: (addresses.index(change.node), PHASES.index(Phase(change.phase))))

    def verify(self) -> List[Drift]:
        """Return what differs from the declared state, by node.

        Raises ConnectError if a node is unreachable.
        """
        self._require_all_connected()
        self._manifests.report_kept(self.callbacks.warn)
        with self.callbacks.working("reading the state of every resource"):
            drift_by_node = self._run_parallel(
                lambda session: verify(
                    session.live_connection,
                    [*self._resources_to_probe(session), *self._manifests.service_list(session)],
                    self.masker,
                )
            )
        return self._attribute_to_nodes([drifted for drift in drift_by_node for drifted in drift])

    def _run_parallel(self, function: Callable[[NodeSession], R]) -> List[R]:
        """Call the function for each connected node; return the results in order."""
        return run_parallel(function, self.connected_sessions, self.run_options.parallel)

    def _require_all_connected(self) -> None:
        """Raise the connect error of the first unreachable node."""
        for session in self.sessions:
            if session.connect_error:
                raise session.connect_error

    def _resources_to_probe(self, session: NodeSession) -> List[Resource]:
        """Return a node's own resources; for the controller also those delegated to it."""
        delegating = self.connected_sessions[1:] if session is self.sessions[0] else []
        return [
            *self.resources_for(session),
            *(resource for delegator in delegating for resource in self._declarations.delegated_for(delegator)),
        ]

    def _attribute_to_nodes(self, items: Sequence[Attributable]) -> List[Attributable]:
        """Set the node of each change or drift to the node it belongs to."""
        owners = {
            (self.controller_target.address, resource.id): session.target.address
            for session in self.connected_sessions[1:]
            for resource in self._declarations.delegated_for(session)
        }
        addresses_by_name = {session.node.name: session.target.address for session in self.attempted_sessions}
        subjects = {
            (session.target.address, resource.id): addresses_by_name[resource.attributed_to]
            for session in self.connected_sessions
            for resource in self.resources_for(session)
            if resource.attributed_to in addresses_by_name
        }
        return attribute(items, owners, subjects)

    def _attribute_reports(self, reports: Sequence[ApplyReport]) -> List[ApplyReport]:
        """Move each change into the report of the node it belongs to."""
        changes = self._attribute_to_nodes([change for report in reports for change in report.changes])
        return [
            replace(report, changes=tuple(attributed for attributed in changes if attributed.node == report.node))
            for report in reports
        ]

    def apply(
        self,
        listener: Optional[Listener] = None,
        only: FrozenSet[str] = frozenset(),
        start_phase: Optional[Phase] = None,
    ) -> ApplyReport:
        """Bring every node to its declared state, under its lock.

        The run is recorded in the node's journal.
        ``listener`` gets every event; the run log does so anyway. ``only`` limits the run to resources with one of
        these tags, ``start_phase`` to that phase and later ones. A failed node stops only the nodes that need it.
        Raises PhaseError if a node failed, LockedError if another run holds a lock.
        """
        scope, parallel = Scope(only, start_phase), self.run_options.parallel
        waiting = ExitStack()
        listener = self._with_run_logs(listener, WaitEnd(waiting))
        with waiting, ExitStack() as locks:
            waiting.enter_context(self.callbacks.working("reading the state of every resource"))
            self._run_parallel(lambda session: locks.enter_context(self._lock_node(session)))
            self._run_parallel(self._manifests.write_before)
            if len(self.sessions) == 1:
                resources = self.resources_for(self.sessions[0])
                reports = [apply(self.controller_connection, resources, listener, self.masker, only, start_phase)]
            else:
                dependencies = node_dependencies.select_dependencies(
                    services.requested_services(self.controller_context)
                )
                reports = apply_nodes(self._node_runs(), dependencies, listener, self.masker, scope, parallel)
            pairs = [*zip(self.attempted_sessions, reports)]
            run_parallel(lambda pair: self._manifests.write_after(*pair, scope), pairs, parallel)
        raise_for_failures(reports)
        return merge_reports(self._attribute_reports(reports))

    def _with_run_logs(self, listener: Optional[Listener], first: Listener) -> Listener:
        """Return a listener that passes each event on, and to the run log of its node.

        ``first`` gets each event before all others.
        """
        logs = [NodeFilter(session.target.address, session.log) for session in self.sessions if session.log]
        return Fanout([first, *([listener] if listener else []), *logs])

    def _node_runs(self) -> List[NodeRun]:
        """Return the work of every node for apply, unreachable ones included."""
        return [self._node_run(session) for session in self.attempted_sessions]

    def _node_run(self, session: NodeSession) -> NodeRun:
        """Return a node's work for apply.

        These are its resources and those delegated to the controller.
        """
        address, roles = session.target.address, session.node.roles
        if not session.is_connected:
            return NodeRun(address, roles, None, error=session.connect_error.message if session.connect_error else "")
        delegated = self._declarations.delegated_for(session)
        return NodeRun(
            address,
            roles,
            session.connection,
            self.resources_for(session),
            delegated,
            self.controller_connection if delegated else None,
        )

    def _lock_node(self, session: NodeSession) -> ContextManager[None]:
        """Return a context manager that holds the node's lock."""
        return hold_lock(session.live_connection, lock_owner(), owner_is_gone, self.callbacks.progress)

    def smoke(
        self, on_case: Callable[[Case], None] = lambda case: None, external: Optional[smoke.ExternalNetwork] = None
    ) -> List[Case]:
        """Use the cloud as a user does.

        Return every case, each passed to ``on_case`` and the log as it ends. ``external`` is a network that is made for
        the test (``parse_external_network``).
        """
        # Floating addresses are behind a bridge of the network node.
        session = next(
            (session for session in self.connected_sessions if "network" in session.node.roles), self.sessions[0]
        )

        def report_case(case: Case) -> None:
            """Report a case to the caller and write it into the run's log."""
            on_case(case)
            if session.log:
                session.log.write(f"{describe_case(case)}\n{case.detail}")

        with self.callbacks.working("the smoke test runs"):
            return smoke.run_cases(
                session.live_connection,
                self.controller_context.admin_credentials,
                self._declarations.context_for(session),
                self.sessions[0].profile,
                report_case,
                external,
            )


@contextmanager
def open_deployment(
    answers: AnswerSources = NO_ANSWERS,
    nodes: NodeSelection = CONTROLLER_OF_ANSWERS,
    connection: ConnectionOptions = DEFAULT_CONNECTION,
    run: RunOptions = DEFAULT_RUN,
    callbacks: Callbacks = NO_CALLBACKS,
    require_answers: bool = False,
    create_sandbox: bool = False,
    new_answers: Optional[NewAnswerFile] = None,
    remember: bool = False,
) -> Iterator[Deployment]:
    """Resolve the answers, connect to the nodes they name, and gather facts.

    Close the connections at the end.
    ``nodes`` says where to connect for the controller, if not to CONFIG_CONTROLLER_HOST. Answer files without a
    controller mean this machine, as in Packstack. Where neither is given, the only known deployment is opened.
    ``require_answers`` refuses to invent answers for a node without an answer file; ``create_sandbox`` permits to
    create the sandbox that ``nodes`` names. ``new_answers`` is what ``write_new_answer_file`` returned, if the answers
    come from there. With ``remember`` a later run finds these answers again for this machine. Raises UsageError,
    AnswersError, and ConnectError if the controller is out of reach; ``preflight`` reports other unreachable nodes.
    """
    user_tree = loader.load_directory(run.config_dir)
    target = choose_known_target(answers, nodes, connection, callbacks, create_sandbox)
    record = None if answers.files else find_record(target)
    resolved = answer_sources.resolve_answers(answers, target, require_answers or is_found_here(target, answers, nodes))
    for warning in resolved.warnings:
        callbacks.warn(warning)
    sessions = build_node_sessions(resolved, target, connection, callbacks)
    callbacks.progress(describe_nodes([session.node for session in sessions]))
    with connect_nodes(sessions, resolved, user_tree, connection, run, callbacks) as masker:
        run_record.check_and_remember(sessions[0], answers, run, record, new_answers, remember, callbacks)
        yield Deployment(resolved, sessions, masker, user_tree, run, callbacks)
