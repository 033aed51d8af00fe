"""The console: the picture on a terminal, and plain lines without one."""

from __future__ import annotations

import io
import re

import pytest

from packstack_lite.engine.events import (
    Changed,
    Failed,
    Note,
    Output,
    PhaseFinished,
    PhaseStarted,
    Skipped,
    StepFinished,
    StepStarted,
)
from packstack_lite.report.console import Console
from packstack_lite.resources.base import Phase

NODE, PHASE = "cloud1", Phase.SERVICES
FAILURE = Failed(
    NODE, PHASE, "unit:nova-compute", "start failed\nline [1] of the journal\nline 2", "journalctl -u nova-compute"
)


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    """A stream that counts as a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


def run_failing_phase(console, clock):
    """Send the events of a phase that takes 65 seconds and has a failing step."""
    console.on_event(Note(NODE, "no KVM", "warning"))
    console.on_event(PhaseStarted(NODE, PHASE))
    console.on_event(StepStarted(NODE, PHASE, "start nova-compute"))
    console.on_event(Output(NODE, PHASE, "start nova-compute", "waiting"))
    clock.now += 65
    console.on_event(StepFinished(NODE, PHASE, "start nova-compute", 65, False, "exit 1"))
    console.on_event(Changed(NODE, PHASE, "unit:nova-api", "start nova-api (was inactive)"))
    console.on_event(FAILURE)
    console.on_event(Skipped(NODE, PHASE, "compute:cloud1", "needs unit:nova-compute"))
    console.on_event(PhaseFinished(NODE, PHASE, 1, 65.2, False))


def without_escapes(text):
    """The text without terminal escape sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_without_a_terminal_each_event_is_a_line(clock):
    stream = io.StringIO()
    run_failing_phase(Console(stream, clock=clock), clock)
    assert stream.getvalue().splitlines() == [
        "    0.0  cloud1: warning: no KVM",
        "    0.0  Services: start nova-compute …",
        "   65.0  Services: start nova-compute: failed, 65 s",
        "   65.0  Services: start nova-api (was inactive)",
        "   65.0  Services: unit:nova-compute failed on cloud1: start failed",
        "         line [1] of the journal",
        "         line 2",
        "         → journalctl -u nova-compute",
        "   65.0  Services: compute:cloud1 skipped: needs unit:nova-compute",
        "   65.0  Services: failed, 65 s",
    ]


def test_verbose_shows_the_node_s_output(clock):
    stream = io.StringIO()
    run_failing_phase(Console(stream, verbose=True, clock=clock), clock)
    assert "    0.0  Services: start nova-compute | waiting\n" in stream.getvalue()
    assert "         exit 1\n" in stream.getvalue()


@pytest.mark.parametrize("stream_class", [io.StringIO, Terminal])
def test_control_characters_in_a_node_s_output_and_in_an_error_end_nothing(clock, stream_class):
    """rich before 12.5 removed them from a text, but counted them: IndexError at the next tab or newline."""
    stream = stream_class()
    with Console(stream, verbose=True, clock=clock) as console:
        console.on_event(PhaseStarted(NODE, PHASE))
        console.on_event(StepStarted(NODE, PHASE, "copy\r\n"))
        console.on_event(Output(NODE, PHASE, "copy\r\n", "50 %\r\r\r\r\b\t100 %\r\t"))
        console.on_event(Failed(NODE, PHASE, "file:/x\r\n", "no space\r\t\r\nleft\r\t", "df\r\t"))
        console.on_event(PhaseFinished(NODE, PHASE, 1, 65.2, False))
    assert "100 %" in stream.getvalue() and "no space" in stream.getvalue()


def test_a_terminal_keeps_only_failures_warnings_and_phases(clock):
    stream = Terminal()
    with Console(stream, clock=clock) as console:
        run_failing_phase(console, clock)
    lines = [
        line.rstrip() for line in without_escapes(stream.getvalue()).replace("\r", "\n").splitlines() if line.strip()
    ]
    assert "  ! no KVM" in lines
    assert "  ✗ unit:nova-compute  on cloud1" in lines
    assert "    │ line [1] of the journal" in lines
    assert "    → journalctl -u nova-compute" in lines
    assert "    – compute:cloud1  skipped: needs unit:nova-compute" in lines
    assert lines[-1] == "  ✗ Services    failed                     65 s"
    assert not any("± start nova-api" in line for line in lines)


