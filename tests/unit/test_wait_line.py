"""No run is silent: what it waits for is shown, by a clock that the test sets."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace

import pytest

from packstack_lite.engine.events import Output, PhaseFinished, PhaseStarted, StepFinished, StepStarted
from packstack_lite.report import wait_line
from packstack_lite.report.console import Console
from packstack_lite.report.wait_line import WaitLine
from packstack_lite.resources.base import Phase
from tests.unit.test_report_console import NODE, Clock, Terminal


@pytest.fixture
def clock():
    return Clock()


def test_a_terminal_shows_the_wait_from_the_first_moment(clock):
    stream = Terminal()
    line = WaitLine(stream, clock, starts_thread=False)
    with line.working("a: connecting"):
        assert "a: connecting  0.0 s" in stream.getvalue()
        clock.now = 3
        line.tick()
        assert stream.getvalue().endswith("a: connecting  3.0 s")
        with line.paused():
            assert stream.getvalue().endswith("\r\x1b[K")
    assert stream.getvalue().endswith("\r\x1b[K")
    before = stream.getvalue()
    line.tick()
    assert stream.getvalue() == before


def test_without_a_terminal_a_line_comes_after_fifteen_quiet_seconds(clock):
    stream = io.StringIO()
    line = WaitLine(stream, clock, starts_thread=False)
    with line.working("a: connecting"), line.working("b: \x1b[31mconnecting"):
        for clock.now in range(1, 15):
            line.tick()
        assert stream.getvalue() == ""
        clock.now = 15
        line.tick()
        line.tick()
        assert stream.getvalue() == "a: connecting and 1 more … 15 s\n"
        clock.now = 29
        with line.paused():
            pass
        clock.now = 43
        line.tick()
        assert stream.getvalue().count("\n") == 1
        clock.now = 44
        line.tick()
        assert stream.getvalue().count("\n") == 2


def test_the_thread_ends_with_the_work(monkeypatch):
    monkeypatch.setattr(wait_line, "time", SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 20)))
    line = WaitLine(io.StringIO())
    with line.working("a"):
        thread = line._thread
        assert thread.daemon and thread.is_alive()
    thread.join(5)
    assert not thread.is_alive() and line._thread is None


@pytest.mark.parametrize("node_count", [1, 2])
def test_a_phase_without_a_terminal_says_what_goes_on(clock, node_count):
    stream = io.StringIO()
    console = Console(stream, color="never", clock=clock, node_count=node_count)
    prefix = f"{NODE}: " if node_count > 1 else ""
    console.on_event(PhaseStarted(NODE, Phase.CATALOG))
    console.on_event(StepStarted(NODE, Phase.CATALOG, "write 30 objects"))
    printed = stream.getvalue()
    clock.now = 14
    console.tick()
    assert stream.getvalue() == printed
    clock.now = 16
    console.tick()
    console.tick()
    assert stream.getvalue() == f"{printed}   16.0  {prefix}Catalog: still write 30 objects, 16 s\n"
    console.on_event(Output(NODE, Phase.CATALOG, "write 30 objects", "waits for RabbitMQ"))
    clock.now = 31
    console.tick()
    assert stream.getvalue().endswith(f"{prefix}Catalog: still write 30 objects, 31 s | waits for RabbitMQ\n")
    console.on_event(StepFinished(NODE, Phase.CATALOG, "write 30 objects", 31.0))
    console.on_event(PhaseFinished(NODE, Phase.CATALOG, 1, 31.0))
    printed = stream.getvalue()
    clock.now = 90
    console.tick()
    assert stream.getvalue() == printed


def test_a_quiet_phase_is_named(clock):
    stream = io.StringIO()
    console = Console(stream, color="never", clock=clock)
    console.on_event(PhaseStarted(NODE, Phase.SERVICES))
    clock.now = 20
    console.tick()
    assert "Services: still running, 20 s" in stream.getvalue()
