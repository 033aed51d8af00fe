"""What is told of several hosts together: those out of reach, and those that did not come to their end."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Mapping, Sequence, Tuple, TypeVar

from packstack_lite.deployment.node_sessions import NodeSession
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import ApplyReport, Change, Drift
from packstack_lite.errors import PhaseError

Attributable = TypeVar("Attributable", Change, Drift)
# A host, and the id of a resource there.
ResourceKey = Tuple[str, str]
UNREACHABLE_CHECK = "reach"


def unreachable_finding(session: NodeSession) -> Finding:
    """A host that did not let us in, as a finding."""
    assert session.connect_error
    hint = f"{session.connect_error.hint}; or leave it alone: EXCLUDE_SERVERS={session.node.name}"
    return Finding(UNREACHABLE_CHECK, session.target.address, "error", session.connect_error.message, hint)


def attribute(
    items: Sequence[Attributable], owners: Mapping[ResourceKey, str], subjects: Mapping[ResourceKey, str]
) -> List[Attributable]:
    """Each told by the host whose affair it is, by the host that it was found on and its resource.

    ``whose`` names that host. What is only ``about`` another host, which it lets in, say, is that one's where that one
    has something of its own to tell: then it is the one that comes, not the one that was there.
    """
    owned = [replace(item, node=owners.get((item.node, item.resource_id), item.node)) for item in items]
    own_nodes = {item.node for item in owned if (item.node, item.resource_id) not in subjects}
    active_subjects = {key: subject for key, subject in subjects.items() if subject in own_nodes}
    return [replace(item, node=active_subjects.get((item.node, item.resource_id), item.node)) for item in owned]


def raise_for_failures(reports: Sequence[ApplyReport]) -> None:
    """PhaseFailed that names each host that did not come to its end, and why; nothing where all have."""
    errors = [report.error for report in reports if report.error]
    if not errors:
        return
    finished = [report.node for report in reports if not report.error]
    done = f"; through to the end: {', '.join(finished)}" if finished else ""
    raise PhaseError(
        f"{len(errors)} of {len(reports)} hosts did not come to their end: " + "; ".join(errors) + done,
        "mend the causes named above, then run the same command again: each host resumes where it is",
    )
