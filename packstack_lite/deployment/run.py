"""Where the rooms meet: options become answers, connected hosts, their facts, and their resources."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ContextManager, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

from packstack_lite import preflight, services, smoke
from packstack_lite.answers import Answers
from packstack_lite.cli import output
from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import print_stderr, stderr_console
from packstack_lite.config_overrides import loader
from packstack_lite.config_overrides.user_files import UserTree
from packstack_lite.deployment import answer_sources
from packstack_lite.deployment.attribution import (
    UNREACHABLE_CHECK,
    Attributable,
    attribute,
    raise_for_failures,
    unreachable_finding,
)
from packstack_lite.deployment.connect import build_fact_queries, connect_nodes, lock_owner, owner_is_gone
from packstack_lite.deployment.connection_target import ConnectionTarget, choose_target
from packstack_lite.deployment.node_sessions import Declarations, NodeSession, build_node_sessions, run_parallel
from packstack_lite.engine.apply import apply
from packstack_lite.engine.events import Finding, Listener, blocking_findings
from packstack_lite.engine.journal import record_run
from packstack_lite.engine.lock import hold_lock
from packstack_lite.engine.multi_node import NodeRun, Scope, apply_nodes
from packstack_lite.engine.plan import plan
from packstack_lite.engine.results import ApplyReport, Case, Change, Drift, merge_reports
from packstack_lite.engine.verify import verify
from packstack_lite.errors import PackstackLiteError, PreflightError
from packstack_lite.nodes.facts import gather
from packstack_lite.profiles import Profile
from packstack_lite.remote.command import Command, Connection, Reply
from packstack_lite.report.text import format_finding
from packstack_lite.resources.base import PHASES, Phase, Resource
from packstack_lite.secret import Masker
from packstack_lite.services._base import node_dependencies
from packstack_lite.services._base.context import NodeContext


@dataclass
class Deployment:
    """Everything a verb works with, from the answers to the open connections; the controller is the first site."""

    options: Options
    answers: Answers
    sessions: List[NodeSession]
    masker: Masker
    listener: Listener
    user_tree: UserTree

    @property
    def controller_target(self) -> ConnectionTarget:
        return self.sessions[0].target

    @property
    def controller_connection(self) -> Connection:
        """The controller."""
        connection = self.sessions[0].connection
        assert connection
        return connection

    @property
    def connected_sessions(self) -> List[NodeSession]:
        """The hosts that are worked on."""
        return [session for session in self.sessions if session.is_connected]

    @property
    def _attempted_sessions(self) -> List[NodeSession]:
        """The same, and those that could not be reached; not those that are left alone."""
        return [session for session in self.sessions if session.is_connected or session.connect_error]

    @property
    def controller_context(self) -> NodeContext:
        return self._declarations.context_for(self.sessions[0])

    @cached_property
    def _declarations(self) -> Declarations:
        return Declarations(self.answers, self.sessions, self.user_tree)

    def resources_for(self, session: NodeSession) -> List[Resource]:
        """What is declared for a host, the user's own files laid over it."""
        return self._resources_by_node[session.node.name]

    @cached_property
    def _resources_by_node(self) -> Dict[str, List[Resource]]:
        """The same for every host; the remarks on the user's files are told once."""
        with_overrides = self._declarations.with_overrides
        for warning in dict.fromkeys(
            warning for overridden in with_overrides.values() for warning in overridden.warnings
        ):
            print_stderr(self.options, f"warning: {warning}")
        return {name: overridden.resources for name, overridden in with_overrides.items()}

    def run_preflight(self) -> List[Finding]:
        """What preflight has to say of every host, an unsupported system and a host out of reach included."""
        findings = [finding for session in self.connected_sessions for finding in self._run_preflight_on(session)]
        return findings + [unreachable_finding(session) for session in self.sessions if session.connect_error]

    def _run_preflight_on(self, session: NodeSession) -> List[Finding]:
        assert session.connection and session.facts
        try:
            profile: Optional[Profile] = session.profile
        except PackstackLiteError:
            profile = None
        return preflight.run_checks(session.facts, self.answers, profile, session.connection.name, session.node.roles)

    def run_fixes(self, fixes: Sequence[Tuple[str, Command]]) -> List[Reply]:
        """Run these, each on the host of that name and under its lock, and gather its facts anew; their replies."""
        for cached_name in ("_declarations", "_resources_by_node"):
            self.__dict__.pop(cached_name, None)
        replies: List[Reply] = []
        for session in self.connected_sessions:
            assert session.connection
            node_fixes = [fix for name, fix in fixes if name == session.connection.name]
            if node_fixes:
                with self._lock_node(session):
                    fix_replies, session.facts = gather.run_and_gather_facts(
                        session.connection, node_fixes, *build_fact_queries(self.answers)
                    )
                replies += fix_replies
        return replies

    def require_preflight(self) -> None:
        """Tell every finding; raises PreflightFailed when one forbids to go on."""
        findings = [finding for finding in self.run_preflight() if finding.check != UNREACHABLE_CHECK]
        is_multi_node = len(self.connected_sessions) > 1
        for finding in findings:
            for line in format_finding(finding, self.options.ignore, node=finding.node if is_multi_node else ""):
                stderr_console(self.options).print(line)
        blocking = blocking_findings(findings, tuple(self.options.ignore))
        if blocking:
            names = ", ".join(dict.fromkeys(finding.check for finding in blocking))
            nodes = ", ".join(dict.fromkeys(finding.node for finding in blocking))
            fixable = dict.fromkeys(finding.check for finding in blocking if finding.is_fixable)
            fix_hint = f" (packstack-lite preflight --fix does it for {', '.join(fixable)})" if fixable else ""
            raise PreflightError(
                f"{nodes}: preflight says no: {names}",
                f"do what the findings say{fix_hint}, or go on with --ignore NAME",
            )

    def plan(self, diff: bool = False) -> List[Change]:
        """What apply would change, host by host."""
        self._require_all_connected()
        changes_by_node = run_parallel(
            lambda session: plan(session.live_connection, self._resources_to_probe(session), diff, self.masker),
            self.connected_sessions,
        )
        addresses = [session.target.address for session in self.sessions]
        attributed = self._attribute_to_nodes([change for changes in changes_by_node for change in changes])
        return sorted(attributed, key=lambda change: (addresses.index(change.node), PHASES.index(Phase(change.phase))))

    def verify(self) -> List[Drift]:
        """What is no longer as declared, host by host."""
        self._require_all_connected()
        drift_by_node = run_parallel(
            lambda session: verify(session.live_connection, self._resources_to_probe(session), self.masker),
            self.connected_sessions,
        )
        return self._attribute_to_nodes([drifted for drift in drift_by_node for drifted in drift])

    def _require_all_connected(self) -> None:
        for session in self.sessions:
            if session.connect_error:
                raise session.connect_error

    def _resources_to_probe(self, session: NodeSession) -> List[Resource]:
        """A host's own resources, on the controller also those that it has to look at for others."""
        delegating = self.connected_sessions[1:] if session is self.sessions[0] else []
        return [
            *self.resources_for(session),
            *(resource for delegator in delegating for resource in self._declarations.delegated_for(delegator)),
        ]

    def _attribute_to_nodes(self, items: Sequence[Attributable]) -> List[Attributable]:
        """Those about another host than the one that was asked, told by that one's name."""
        owners = {
            (self.controller_target.address, resource.id): session.target.address
            for session in self.connected_sessions[1:]
            for resource in self._declarations.delegated_for(session)
        }
        addresses_by_name = {session.node.name: session.target.address for session in self._attempted_sessions}
        subjects = {
            (session.target.address, resource.id): addresses_by_name[resource.attributed_to]
            for session in self.connected_sessions
            for resource in self.resources_for(session)
            if resource.attributed_to in addresses_by_name
        }
        return attribute(items, owners, subjects)

    def _attribute_reports(self, reports: Sequence[ApplyReport]) -> List[ApplyReport]:
        """The reports with each change in that of the host whose affair it is."""
        changes = self._attribute_to_nodes([change for report in reports for change in report.changes])
        return [
            replace(report, changes=tuple(attributed for attributed in changes if attributed.node == report.node))
            for report in reports
        ]

    def apply(self, only: FrozenSet[str] = frozenset(), start_phase: Optional[Phase] = None) -> ApplyReport:
        """Make every host as declared, under its lock, and leave a line in its journal.

        Raises PhaseFailed when a host did not come to its end; the others have, as far as they do not need it.
        """
        resources_by_node = self._resources_by_node
        with ExitStack() as locks:
            for session in self.connected_sessions:
                locks.enter_context(self._lock_node(session))
            if len(self.sessions) == 1:
                reports = [
                    apply(
                        self.controller_connection,
                        resources_by_node[self.sessions[0].node.name],
                        self.listener,
                        self.masker,
                        only,
                        start_phase,
                    )
                ]
            else:
                dependencies = node_dependencies.select_dependencies(
                    services.requested_services(self.controller_context)
                )
                reports = apply_nodes(
                    self._node_runs(), dependencies, self.listener, self.masker, Scope(only, start_phase)
                )
            run_parallel(
                lambda session_and_report: self._write_journal(*session_and_report),
                [*zip(self._attempted_sessions, reports)],
            )
        raise_for_failures(reports)
        return merge_reports(self._attribute_reports(reports))

    def _node_runs(self) -> List[NodeRun]:
        return [self._node_run(session) for session in self._attempted_sessions]

    def _node_run(self, session: NodeSession) -> NodeRun:
        name, roles = session.target.address, session.node.roles
        if not session.is_connected:
            return NodeRun(name, roles, None, error=session.connect_error.message if session.connect_error else "")
        delegated = self._declarations.delegated_for(session)
        return NodeRun(
            name,
            roles,
            session.connection,
            self.resources_for(session),
            delegated,
            self.controller_connection if delegated else None,
        )

    def _write_journal(self, session: NodeSession, report: ApplyReport) -> None:
        if session.connection and not report.error:
            session.connection.run(
                [record_run(self.resources_for(session), report, lock_owner(), session.profile.name)]
            )

    def _lock_node(self, session: NodeSession) -> ContextManager[None]:
        assert session.connection
        return hold_lock(session.connection, lock_owner(), owner_is_gone, lambda text: print_stderr(self.options, text))

    def smoke(self) -> List[Case]:
        """Use the cloud; each case is told as it ends."""
        # Floating addresses are behind a bridge of that host.
        network_session = next(
            (session for session in self.connected_sessions if "network" in session.node.roles), self.sessions[0]
        )
        return smoke.run_cases(
            network_session.live_connection,
            self.controller_context.admin_credentials,
            self.answers,
            self.sessions[0].profile,
            lambda case: output.print_case(self.options, case, network_session.log),
            network_session.node.roles,
        )


@contextmanager
def open_deployment(
    options: Options, require_answers: bool = False, create_sandbox: bool = False
) -> Iterator[Deployment]:
    """Connect to the hosts that the answers name, and gather their facts.

    Answers that name no controller mean this machine, as in Packstack. ``make`` lets a sandbox
    be made, ``answers_needed`` refuses to guess answers for a host that was deployed before.
    Raises ConnectFault when the controller is out of reach; of another host the site tells.
    """
    user_tree = loader.load_directory(options.config_dir)
    target = choose_target(
        options,
        answer_sources.find_controller(options),
        allow_local=bool(options.answer_files),
        create_sandbox=create_sandbox,
    )
    answers = answer_sources.resolve_answers(options, target, require_answers)
    for warning in answers.warnings:
        print_stderr(options, f"warning: {warning}")
    sessions = build_node_sessions(options, answers, target)
    with connect_nodes(options, sessions, answers, user_tree) as (masker, listener):
        yield Deployment(options, answers, sessions, masker, listener, user_tree)
