"""The results of plan, apply, verify and smoke as plain values.

Printed by ``report`` and ``cli``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, List, Sequence, Tuple

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
    """A phase, its wall time in seconds, and the number of its changes.

    Merged for several nodes, ``node`` is the slowest one, whose time counts.
    """

    name: str
    seconds: float
    change_count: int
    node: str = ""


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
    """Merge times of the same phase: changes are added, the slowest node's counts."""
    merged: Dict[str, PhaseTime] = {}
    for phase_time in times:
        previous = merged.get(phase_time.name, replace(phase_time, change_count=0))
        slowest = phase_time if phase_time.seconds > previous.seconds else previous
        merged[phase_time.name] = replace(slowest, change_count=phase_time.change_count + previous.change_count)
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
        merge_phase_times([replace(time, node=report.node) for report in reports for time in report.phase_times]),
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


# How a case of the smoke test can end.
OUTCOMES = ("passed", "failed", "skipped")


@dataclass(frozen=True)
class Case:
    """A case of the smoke test.

    ``outcome`` is one of OUTCOMES; ``seconds`` is wall time.
    """

    name: str
    outcome: str
    seconds: float
    detail: str = ""


# What proves a cloud: of each row one case. An instance needs no external network: its console proves it as well.
ESSENTIAL_CASES = (
    ("token",),
    ("catalog",),
    ("agents",),
    ("image",),
    ("network",),
    ("instance",),
    ("ssh", "console_log"),
    ("metadata",),
    ("cleanup",),
)


def unproved_essentials(cases: Sequence[Case]) -> List[str]:
    """Return the essential cases that neither passed nor failed; of a pair the last."""
    outcomes = {case.name: case.outcome for case in cases}
    return [
        names[-1] for names in ESSENTIAL_CASES if not any(outcomes.get(name) in ("passed", "failed") for name in names)
    ]
