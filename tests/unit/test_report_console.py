"""The console over a stream of events: a terminal's picture, plain lines without one."""

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

HOST, PHASE = "cloud1", Phase.SERVICES
FAILURE = Failed(
    HOST, PHASE, "unit:nova-compute", "start failed\nline [1] of the journal\nline 2", "journalctl -u nova-compute"
)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
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


def play(console, clock):
    """A phase that takes 65 seconds, with one step that fails."""
    console.on_event(Note(HOST, "no KVM", "warning"))
    console.on_event(PhaseStarted(HOST, PHASE))
    console.on_event(StepStarted(HOST, PHASE, "start nova-compute"))
    console.on_event(Output(HOST, PHASE, "start nova-compute", "waiting"))
    clock.now += 65
    console.on_event(StepFinished(HOST, PHASE, "start nova-compute", 65, False, "exit 1"))
    console.on_event(Changed(HOST, PHASE, "unit:nova-api", "start nova-api (was inactive)"))
    console.on_event(FAILURE)
    console.on_event(Skipped(HOST, PHASE, "compute:cloud1", "needs unit:nova-compute"))
    console.heard(PhaseFinished(HOST, PHASE, 1, 65.2, False))


def visible(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_without_a_terminal_each_event_is_a_line(clock):
    stream = io.StringIO()
    play(Console(stream, clock=clock), clock)
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


def test_verbose_shows_what_the_host_prints(clock):
    stream = io.StringIO()
    play(Console(stream, verbose=True, clock=clock), clock)
    assert "    0.0  Services: start nova-compute | waiting\n" in stream.getvalue()
    assert "         exit 1\n" in stream.getvalue()


def test_on_a_terminal_only_what_matters_stays(clock):
    stream = Terminal()
    with Console(stream, clock=clock) as console:
        play(console, clock)
    kept = [line.rstrip() for line in visible(stream.getvalue()).replace("\r", "\n").splitlines() if line.strip()]
    assert "  ! no KVM" in kept
    assert "  ✗ unit:nova-compute  on cloud1" in kept
    assert "    │ line [1] of the journal" in kept
    assert "    → journalctl -u nova-compute" in kept
    assert "    – compute:cloud1  skipped: needs unit:nova-compute" in kept
    assert kept[-1] == "  ✗ Services    failed                     65 s"
    assert not any("± start nova-api" in line for line in kept)


def test_the_live_part_shows_phase_steps_and_their_seconds(clock):
    console = Console(Terminal(), clock=clock)
    console.on_event(PhaseStarted(HOST, PHASE))
    for number in range(8):
        console.on_event(StepStarted(HOST, PHASE, f"start unit-{number}"))
    console.on_event(Output(HOST, PHASE, "start unit-1", "x" * 200))
    clock.now = 12
    console.on_event(StepFinished(HOST, PHASE, "start unit-0", 12))
    console.close()
    with console.rich_console.capture() as captured:
        console.rich_console.print(console._render())
    head, *rows = [line.rstrip() for line in visible(captured.get()).splitlines()]
    assert re.fullmatch(r"  \S Services    1 of 8 steps +12 s", head)
    assert re.fullmatch(r"      start unit-1 +12 s", rows[0])
    assert rows[1].startswith("        xxx") and rows[1].endswith("…") and len(rows[1]) <= 80
    assert rows[-1] == "      and 1 more"


def test_the_screen_is_given_back_when_a_run_breaks_off(clock):
    stream = Terminal()
    console = Console(stream, clock=clock)
    with pytest.raises(KeyboardInterrupt), console:
        console.on_event(PhaseStarted(HOST, PHASE))
        raise KeyboardInterrupt
    assert stream.getvalue().rstrip("\r\n").endswith(("\x1b[?25h", "\x1b[2K")), "the cursor is shown again"
    assert "\x1b[?25h" in stream.getvalue()
    console.close()


@pytest.mark.parametrize(
    ("color", "variable", "colored"),
    [("auto", None, True), ("never", None, False), ("auto", "NO_COLOR", False), ("always", None, True)],
)
def test_colors(color, variable, colored, clock, monkeypatch):
    if variable:
        monkeypatch.setenv(variable, "1")
    stream = Terminal()
    Console(stream, color, clock=clock).on_event(Note(HOST, "no KVM", "warning"))
    assert ("\x1b[33m" in stream.getvalue()) is colored


def test_colors_into_a_file_only_when_asked(clock):
    plain, forced = io.StringIO(), io.StringIO()
    Console(plain, clock=clock).on_event(Note(HOST, "x", "warning"))
    Console(forced, "always", clock=clock).on_event(Note(HOST, "x", "warning"))
    assert "\x1b" not in plain.getvalue()
    assert "\x1b" in forced.getvalue()


def test_markup_in_what_a_host_says_is_only_text(clock):
    stream = io.StringIO()
    Console(stream, clock=clock).on_event(Note(HOST, "[red]:smile: [/]"))
    assert "[red]:smile: [/]" in stream.getvalue()


def test_a_long_failure_shows_its_end(clock):
    stream = Terminal()
    text = "\n".join(["failed", *(f"line {number}" for number in range(100))])
    Console(stream, clock=clock).on_event(Failed(HOST, PHASE, "x:y", text))
    told = visible(stream.getvalue())
    assert "(60 more lines are in the log)" in told
    assert "line 99" in told and "line 59\n" not in told
