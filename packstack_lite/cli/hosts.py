"""What is told of several hosts together: those out of reach, and those that did not come to their end."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Mapping, Sequence, Tuple, TypeVar

from packstack_lite.cli.sites import Site
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import AppliedReport, Change, Fault
from packstack_lite.errors import PhaseFailed

A = TypeVar("A", Change, Fault)
# A host, and the id of a resource there.
Key = Tuple[str, str]
UNREACHABLE = "reach"


def unreachable(site: Site) -> Finding:
    """A host that did not let us in, as a finding."""
    assert site.trouble
    way = f"{site.trouble.hint}; or leave it alone: EXCLUDE_SERVERS={site.member.name}"
    return Finding(UNREACHABLE, site.target.address, "error", site.trouble.message, way)


def laid_to(found: Sequence[A], whose: Mapping[Key, str], about: Mapping[Key, str]) -> List[A]:
    """Each told by the host whose affair it is, by the host that it was found on and its resource.

    ``whose`` names that host. What is only ``about`` another host, which it lets in, say, is that one's where that one
    has something of its own to tell: then it is the one that comes, not the one that was there.
    """
    told = [replace(one, host=whose.get((one.host, one.resource), one.host)) for one in found]
    coming = {one.host for one in told if (one.host, one.resource) not in about}
    others = {key: other for key, other in about.items() if other in coming}
    return [replace(one, host=others.get((one.host, one.resource), one.host)) for one in told]


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
