"""Events as sentences, the same on a plain terminal and in the log."""

from __future__ import annotations

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


def seconds(value: float) -> str:
    """A duration as people read it: ``0.4 s``, ``42 s``, ``4 min 31 s``."""
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 119.5:
        return f"{value:.0f} s"
    whole = round(value)
    return f"{whole // 60} min {whole % 60:02d} s"


def count(number: int, word: str) -> str:
    """``1 change``, ``3 changes``."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def outcome(event: PhaseFinished) -> str:
    """How a phase ended, without its time."""
    if not event.ok:
        return "failed"
    return count(event.changes, "change") if event.changes else "nothing to change"


def sentence(event: Event) -> str:
    """One event in words; a failure may take several lines."""
    if isinstance(event, Note):
        return f"{event.host}: {'warning: ' if event.level == 'warning' else ''}{event.text}"
    return f"{event.phase.value}: {_within_phase(event)}"


def _within_phase(
    event: "PhaseStarted | PhaseFinished | StepStarted | StepFinished | Output | Changed | Failed | Skipped",
) -> str:
    if isinstance(event, PhaseStarted):
        return "begins"
    if isinstance(event, PhaseFinished):
        return f"{outcome(event)}, {seconds(event.seconds)}"
    if isinstance(event, StepStarted):
        return f"{event.step} …"
    if isinstance(event, StepFinished):
        return f"{event.step}: {'done' if event.ok else 'failed'}, {seconds(event.seconds)}"
    if isinstance(event, Output):
        return f"{event.step} | {event.line}"
    if isinstance(event, Changed):
        return f"{event.resource}: {event.gap}"
    if isinstance(event, Skipped):
        return f"{event.resource} skipped: {event.why}"
    return f"{event.resource} failed on {event.host}: {event.message}" + (f"\n→ {event.hint}" if event.hint else "")
