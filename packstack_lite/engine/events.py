"""What the engine says while it works; console, log, JSON lines and JUnit only listen."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import List, Optional, Protocol, Sequence, Tuple, Union

from packstack_lite.remote.command import Command
from packstack_lite.resources.base import Phase


@dataclass(frozen=True)
class PhaseStarted:
    host: str
    phase: Phase


@dataclass(frozen=True)
class PhaseFinished:
    """``changes`` counts closed gaps, ``seconds`` is wall time."""

    host: str
    phase: Phase
    changes: int
    seconds: float
    ok: bool = True


@dataclass(frozen=True)
class StepStarted:
    """Something inside a phase begins: a job, a push, a batch of commands."""

    host: str
    phase: Phase
    step: str


@dataclass(frozen=True)
class StepFinished:
    host: str
    phase: Phase
    step: str
    seconds: float
    ok: bool = True
    detail: str = ""


@dataclass(frozen=True)
class Output:
    """A line that the host printed while a step ran (already masked)."""

    host: str
    phase: Phase
    step: str
    line: str


@dataclass(frozen=True)
class Changed:
    """A gap was closed, and the second look agreed. ``gap`` says in words what differed."""

    host: str
    phase: Phase
    resource: str
    gap: str


@dataclass(frozen=True)
class Failed:
    """A resource is still wrong after its change, or its change failed."""

    host: str
    phase: Phase
    resource: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Skipped:
    host: str
    phase: Phase
    resource: str
    why: str


@dataclass(frozen=True)
class Note:
    """A remark; level is ``info`` or ``warning``."""

    host: str
    text: str
    level: str = "info"


Event = Union[PhaseStarted, PhaseFinished, StepStarted, StepFinished, Output, Changed, Failed, Skipped, Note]


class Listener(Protocol):
    """Hears every event, in order; must not raise."""

    def heard(self, event: Event) -> None: ...


@dataclass
class Fanout:
    """Several listeners as one. Hosts that are worked on side by side speak one at a time."""

    listeners: List[Listener] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def heard(self, event: Event) -> None:
        with self._turn:
            for listener in self.listeners:
                listener.heard(event)


@dataclass(frozen=True)
class OfHost:
    """Hears of one host alone."""

    host: str
    listener: Listener

    def heard(self, event: Event) -> None:
        if event.host == self.host:
            self.listener.heard(event)


@dataclass(frozen=True)
class Finding:
    """What a preflight check found. ``level`` is ``error``, ``warning`` or ``info``.

    ``name`` is the check's name for ``--ignore``; ``fix`` is what to type or do, ``cure`` what ``preflight --fix``
    does on the host about it, None where it can do nothing.
    """

    name: str
    host: str
    level: str
    message: str
    fix: str = ""
    cure: Optional[Command] = None


def worst(findings: Sequence[Finding], ignored: Tuple[str, ...] = ()) -> List[Finding]:
    """The errors among the findings that are not ignored."""
    return [f for f in findings if f.level == "error" and f.name not in ignored]
