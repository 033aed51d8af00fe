"""What a run comes to: plain values that report and cli print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Sequence, Tuple

from packstack_lite.resources.base import PHASES


@dataclass(frozen=True)
class Change:
    """A gap that is to be closed, or was. ``gap`` says in words what differs, ``diff`` is unified and masked."""

    host: str
    phase: str
    resource: str
    gap: str
    diff: str = ""


@dataclass(frozen=True)
class PhaseTime:
    """A phase, its wall time in seconds, and how many changes it made."""

    name: str
    seconds: float
    changes: int


@dataclass(frozen=True)
class AppliedReport:
    """What an apply did on one host. ``restarted`` are units, ``flights`` counts turn-arounds since connecting.

    ``trouble`` says what ended it early, "" when it came to its end. Of several hosts together ``hosts`` are the
    reports of each, and the rest is their sum; times are those of the host that took longest.
    """

    changes: Tuple[Change, ...]
    restarted: Tuple[str, ...]
    flights: int
    seconds: float
    phases: Tuple[PhaseTime, ...]
    host: str = ""
    trouble: str = ""
    hosts: Tuple["AppliedReport", ...] = ()


def joined(times: Sequence[PhaseTime]) -> Tuple[PhaseTime, ...]:
    """Each phase once, in the order in which they come: its changes together, and the longest of its times."""
    found: Dict[str, PhaseTime] = {}
    for one in times:
        other = found.get(one.name, PhaseTime(one.name, 0.0, 0))
        found[one.name] = PhaseTime(one.name, max(one.seconds, other.seconds), one.changes + other.changes)
    return tuple(found[phase.value] for phase in PHASES if phase.value in found)


def together(reports: Sequence[AppliedReport]) -> AppliedReport:
    """The report of one host as it is; those of several as one, which holds them."""
    if len(reports) == 1:
        return reports[0]
    return AppliedReport(
        tuple(change for report in reports for change in report.changes),
        tuple(unit for report in reports for unit in report.restarted),
        sum(report.flights for report in reports),
        max(report.seconds for report in reports),
        joined([time for report in reports for time in report.phases]),
        hosts=tuple(reports),
    )


@dataclass(frozen=True)
class Fault:
    """Something that is not as declared, and what to type."""

    host: str
    resource: str
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Case:
    """One promise, tried. ``outcome`` is ``passed``, ``failed`` or ``skipped``; ``seconds`` wall time."""

    name: str
    outcome: str
    seconds: float
    detail: str = ""
