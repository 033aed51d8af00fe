"""Events that the engine emits while it works.

Console, run log, JSON lines and JUnit subscribe as listeners.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import List, Optional, Protocol, Sequence, Tuple, Union

from packstack_lite.remote.command import Command
from packstack_lite.resources.base import Phase


@dataclass(frozen=True)
class PhaseStarted:
    """A phase begins on a node."""

    node: str
    phase: Phase


@dataclass(frozen=True)
class PhaseFinished:
    """A phase ended on a node. ``seconds`` is wall time."""

    node: str
    phase: Phase
    change_count: int
    seconds: float
    ok: bool = True


@dataclass(frozen=True)
class StepStarted:
    """A step inside a phase begins: a job, a transfer of files, a batch of commands."""

    node: str
    phase: Phase
    step: str


@dataclass(frozen=True)
class StepFinished:
    """A step ended. ``detail`` says what failed; ``seconds`` is wall time."""

    node: str
    phase: Phase
    step: str
    seconds: float
    ok: bool = True
    detail: str = ""


@dataclass(frozen=True)
class Output:
    """A line that a job printed during its step, secrets masked.

    ``step`` is the step's title, as in StepStarted.
    """

    node: str
    phase: Phase
    step: str
    line: str


@dataclass(frozen=True)
class Changed:
    """A resource was changed, and a second probe found it as desired.

    ``node`` is the one that it was changed for, also where a delegate did it. ``description`` is the change in words.
    """

    node: str
    phase: Phase
    resource_id: str
    description: str


@dataclass(frozen=True)
class Failed:
    """A resource could not be changed, or is still wrong after the change."""

    node: str
    phase: Phase
    resource_id: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Skipped:
    """A resource was not changed, because something it needs failed."""

    node: str
    phase: Phase
    resource_id: str
    reason: str


@dataclass(frozen=True)
class Note:
    """A message about a node; ``level`` is ``info`` or ``warning``."""

    node: str
    text: str
    level: str = "info"


Event = Union[PhaseStarted, PhaseFinished, StepStarted, StepFinished, Output, Changed, Failed, Skipped, Note]


class Listener(Protocol):
    """Receives every event, in order. Must not raise."""

    def on_event(self, event: Event) -> None:
        """Handle an event. The engine calls it from the thread of the node's run."""
        ...


@dataclass
class Fanout:
    """A Listener that passes events to several others, one at a time, from any thread."""

    listeners: List[Listener] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def on_event(self, event: Event) -> None:
        """Pass the event to every listener, one event at a time."""
        with self._lock:
            for listener in self.listeners:
                listener.on_event(event)


@dataclass(frozen=True)
class NodeFilter:
    """A Listener that passes on only the events of one node."""

    node: str
    listener: Listener

    def on_event(self, event: Event) -> None:
        """Pass the event on if it is of this node."""
        if event.node == self.node:
            self.listener.on_event(event)


@dataclass(frozen=True)
class WaitEnd:
    """A Listener that leaves the contexts of ``waiting`` at the first event."""

    waiting: ExitStack

    def on_event(self, event: Event) -> None:
        """End the wait; later events find it ended."""
        self.waiting.close()


@dataclass(frozen=True, repr=False)
class FixCommand(Command):
    """A command of ``preflight --fix`` that removes the cause of a finding.

    ``data`` is set if the command moves data: it is the word for them after ``--move-data``, without which the
    command does not run. ``paths`` are these data; their sizes are shown before anything is done.
    """

    data: str = ""
    paths: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A message of a preflight check about a node: error, warning or information.

    ``level`` is ``error``, ``warning`` or ``info``. ``check`` is the check's name, for ``--ignore``; it and ``node``
    are filled in by ``preflight.run_checks``. ``hint`` is what to type or do. ``fix`` is the command that ``preflight
    --fix`` runs on the node, None where a person has to decide or to act.
    """

    check: str
    node: str
    level: str
    message: str
    hint: str = ""
    fix: Optional[FixCommand] = None

    @property
    def is_fixable(self) -> bool:
        """Return whether ``--fix`` alone removes the cause: without moving anybody's data."""
        return self.fix is not None and not self.fix.data


def blocking_findings(findings: Sequence[Finding], ignored_checks: Tuple[str, ...] = ()) -> List[Finding]:
    """Return the errors among the findings that stop a run: those not ignored.

    ``ignored_checks`` are the names of checks that the user gave to ``--ignore``.
    """
    return [finding for finding in findings if finding.level == "error" and finding.check not in ignored_checks]
