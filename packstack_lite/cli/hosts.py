"""What is told of several hosts together: those out of reach, and those that did not come to their end."""

from __future__ import annotations

from typing import Sequence, TypeVar

from packstack_lite.cli.sites import Site
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import AppliedReport, Change, Fault
from packstack_lite.errors import PhaseFailed

A = TypeVar("A", Change, Fault)
UNREACHABLE = "reach"


def unreachable(site: Site) -> Finding:
    """A host that did not let us in, as a finding."""
    assert site.trouble
    way = f"{site.trouble.hint}; or leave it alone: EXCLUDE_SERVERS={site.member.name}"
    return Finding(UNREACHABLE, site.target.address, "error", site.trouble.message, way)


def raise_for(reports: Sequence[AppliedReport]) -> None:
    """PhaseFailed that names each host that did not come to its end, and why; nothing where all have."""
    told = [report.trouble for report in reports if report.trouble]
    if not told:
        return
    others = [report.host for report in reports if not report.trouble]
    done = f"; through to the end: {', '.join(others)}" if others else ""
    raise PhaseFailed(
        f"{len(told)} of {len(reports)} hosts did not come to their end: " + "; ".join(told) + done,
        "mend the causes named above, then run the same command again: each host resumes where it is",
    )
