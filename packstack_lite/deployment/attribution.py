"""Attribute changes and failures to the node they belong to.

Used by ``deployment.deployment``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import List, Mapping, Sequence, Tuple, TypeVar

from packstack_lite.counts import format_count
from packstack_lite.deployment.node_sessions import NodeSession
from packstack_lite.engine.events import Finding
from packstack_lite.engine.multi_node import failed_reports
from packstack_lite.engine.results import ApplyReport, Change, Drift
from packstack_lite.errors import PhaseError

Attributable = TypeVar("Attributable", Change, Drift)
# A node's address, and the id of a resource there.
ResourceKey = Tuple[str, str]
UNREACHABLE_CHECK = "reach"


def unreachable_finding(session: NodeSession) -> Finding:
    """Return the connect error of an unreachable node as a preflight finding."""
    assert session.connect_error
    hint = f"{session.connect_error.hint}; or exclude it: EXCLUDE_SERVERS={session.node.name}"
    return Finding(UNREACHABLE_CHECK, session.target.address, "error", session.connect_error.message, hint)


def attribute(
    items: Sequence[Attributable], owners: Mapping[ResourceKey, str], subjects: Mapping[ResourceKey, str]
) -> List[Attributable]:
    """Set the node of each item to the node it belongs to; items are changes or drift.

    ``owners`` names the node on whose behalf a delegated resource was applied. ``subjects`` names the node that a
    resource is about, such as the peer that a firewall rule admits: the item belongs to the peer only if the peer has
    items of its own. Then the peer is what is new, not the node with the rule.
    """
    owned = [replace(item, node=owners.get((item.node, item.resource_id), item.node)) for item in items]
    own_nodes = {item.node for item in owned if (item.node, item.resource_id) not in subjects}
    active_subjects = {key: subject for key, subject in subjects.items() if subject in own_nodes}
    return [replace(item, node=active_subjects.get((item.node, item.resource_id), item.node)) for item in owned]


def raise_for_failures(reports: Sequence[ApplyReport]) -> None:
    """Raise PhaseError that names each failed node and why; do nothing if none failed.

    The message is like "1 of 3 nodes failed: compute-2 (Services: nova-compute did not start)".
    """
    failures = [f"{report.node} ({report.error})" for report in failed_reports(reports)]
    if not failures:
        return
    completed = [report.node for report in reports if not report.error]
    raise PhaseError(
        f"{len(failures)} of {format_count(len(reports), 'node')} failed: {', '.join(failures)}"
        + (f"; completed: {', '.join(completed)}" if completed else ""),
        "fix the causes named above, then run the same command again: each node resumes where it failed",
    )
