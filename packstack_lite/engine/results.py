"""What a run comes to: plain values that report and cli print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Sequence, Tuple

from packstack_lite.resources.base import PHASES


@dataclass(frozen=True)
class Change:
    """A gap that is to be closed, or was. ``gap`` says in words what differs, ``diff`` is unified and masked."""

    node: str
    phase: str
    resource_id: str
    description: str
    text_diff: str = ""


@dataclass(frozen=True)
class PhaseTime:
    """A phase, its wall time in seconds, and how many changes it made."""

    name: str
    seconds: float
    change_count: int


@dataclass(frozen=True)
class ApplyReport:
    """What an apply did on one host. ``restarted`` are units, ``flights`` counts turn-arounds since connecting.

    ``trouble`` says what ended it early, "" when it came to its end. Of several hosts together ``hosts`` are the
    reports of each, and the rest is their sum; times are those of the host that took longest.
    """

    changes: Tuple[Change, ...]
    restarted_units: Tuple[str, ...]
    round_trips: int
    seconds: float
    phase_times: Tuple[PhaseTime, ...]
    node: str = ""
    error: str = ""
    node_reports: Tuple["ApplyReport", ...] = ()


def merge_phase_times(times: Sequence[PhaseTime]) -> Tuple[PhaseTime, ...]:
    """Each phase once, in the order in which they come: its changes together, and the longest of its times."""
    merged: Dict[str, PhaseTime] = {}
    for phase_time in times:
        previous = merged.get(phase_time.name, PhaseTime(phase_time.name, 0.0, 0))
        merged[phase_time.name] = PhaseTime(
            phase_time.name, max(phase_time.seconds, previous.seconds), phase_time.change_count + previous.change_count
        )
    return tuple(merged[phase.value] for phase in PHASES if phase.value in merged)


def merge_reports(reports: Sequence[ApplyReport]) -> ApplyReport:
    """The report of one host as it is; those of several as one, which holds them."""
    if len(reports) == 1:
        return reports[0]
    return ApplyReport(
        tuple(change for report in reports for change in report.changes),
        tuple(unit for report in reports for unit in report.restarted_units),
        sum(report.round_trips for report in reports),
        max(report.seconds for report in reports),
        merge_phase_times([phase_time for report in reports for phase_time in report.phase_times]),
        node_reports=tuple(reports),
    )


@dataclass(frozen=True)
class Drift:
    """Something that is not as declared, and what to type."""

    node: str
    resource_id: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Case:
    """One promise, tried. ``outcome`` is ``passed``, ``failed`` or ``skipped``; ``seconds`` wall time."""

    name: str
    outcome: str
    seconds: float
    detail: str = ""
