"""Record what runs on nodes, and what is being cleaned up on this machine.

``remote`` and ``sandbox`` say so here; ``cli`` reads it when a run is interrupted, from any thread and at any moment.
Therefore nothing here waits for a lock: each change and each reading is a single operation on a dict.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Dict, Iterator, List, Tuple

from packstack_lite.counts import format_count


@dataclass(frozen=True)
class Activity:
    """Work on a node that goes on when the run that began it ends.

    ``unit`` is the systemd unit of a job, "" for commands in the run's own shell there. These end by themselves,
    ``seconds`` after their start at the latest.
    """

    node: str
    description: str
    unit: str = ""
    seconds: float = 0.0


_activities: Dict[Tuple[str, str], Activity] = {}
_cleanups: Dict[object, str] = {}


def begin(activity: Activity) -> None:
    """Record that this goes on; it replaces an activity of the same node and unit."""
    _activities[activity.node, activity.unit] = activity


def end(node: str, unit: str = "") -> None:
    """Record that a job, or without ``unit`` the commands on the node, ended."""
    _activities.pop((node, unit), None)


def list_activities() -> List[Activity]:
    """Return what goes on on nodes, in the order of its start."""
    return list(_activities.values())


@contextmanager
def cleanup(description: str) -> Iterator[None]:
    """Record that this machine is cleaned up, which an interrupt lets finish."""
    key = object()
    _cleanups[key] = description
    try:
        yield
    finally:
        _cleanups.pop(key, None)


def list_cleanups() -> List[str]:
    """Return what is being cleaned up on this machine."""
    return list(_cleanups.values())


def describe_activities(activities: List[Activity]) -> List[str]:
    """Return lines that say what goes on on which node, and how to stop it."""
    lines: List[str] = []
    for node in dict.fromkeys(activity.node for activity in activities):
        jobs = [activity for activity in activities if activity.node == node and activity.unit]
        commands = [activity for activity in activities if activity.node == node and not activity.unit]
        if jobs:
            names = ", ".join(f"{job.description} ({job.unit})" for job in jobs)
            lines.append(f"{node}: still running: {names}")
            lines.append(f"  → the next run joins {'it' if len(jobs) == 1 else 'them'}; to stop, type on {node}:")
            lines.append(f"    systemctl stop {' '.join(job.unit for job in jobs)}")
        for command in commands:
            remaining = format_count(round(command.seconds), "second")
            lines.append(f"{node}: still running: {command.description}; it ends within {remaining} by itself")
    return lines
