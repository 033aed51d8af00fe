"""Show the events of a run on the terminal (stderr). Used by ``cli``.

On a terminal, finished phases are a growing list; below it the running phase is redrawn with its steps and their
seconds. Without a terminal each event is a line.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Callable, Dict, List, Optional, TextIO, Type

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

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
from packstack_lite.report.formatting import describe_event, format_seconds, phase_outcome
from packstack_lite.report.installation import InstallationProgress
from packstack_lite.report.rich_console import AUTO, make_console
from packstack_lite.report.wait_line import QUIET_SECONDS
from packstack_lite.resources.base import Phase

# Phase names are at most ten letters; outcomes ("nothing to change") at most seventeen.
_NAME_WIDTH, _OUTCOME_WIDTH = 12, 19
_STEPS_SHOWN = 6
_DETAIL_LINES = 40
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Console:
    """A Listener that prints events.

    As a context manager it clears the live part at the end. ``color`` is auto, always or never. ``verbose`` shows each
    change and the output of the node. ``clock`` returns seconds. With a ``node_count`` above 1 each line names its
    node.
    """

    def __init__(
        self,
        stream: Optional[TextIO] = None,
        color: str = AUTO,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
        node_count: int = 1,
    ) -> None:
        self.node_count = node_count
        self.rich_console = make_console(stream or sys.stderr, color)
        self.verbose = verbose
        self._clock = clock
        self._started_at = clock()
        self._progress_by_node: Dict[str, _NodeProgress] = {}
        self._live: Optional[Live] = None
        self._printed_at = self._started_at
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._is_interactive = self.rich_console.is_terminal and not self.rich_console.is_dumb_terminal

    def __enter__(self) -> "Console":
        if not self._is_interactive:
            threading.Thread(target=self._tick_until_closed, daemon=True).start()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Clear the live part and show the cursor; a second call does nothing."""
        self._ended.set()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def on_event(self, event: Event) -> None:
        """Show the event: on a terminal in a live display, otherwise as a line."""
        if self._is_interactive:
            self._update_screen(event)
            return
        with self._lock:
            self._track_progress(event)
            self._print_plain(event)

    def tick(self) -> None:
        """Without a terminal, say what goes on if nothing was printed for QUIET_SECONDS."""
        with self._lock:
            now = self._clock()
            if now - self._printed_at < QUIET_SECONDS:
                return
            for node, progress in self._progress_by_node.items():
                if progress.is_busy:
                    self._printed_at = now
                    prefix = f"{node}: " if node else ""
                    self.rich_console.print(Text(f"{now - self._started_at:7.1f}  {prefix}{progress.describe()}"))

    def _tick_until_closed(self) -> None:
        """Call ``tick`` every second until the console is closed."""
        while not self._ended.wait(1):
            self.tick()

    def _track_progress(self, event: Event) -> None:
        """Keep what each node does now."""
        node = event.node if self.node_count > 1 else ""
        # A new dict each time, because rich draws in another thread.
        self._progress_by_node = {
            **self._progress_by_node,
            node: self._progress_by_node.get(node) or _NodeProgress(self._clock, node),
        }
        self._progress_by_node[node].on_event(event)

    def _print_plain(self, event: Event) -> None:
        """Print an event as a line with the seconds since the start, without a terminal."""
        if isinstance(event, PhaseStarted) or (isinstance(event, Output) and not self.verbose):
            return
        show_node = self.node_count > 1 and not isinstance(event, Note)
        first_line, *more_lines = (
            f"{event.node}: {describe_event(event)}" if show_node else describe_event(event)
        ).split("\n")
        detail = event.detail.split("\n") if isinstance(event, StepFinished) and event.detail and self.verbose else []
        self._printed_at = self._clock()
        self.rich_console.print(Text(f"{self._printed_at - self._started_at:7.1f}  {first_line}"))
        for line in more_lines + detail:
            self.rich_console.print(Text(f"         {line}"))

    def _update_screen(self, event: Event) -> None:
        """Update the live part, and print the lines of the event that stay."""
        self._track_progress(event)
        if isinstance(event, PhaseStarted) and self._live is None:
            self._live = Live(
                console=self.rich_console,
                get_renderable=self._render,
                transient=True,
                refresh_per_second=8,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        if isinstance(event, PhaseFinished) and not any(
            progress.is_busy for progress in self._progress_by_node.values()
        ):
            self.close()
        for line in self._permanent_lines(event):
            self.rich_console.print(line)

    def _render(self) -> RenderableType:
        """Draw the live part: the nodes that work. Called by rich.

        Where their steps do not fit on the screen, each node gets a line, with a summary above, as far as these fit.
        """
        busy = [progress for progress in self._progress_by_node.values() if progress.is_busy]
        # rich cuts what is higher than the screen, and leaves a line for the cursor.
        room = self.rich_console.size.height - 1
        rows = [row for progress in busy for row in progress.rows()] if len(busy) <= room else None
        if rows is not None and (len(rows) <= room or len(busy) == 1):
            return Group(*rows[:room])
        phases = Counter(progress.phase for progress in busy)
        summary = ", ".join(f"{count} in {phase}" for phase, count in phases.most_common())
        shown = busy if len(busy) < room else busy[: max(0, room - 2)]
        more = [Text(f"  and {format_count(len(busy) - len(shown), 'more node')}", style="dim")]
        return Group(
            _one_line(Text(f"  {format_count(len(busy), 'node')} at work: {summary}", style="bold")),
            *(progress.headline() for progress in shown),
            *(more if len(shown) < len(busy) else []),
        )

    def _permanent_lines(self, event: Event) -> List[Text]:
        """Return the lines of an event that stay on the screen."""
        if isinstance(event, PhaseFinished):
            return [_phase_line(event, event.node if self.node_count > 1 else "")]
        if isinstance(event, Failed):
            return _failure_lines(event)
        if isinstance(event, Note):
            sign = ("  ! ", "yellow") if event.level == "warning" else ("  · ", "cyan")
            return [Text.assemble(sign, event.text)]
        if isinstance(event, Skipped):
            return [Text.assemble(("    – ", "yellow"), event.resource_id, (f"  skipped: {event.reason}", "dim"))]
        if isinstance(event, Changed) and self.verbose:
            return [Text.assemble(("    ± ", "dim"), event.description)]
        if isinstance(event, Output) and self.verbose:
            return [Text(f"    │ {event.line}", style="dim")]
        return []


def _phase_line(event: PhaseFinished, node: str = "") -> Text:
    """Return the line of a finished phase: sign, name, outcome, seconds, node."""
    if not event.ok:
        sign, style = "✗", "red"
    elif event.change_count:
        sign, style = "✓", "green"
    else:
        sign, style = "·", "dim"
    outcome_text = Text(
        f"{phase_outcome(event):<{_OUTCOME_WIDTH}}",
        style="red" if not event.ok else "" if event.change_count else "dim",
    )
    name = Text(f"{event.phase.value:<{_NAME_WIDTH}}", style="bold" if event.change_count or not event.ok else "dim")
    line = Text.assemble((f"  {sign} ", style), name, outcome_text, (f"{format_seconds(event.seconds):>12}", "dim"))
    return line.append(f"  {node}", "dim") if node else line


def _failure_lines(event: Failed) -> List[Text]:
    """Return the lines of a failure.

    The resource, the end of the node's output, and the hint.
    """
    first_line, *more_lines = event.message.strip().split("\n")
    lines = [Text.assemble(("  ✗ ", "red"), (event.resource_id, "bold red"), (f"  on {event.node}", "dim"))]
    lines.append(Text(f"    {first_line}"))
    if len(more_lines) > _DETAIL_LINES:
        hidden = len(more_lines) - _DETAIL_LINES
        verb = "is" if hidden == 1 else "are"
        more_lines = [f"({format_count(hidden, 'more line')} {verb} in the log)", *more_lines[-_DETAIL_LINES:]]
    lines.extend(Text(f"    │ {line}", style="dim") for line in more_lines)
    if event.hint:
        lines.append(Text.assemble(("    → ", "cyan"), event.hint))
    return lines


def _one_line(text: Text) -> Text:
    """Return the text, cut where the line ends."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


class _NodeProgress:
    """The live part of one node.

    Its running phase and steps, drawn eight times a second.
    """

    def __init__(self, clock: Callable[[], float], node: str = "") -> None:
        self._clock = clock
        self._node = node
        self.is_busy = False
        self._phase = ""
        self._phase_started_at = 0.0
        self._step_started_at: Dict[str, float] = {}
        self._last_output: Dict[str, str] = {}
        self._installations: Dict[str, InstallationProgress] = {}
        self._steps_done = 0

    def on_event(self, event: Event) -> None:
        """Update what is drawn.

        Dicts are replaced, not changed, because rich draws in another thread.
        """
        if isinstance(event, (PhaseStarted, PhaseFinished)):
            self.is_busy = isinstance(event, PhaseStarted)
        if isinstance(event, PhaseStarted):
            self._phase, self._phase_started_at, self._step_started_at, self._last_output, self._steps_done = (
                event.phase.value,
                self._clock(),
                {},
                {},
                0,
            )
            self._installations = {}
        elif isinstance(event, StepStarted):
            self._step_started_at = {**self._step_started_at, event.step: self._clock()}
        elif isinstance(event, StepFinished):
            self._step_started_at = {
                step: started_at for step, started_at in self._step_started_at.items() if step != event.step
            }
            self._steps_done += 1
        elif isinstance(event, Output) and event.line.strip():
            self._last_output = {**self._last_output, event.step: event.line.strip()}
            if event.phase is Phase.PACKAGES:
                self._follow_installation(event)

    def _follow_installation(self, event: Output) -> None:
        """Count what a package manager says that it has done."""
        progress = self._installations.get(event.step) or InstallationProgress()
        progress.on_line(event.line.rstrip(), self._clock())
        self._installations = {**self._installations, event.step: progress}

    def describe(self) -> str:
        """Return the phase, its running steps, and the last line of the first, as a line."""
        now = self._clock()
        steps = [f"{step}, {format_seconds(now - began)}" for step, began in self._step_started_at.items()]
        if not steps:
            return f"{self._phase}: still running, {format_seconds(now - self._phase_started_at)}"
        more = f" and {len(steps) - 2} more" if len(steps) > 2 else ""
        output = next((self._latest(step, now) for step in self._step_started_at if step in self._last_output), "")
        return f"{self._phase}: still {'; '.join(steps[:2])}{more}" + (f" | {output}" if output else "")

    def _latest(self, step: str, now: float) -> str:
        """Return how far a step's installation is, otherwise the last line of its output."""
        progress = self._installations.get(step)
        return (progress.describe(now) if progress else "") or self._last_output[step]

    @property
    def phase(self) -> str:
        """Return the name of the running phase."""
        return self._phase

    def headline(self) -> Text:
        """Return the line of the running phase: steps in numbers, seconds, node."""
        now = self._clock()
        line = Text.assemble(
            (f"  {_FRAMES[int(now * 10) % len(_FRAMES)]} ", "cyan"),
            (f"{self._phase:<{_NAME_WIDTH}}", "bold"),
            (f"{self._progress(self._step_started_at):<{_OUTCOME_WIDTH}}", "dim"),
            (f"{format_seconds(now - self._phase_started_at):>12}", "dim"),
            (f"  {self._node}" if self._node else "", "dim"),
        )
        return _one_line(line)

    def rows(self) -> List[Text]:
        """Return lines for the phase, its running steps, and what each step did last."""
        now = self._clock()
        steps, last_output = self._step_started_at, self._last_output
        shown = list(steps.items())[:_STEPS_SHOWN]
        width = max([_NAME_WIDTH + _OUTCOME_WIDTH - 2, *(len(step) for step, _ in shown)])
        rows = [self.headline()]
        for step, started_at in shown:
            rows.append(Text.assemble(f"      {step:<{width}}", (f"{format_seconds(now - started_at):>12}", "dim")))
            progress = self._installations.get(step)
            if progress and progress.is_known:
                rows.append(Text.assemble(("        ", ""), (progress.bar(), "cyan"), f"  {progress.describe(now)}"))
            if step in last_output:
                rows.append(Text(f"        {last_output[step]}", style="dim"))
        if len(steps) > len(shown):
            rows.append(Text(f"      and {len(steps) - len(shown)} more", style="dim"))
        return [_one_line(row) for row in rows]

    def _progress(self, steps: Dict[str, float]) -> str:
        """Return "N of M steps"; "" for a single step."""
        total = self._steps_done + len(steps)
        return f"{self._steps_done} of {total} steps" if total > 1 else ""