def test_the_live_part_shows_the_phase_and_its_steps_with_seconds(clock):
    console = Console(Terminal(), clock=clock)
    console.on_event(PhaseStarted(NODE, PHASE))
    for number in range(8):
        console.on_event(StepStarted(NODE, PHASE, f"start unit-{number}"))
    console.on_event(Output(NODE, PHASE, "start unit-1", "x" * 200))
    clock.now = 12
    console.on_event(StepFinished(NODE, PHASE, "start unit-0", 12))
    console.close()
    with console.rich_console.capture() as captured:
        console.rich_console.print(console._render())
    phase_line, *rows = [line.rstrip() for line in without_escapes(captured.get()).splitlines()]
    assert re.fullmatch(r"  \S Services    1 of 8 steps +12 s", phase_line)
    assert re.fullmatch(r"      start unit-1 +12 s", rows[0])
    assert rows[1].startswith("        xxx") and rows[1].endswith("…") and len(rows[1]) <= 80
    assert rows[-1] == "      and 1 more"


def draw(console):
    """Return the lines of the live part."""
    console.close()
    with console.rich_console.capture() as captured:
        console.rich_console.print(console._render())
    return [line.rstrip() for line in without_escapes(captured.get()).splitlines()]


@pytest.mark.parametrize(
    ("nodes", "height", "shown"),
    [
        # With three lines each they fit; with a line each; only some.
        (4, 24, 4),
        (12, 24, 12),
        (40, 24, 21),
        (300, 10, 7),
    ],
)
def test_many_nodes_get_a_line_each_as_far_as_they_fit(clock, monkeypatch, nodes, height, shown):
    monkeypatch.setenv("LINES", str(height))
    console = Console(Terminal(), clock=clock, node_count=nodes)
    for number in range(nodes):
        phase = Phase.PACKAGES if number % 4 else PHASE
        console.on_event(PhaseStarted(f"node-{number}", phase))
        console.on_event(StepStarted(f"node-{number}", phase, "step 1"))
        console.on_event(Output(f"node-{number}", phase, "step 1", "line"))
    lines = draw(console)
    assert len(lines) <= height - 1
    named = [line for line in lines if re.fullmatch(r"  \S (Packages|Services) .* node-\d+", line)]
    assert len(named) == shown
    if nodes > 4:
        count = nodes // 4
        assert lines[0] == f"  {nodes} nodes at work: {nodes - count} in Packages, {count} in Services"
    assert (lines[-1] == f"  and {nodes - shown} more nodes") is (shown < nodes)


def test_one_node_keeps_its_steps_on_a_low_screen(clock, monkeypatch):
    monkeypatch.setenv("LINES", "5")
    console = Console(Terminal(), clock=clock)
    console.on_event(PhaseStarted(NODE, PHASE))
    for number in range(6):
        console.on_event(StepStarted(NODE, PHASE, f"start unit-{number}"))
    lines = draw(console)
    assert len(lines) == 4 and "Services" in lines[0] and lines[3].startswith("      start unit-2")


def test_an_interrupted_run_restores_the_screen(clock):
    stream = Terminal()
    console = Console(stream, clock=clock)
    with pytest.raises(KeyboardInterrupt), console:
        console.on_event(PhaseStarted(NODE, PHASE))
        raise KeyboardInterrupt
    assert stream.getvalue().rstrip("\r\n").endswith(("\x1b[?25h", "\x1b[2K")), "the cursor is shown again"
    assert "\x1b[?25h" in stream.getvalue()
    console.close()


@pytest.mark.parametrize(
    ("color", "variable", "is_colored"),
    [("auto", None, True), ("never", None, False), ("auto", "NO_COLOR", False), ("always", None, True)],
)
def test_color_option_and_no_color_are_respected(color, variable, is_colored, clock, monkeypatch):
    if variable:
        monkeypatch.setenv(variable, "1")
    stream = Terminal()
    Console(stream, color, clock=clock).on_event(Note(NODE, "no KVM", "warning"))
    assert ("\x1b[33m" in stream.getvalue()) is is_colored


def test_a_file_gets_colors_only_with_color_always(clock):
    plain, forced = io.StringIO(), io.StringIO()
    Console(plain, clock=clock).on_event(Note(NODE, "x", "warning"))
    Console(forced, "always", clock=clock).on_event(Note(NODE, "x", "warning"))
    assert "\x1b" not in plain.getvalue()
    assert "\x1b" in forced.getvalue()


def test_markup_in_messages_is_not_interpreted(clock):
    stream = io.StringIO()
    Console(stream, clock=clock).on_event(Note(NODE, "[red]:smile: [/]"))
    assert "[red]:smile: [/]" in stream.getvalue()


def test_a_long_failure_shows_its_end(clock):
    stream = Terminal()
    text = "\n".join(["failed", *(f"line {number}" for number in range(100))])
    Console(stream, clock=clock).on_event(Failed(NODE, PHASE, "x:y", text))
    output = without_escapes(stream.getvalue())
    assert "(60 more lines are in the log)" in output
    assert "line 99" in output and "line 59\n" not in output
