"""What a run comes to: plain values that report and cli print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


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
    """What an apply did. ``restarted`` are units, ``flights`` counts turn-arounds since connecting."""

    changes: Tuple[Change, ...]
    restarted: Tuple[str, ...]
    flights: int
    seconds: float
    phases: Tuple[PhaseTime, ...]


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
