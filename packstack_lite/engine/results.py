"""The results of plan, apply, verify and smoke as plain values.

Printed by ``report`` and ``cli``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Sequence, Tuple

from packstack_lite.resources.base import PHASES


@dataclass(frozen=True)
class Change:
    """A change that is planned or was made.

    ``description`` is the change in words, such as "start mariadb (was inactive)". ``text_diff`` is a unified diff,
    secrets masked, or "".
    """

    node: str
    phase: str
    resource_id: str
    description: str
    text_diff: str = ""


@dataclass(frozen=True)
class PhaseTime:
    """A phase, its wall time in seconds, and the number of its changes."""

    name: str
    seconds: float
    change_count: int


@dataclass(frozen=True)
class ApplyReport:
    """The result of apply on one node, or on several.

    ``round_trips`` are counted from the start of the connection. ``error`` says in which phase and why it ended early,
    without the node's name; "" when it finished. For several nodes ``node_reports`` holds a report for each, the other
    fields are their sum, and times are those of the slowest node.
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
    """Merge times of the same phase: changes are added, the longest time counts."""
    merged: Dict[str, PhaseTime] = {}
    for phase_time in times:
        previous = merged.get(phase_time.name, PhaseTime(phase_time.name, 0.0, 0))
        merged[phase_time.name] = PhaseTime(
            phase_time.name, max(phase_time.seconds, previous.seconds), phase_time.change_count + previous.change_count
        )
    return tuple(merged[phase.value] for phase in PHASES if phase.value in merged)


def merge_reports(reports: Sequence[ApplyReport]) -> ApplyReport:
    """Merge the reports of several nodes into one that holds them.

    A single report is returned as it is.
    """
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
    """Something that is not as declared (``message``), and what to type (``hint``).

    Found by verify.
    """

    node: str
    resource_id: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Case:
    """A case of the smoke test.

    ``outcome`` is ``passed``, ``failed`` or ``skipped``; ``seconds`` is wall time.
    """

    name: str
    outcome: str
    seconds: float
    detail: str = ""
