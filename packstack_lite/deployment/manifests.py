"""The nodes' manifests in a run: what is recorded, declared, and to be removed.

Used by ``deployment.deployment``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Callable, Dict, List, Mapping, Sequence, Tuple

from packstack_lite.deployment.node_sessions import Declarations, NodeSession
from packstack_lite.engine.apply import select_resources
from packstack_lite.engine.journal import record_manifest, record_run
from packstack_lite.engine.lock import lock_owner
from packstack_lite.engine.multi_node import Scope
from packstack_lite.engine.results import ApplyReport
from packstack_lite.manifest import Manifest, ManifestEntry, merge_entries
from packstack_lite.preflight.identity import identity_of
from packstack_lite.resources.base import Resource
from packstack_lite.services import removals
from packstack_lite.services.removals import Removals


@dataclass(frozen=True)
class NodeManifests:
    """The manifests of the cloud's nodes.

    ``declared_by_node`` are the nodes' declared resources, by the node's name. The first session is the controller's;
    its manifest lists what it did on behalf of others too.
    """

    answers: Mapping[str, object]
    sessions: Sequence[NodeSession]
    declarations: Declarations
    declared_by_node: Mapping[str, Sequence[Resource]]

    @cached_property
    def knows_all_nodes(self) -> bool:
        """Return whether facts of every node are known, excluded ones included."""
        return all(session.facts for session in self.sessions)

    def declared_entries(self, session: NodeSession) -> Tuple[ManifestEntry, ...]:
        """Return what is declared on a node; on the controller also on behalf of others."""
        others = [other for other in self.sessions[1:] if other.facts] if session is self.sessions[0] else []
        delegated = [resource for other in others for resource in self.declarations.delegated_for(other)]
        return removals.list_entries([*self.declared_by_node[session.node.name], *delegated])

    def recorded_entries(self, session: NodeSession) -> Tuple[ManifestEntry, ...]:
        """Return what earlier runs made on a node.

        On the controller this includes what lost roles of any node have left in the APIs.
        """
        assert session.facts
        entries = session.facts.cloud.manifest.entries
        if session is not self.sessions[0]:
            return entries
        lost = [self._lost_entries(other) for other in self.sessions if other.facts]
        return merge_entries(entries, *lost)

    def _lost_entries(self, session: NodeSession) -> Tuple[ManifestEntry, ...]:
        """Return the entries in the APIs of units that a node had and no longer has."""
        assert session.facts
        declared_ids = {resource.id for resource in self.declared_by_node[session.node.name]}
        entries = [entry for entry in session.facts.cloud.manifest.entries if entry.id not in declared_ids]
        return removals.entries_of_lost_roles(self.declarations.context_for(session), entries)

    @cached_property
    def _removals_by_node(self) -> Dict[str, Removals]:
        """Removals by the node's name."""
        return {session.node.name: self._declare_removals(session) for session in self.sessions if session.facts}

    def _declare_removals(self, session: NodeSession) -> Removals:
        """Declare what is no longer declared on a node."""
        declared = {entry.id for entry in self.declared_entries(session)}
        context = self.declarations.context_for(session)
        return removals.declare_removals(context, self.recorded_entries(session), declared, self.knows_all_nodes)

    def removals_for(self, session: NodeSession) -> Sequence[Resource]:
        """Return the resources that remove what is no longer declared on a node."""
        return self._removals_by_node[session.node.name].resources

    def report_kept(self, warn: Callable[[str], None]) -> None:
        """Warn of each thing that is no longer declared and stays."""
        for session in self.sessions:
            for sentence in self._removals_by_node.get(session.node.name, Removals()).kept:
                warn(f"{session.node.name}: {sentence}")

    def service_list(self, session: NodeSession) -> List[Resource]:
        """Return, for the controller, the check of the services that the APIs list.

        Empty if a node is unknown: its services would seem to be nobody's.
        """
        controller = self.sessions[0]
        if session is not controller or not self.knows_all_nodes:
            return []
        declared = {entry.id for entry in self.declared_entries(controller)}
        return [removals.declare_service_list(self.declarations.context_for(controller), declared)]

    def write_before(self, session: NodeSession) -> None:
        """Record what a run is about to make, unless it is recorded.

        So a run that fails or is interrupted leaves nothing that no manifest lists.
        """
        assert session.facts
        recorded = session.facts.cloud.manifest
        entries = merge_entries(self.declared_entries(session), self.recorded_entries(session))
        if {entry.id for entry in entries} == {entry.id for entry in recorded.entries}:
            return
        manifest = Manifest(entries, recorded.identity)
        resources = self.declared_by_node[session.node.name]
        session.live_connection.run([record_manifest(manifest, resources, session.profile.name)])

    def write_after(self, session: NodeSession, report: ApplyReport, scope: Scope) -> None:
        """Record a run in the manifest and the journal, if it succeeded on the node.

        What the run removed is forgotten; what it did not work on, or kept, is not.
        """
        if report.error or not session.connection or not session.facts:
            return
        node_removals = self._removals_by_node[session.node.name]
        selected = {
            resource.id for resource in select_resources(node_removals.resources, scope.tags, scope.start_phase)
        }
        is_whole_run = selected >= {resource.id for resource in node_removals.resources}
        remaining = [
            entry
            for entry in self.recorded_entries(session)
            if not is_whole_run or entry.id in node_removals.kept_ids or self._may_last(entry)
        ]
        manifest = Manifest(
            merge_entries(self.declared_entries(session), remaining),
            {
                **session.facts.cloud.manifest.identity,
                **identity_of(self.answers, session.facts, session.node.roles),
            },
        )
        resources = self.declared_by_node[session.node.name]
        session.connection.run([record_run(manifest, resources, report, lock_owner(), session.profile.name)])

    def _may_last(self, entry: ManifestEntry) -> bool:
        """Return whether an entry's thing may still be there after a successful run."""
        return entry.kind in removals.LASTING_KINDS or not (
            self.knows_all_nodes or entry.kind not in removals.HOST_KINDS
        )
