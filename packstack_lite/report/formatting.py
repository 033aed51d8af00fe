"""Format events, cases, durations and counts as text.

Used by the console, the run log and ``text``.
"""

from __future__ import annotations

from packstack_lite.counts import format_count
from packstack_lite.engine.events import (
    Changed,
    Event,
    Failed,
    Note,
    Output,
    PhaseFinished,
    PhaseStarted,
    Skipped,
    StepFinished,
    StepStarted,
)
from packstack_lite.engine.results import Case


def format_seconds(seconds: float) -> str:
    """Format a duration: ``0.4 s``, ``42 s``, ``4 min 31 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    whole_seconds = round(seconds)
    return f"{whole_seconds // 60} min {whole_seconds % 60:02d} s"


def phase_outcome(event: PhaseFinished) -> str:
    """Return how a phase ended: ``failed``, ``3 changes`` or ``nothing to change``."""
    if not event.ok:
        return "failed"
    return format_count(event.change_count, "change") if event.change_count else "nothing to change"


def describe_case(case: Case) -> str:
    """Return a smoke case as one line: ``passed  ping 0.4 s``."""
    return f"{case.outcome:8}{case.name} {case.seconds:.1f} s"


def describe_event(event: Event) -> str:
    """Return an event as a sentence; a failure may take several lines."""
    if isinstance(event, Note):
        return f"{event.node}: {'warning: ' if event.level == 'warning' else ''}{event.text}"
    return f"{event.phase.value}: {_describe_phase_event(event)}"


def _describe_phase_event(
    event: "PhaseStarted | PhaseFinished | StepStarted | StepFinished | Output | Changed | Failed | Skipped",
) -> str:
    """Describe what an event says after its phase's name."""
    if isinstance(event, PhaseStarted):
        return "begins"
    if isinstance(event, PhaseFinished):
        return f"{phase_outcome(event)}, {format_seconds(event.seconds)}"
    if isinstance(event, StepStarted):
        return f"{event.step} …"
    if isinstance(event, StepFinished):
        return f"{event.step}: {'done' if event.ok else 'failed'}, {format_seconds(event.seconds)}"
    if isinstance(event, Output):
        return f"{event.step} | {event.line}"
    if isinstance(event, Changed):
        return event.description
    if isinstance(event, Skipped):
        return f"{event.resource_id} skipped: {event.reason}"
    return f"{event.resource_id} failed on {event.node}: {event.message}" + (f"\n→ {event.hint}" if event.hint else "")
