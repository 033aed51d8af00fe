"""The console: what happens right now, for the person who waits. Everything goes to one stream (stderr).

On a terminal the phases that are over stand as a list and grow upwards; below them lives
the one at work, with its steps and their seconds. Without a terminal each event is a line.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Callable, Dict, List, Optional, TextIO, Type

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

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
from packstack_lite.report.terminal import AUTO, rich_console
from packstack_lite.report.words import outcome, seconds, sentence

# Phase names are at most ten letters; outcomes ("nothing to change") at most seventeen.
_NAME, _OUTCOME = 12, 19
_STEPS_SHOWN = 6
_DETAIL_LINES = 40
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Console:
    """A Listener for people; also a context manager, which takes the live part off the screen.

    ``color`` is auto, always or never. ``verbose`` shows each change and what the host
    prints. ``clock`` counts seconds. Where there are several ``hosts``, each line names its own.
    """

    def __init__(
        self,
        stream: Optional[TextIO] = None,
        color: str = AUTO,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
        hosts: int = 1,
    ) -> None:
        self._hosts = hosts
        self.rich = rich_console(stream or sys.stderr, color)
        self.verbose = verbose
        self._clock = clock
        self._began = clock()
        self._boards: Dict[str, _Board] = {}
        self._live: Optional[Live] = None
        self._alive = self.rich.is_terminal and not self.rich.is_dumb_terminal

    def __enter__(self) -> "Console":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as a list of what was; harmless when called twice."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def heard(self, event: Event) -> None:
        """See Listener."""
        if self._alive:
            self._on_screen(event)
        else:
            self._plainly(event)

    def say(self, text: str, style: str = "") -> None:
        """A line of the caller's own; it goes above what is live."""
        self.rich.print(Text(text, style=style))

    def _plainly(self, event: Event) -> None:
        if isinstance(event, PhaseStarted) or (isinstance(event, Output) and not self.verbose):
            return
        named = self._hosts > 1 and not isinstance(event, Note)
        first, *others = (f"{event.host}: {sentence(event)}" if named else sentence(event)).split("\n")
        detail = event.detail.split("\n") if isinstance(event, StepFinished) and event.detail and self.verbose else []
        self.rich.print(Text(f"{self._clock() - self._began:7.1f}  {first}"))
        for line in others + detail:
            self.rich.print(Text(f"         {line}"))

    def _on_screen(self, event: Event) -> None:
        name = event.host if self._hosts > 1 else ""
        # Replaced whole: the drawing is on another thread.
        self._boards = {**self._boards, name: self._boards.get(name) or _Board(self._clock, name)}
        self._boards[name].heard(event)
        if isinstance(event, PhaseStarted) and self._live is None:
            self._live = Live(
                console=self.rich,
                get_renderable=self._render,
                transient=True,
                refresh_per_second=8,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        if isinstance(event, PhaseFinished) and not any(board.busy for board in self._boards.values()):
            self.close()
        for line in self._lasting(event):
            self.rich.print(line)

    def _render(self) -> RenderableType:
        return Group(*(board.render() for board in self._boards.values() if board.busy))

    def _lasting(self, event: Event) -> List[Text]:
        """What stays on the screen of this event."""
        if isinstance(event, PhaseFinished):
            return [_phase_line(event, event.host if self._hosts > 1 else "")]
        if isinstance(event, Failed):
            return _failure(event)
        if isinstance(event, Note):
            sign = ("  ! ", "yellow") if event.level == "warning" else ("  · ", "cyan")
            return [Text.assemble(sign, event.text)]
        if isinstance(event, Skipped):
            return [Text.assemble(("    – ", "yellow"), event.resource, (f"  skipped: {event.why}", "dim"))]
        if isinstance(event, Changed) and self.verbose:
            return [Text.assemble(("    ± ", "dim"), event.resource, (f"  {event.gap}", "dim"))]
        if isinstance(event, Output) and self.verbose:
            return [Text(f"    │ {event.line}", style="dim")]
        return []


def _phase_line(event: PhaseFinished, host: str = "") -> Text:
    if not event.ok:
        sign, style = "✗", "red"
    elif event.changes:
        sign, style = "✓", "green"
    else:
        sign, style = "·", "dim"
    what = Text(f"{outcome(event):<{_OUTCOME}}", style="red" if not event.ok else "" if event.changes else "dim")
    name = Text(f"{event.phase.value:<{_NAME}}", style="bold" if event.changes or not event.ok else "dim")
    line = Text.assemble((f"  {sign} ", style), name, what, (f"{seconds(event.seconds):>12}", "dim"))
    return line.append(f"  {host}", "dim") if host else line


def _failure(event: Failed) -> List[Text]:
    """What failed, the end of what the host said of it, and the way out."""
    first, *others = event.message.strip().split("\n")
    lines = [Text.assemble(("  ✗ ", "red"), (event.resource, "bold red"), (f"  on {event.host}", "dim"))]
    lines.append(Text(f"    {first}"))
    if len(others) > _DETAIL_LINES:
        others = [f"({len(others) - _DETAIL_LINES} more lines are in the log)", *others[-_DETAIL_LINES:]]
    lines.extend(Text(f"    │ {line}", style="dim") for line in others)
    if event.hint:
        lines.append(Text.assemble(("    → ", "cyan"), event.hint))
    return lines


class _Board:
    """The live part: the phase at work and its steps, drawn eight times a second."""

    def __init__(self, clock: Callable[[], float], host: str = "") -> None:
        self._clock = clock
        self._host = host
        self.busy = False
        self._phase = ""
        self._since = 0.0
        self._steps: Dict[str, float] = {}
        self._said: Dict[str, str] = {}
        self._done = 0

    def heard(self, event: Event) -> None:
        """Keep what the drawing needs. Values are replaced whole: the drawing is on another thread."""
        if isinstance(event, (PhaseStarted, PhaseFinished)):
            self.busy = isinstance(event, PhaseStarted)
        if isinstance(event, PhaseStarted):
            self._phase, self._since, self._steps, self._said, self._done = event.phase.value, self._clock(), {}, {}, 0
        elif isinstance(event, StepStarted):
            self._steps = {**self._steps, event.step: self._clock()}
        elif isinstance(event, StepFinished):
            self._steps = {step: since for step, since in self._steps.items() if step != event.step}
            self._done += 1
        elif isinstance(event, Output) and event.line.strip():
            self._said = {**self._said, event.step: event.line.strip()}

    def render(self) -> RenderableType:
        """The phase, the steps at work, and what the host says last, each on one line."""
        now = self._clock()
        steps, said = self._steps, self._said
        frame = _FRAMES[int(now * 10) % len(_FRAMES)]
        shown = list(steps.items())[:_STEPS_SHOWN]
        width = max([_NAME + _OUTCOME - 2, *(len(step) for step, _ in shown)])
        rows = [
            Text.assemble(
                (f"  {frame} ", "cyan"),
                (f"{self._phase:<{_NAME}}", "bold"),
                (f"{self._progress(steps):<{_OUTCOME}}", "dim"),
                (f"{seconds(now - self._since):>12}", "dim"),
                (f"  {self._host}" if self._host else "", "dim"),
            )
        ]
        for step, since in shown:
            rows.append(Text.assemble(f"      {step:<{width}}", (f"{seconds(now - since):>12}", "dim")))
            if step in said:
                rows.append(Text(f"        {said[step]}", style="dim"))
        if len(steps) > len(shown):
            rows.append(Text(f"      and {len(steps) - len(shown)} more", style="dim"))
        for row in rows:
            row.no_wrap, row.overflow = True, "ellipsis"
        return Group(*rows)

    def _progress(self, steps: Dict[str, float]) -> str:
        total = self._done + len(steps)
        return f"{self._done} of {total} steps" if total > 1 else ""
