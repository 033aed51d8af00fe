"""Text of others is printed escaped: on every path of output, no control character reaches the terminal."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import sys
import unicodedata
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packstack_lite.cli import echo as cli_echo
from packstack_lite.cli import failures, interrupt, terminal
from packstack_lite.cli.options import Options
from packstack_lite.engine import events
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import ApplyReport, Case, Change, Drift, PhaseTime
from packstack_lite.errors import AnswersError, PhaseError
from packstack_lite.report import json_output, text
from packstack_lite.report.console import Console
from packstack_lite.report.escape import escape_json, escape_text
from packstack_lite.report.rich_console import make_console
from packstack_lite.report.run_log import RunLog
from packstack_lite.resources.base import Phase
from packstack_lite.secret import Masker
from tests.sources import nodes_of

CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")
# What a terminal would obey: a title, a colour, a cleared screen, C1 codes, turned text, markup of rich, a link.
WORST = "\x1b]0;title\x07\x1b[31mred\x1b[2J\x9b31m\r\b\u202e\u2066\x00\ud800[red]x[/red][link=http://x]y[/] :smile:"
HOSTILE = st.one_of(st.just(WORST), st.text(st.characters(categories=CATEGORIES), max_size=8).map(lambda s: f"<{s}>"))


def forbidden(printed):
    return sorted({char for char in printed if unicodedata.category(char) in CATEGORIES} - {"\n", "\t"})


def fill(kind, value):
    """Return an event or result of this kind in which each text is ``value``."""
    values = {
        "str": value,
        "Phase": Phase.SERVICES,
        "float": 1.0,
        "int": 1,
        "bool": True,
        "Optional[FixCommand]": None,
        "Tuple[str, ...]": (value,),
        "Tuple[Change, ...]": (),
        "Tuple[PhaseTime, ...]": (PhaseTime(value, 1.0, 1),),
        "Tuple['ApplyReport', ...]": (),
    }
    known = {"outcome": "failed", "level": "error"} if kind in (Case, Finding) else {}
    return kind(**{field.name: known.get(field.name, values[field.type]) for field in dataclasses.fields(kind)})


EVENTS = events.Event.__args__


def print_events(value):
    for interactive in (False, True):
        for verbose in (False, True):
            stream = io.StringIO()
            console = Console(stream, color="never", verbose=verbose, node_count=2)
            console._is_interactive = interactive
            with console:
                for kind in EVENTS:
                    console.on_event(fill(kind, value))
                if interactive:
                    console.rich_console.print(*console._progress_by_node[value].rows(), sep="\n")
            yield stream.getvalue()


def print_results(value):
    change = dataclasses.replace(fill(Change, value), text_diff=f"+{value}\n-{value}")
    report = dataclasses.replace(fill(ApplyReport, value), node_reports=(fill(ApplyReport, value),))
    for function, arguments in (
        (text.print_plan, ([change, dataclasses.replace(change, node="b")], True)),
        (text.print_applied, (report, [value])),
        (text.print_drift, ([fill(Drift, value)],)),
        (text.print_findings, ([fill(Finding, value)], (), [fill(Finding, value)])),
        (text.print_cases, ([fill(Case, value)],)),
    ):
        stream = io.StringIO()
        function(make_console(stream, "never"), *arguments)
        yield stream.getvalue()


def print_errors(value, capture):
    for error in (
        PhaseError(value, value),
        AnswersError(value, [value], value, [value]),
        click.UsageError(value),
        # A file's name has only those surrogates that stand for bytes.
        click.FileError("".join("\udc9b" if unicodedata.category(char) == "Cs" else char for char in value), value),
        ValueError(value),
        OSError(13, value, value),
    ):
        with capture() as stream:
            failures.run_guarded(lambda error=error: (_ for _ in ()).throw(error), [value])
        yield stream.getvalue()


def print_in_cli(value, capture):
    options = Options()
    for function in (
        lambda: cli_echo.echo(value),
        lambda: cli_echo.echo(value, err=True),
        lambda: terminal.print_stderr(options, value),
        lambda: terminal.warn_once(options, value),
        lambda: terminal.stdout_console(options).print(value),
        lambda: terminal.print_json({"a": value}),
    ):
        with capture() as stream:
            function()
        yield stream.getvalue()


@pytest.fixture(scope="module")
def capture():
    """Return a context manager that gives a stream with what is printed on stdout and stderr."""
    from contextlib import contextmanager, redirect_stderr, redirect_stdout

    @contextmanager
    def capturing():
        stream = io.StringIO()
        with redirect_stdout(stream), redirect_stderr(stream):
            yield stream

    return capturing


@pytest.fixture(scope="module", autouse=True)
def state(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("state")
        patch.setenv("XDG_STATE_HOME", str(directory))
        patch.setenv("NO_COLOR", "1")
        yield directory


@settings(max_examples=25, deadline=None)
@given(value=HOSTILE)
def test_no_output_obeys_the_text_of_others(value, capture):
    outputs = [*print_events(value), *print_results(value)]
    outputs += [*print_errors(value, capture), *print_in_cli(value, capture)]
    for output in outputs:
        assert output.strip()
        assert forbidden(output) == [], repr(output)


def test_markup_is_printed_as_it_is(capture):
    for output in [*print_events("[red]x[/red]"), *print_results("[red]x[/red]"), *print_in_cli("[b]", capture)]:
        assert "[red]x[/red]" in output or "[b]" in output or "x" not in output, output
    stream = io.StringIO()
    make_console(stream, "never").print("[red]x[/red] :smile:")
    assert stream.getvalue() == "[red]x[/red] :smile:\n"


@pytest.mark.parametrize("variable", ["COLUMNS", "LINES"])
@pytest.mark.parametrize("size", ["9" * 5000, "9" * 12, "\u00b2", "-1", "x", ""])
def test_a_size_of_the_terminal_that_is_none_is_ignored(monkeypatch, variable, size):
    monkeypatch.setenv(variable, size)
    console = make_console(io.StringIO(), "never")
    assert 0 < console.width < 10_000 and 0 < console.height < 10_000


def test_our_own_styles_still_reach_a_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    text.print_drift(make_console(stream, "always"), [Drift("a", "b", "\x1b[2J", "")])
    assert "\x1b[31m" in stream.getvalue() and "\x1b[2J" not in stream.getvalue()
    assert "\\x1b[2J" in stream.getvalue()


@settings(max_examples=25, deadline=None)
@given(value=HOSTILE)
def test_logs_are_safe_to_look_at(value, tmp_path_factory):
    directory = tmp_path_factory.mktemp("log")
    log = RunLog(directory, Masker([]))
    for kind in EVENTS:
        log.on_event(fill(kind, value))
    log.write_exchange(value, value, value, 1, value, value)
    log.close()
    assert forbidden((directory / "run.log").read_text()) == []
    lines = (directory / "events.jsonl").read_text().split("\n")[:-1]
    assert forbidden("".join(lines)) == []
    # Two halves of a surrogate pair are one character to JSON.
    assert json.loads(lines[0])["host"] == value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def test_a_bug_report_is_safe_to_look_at(state):
    path = failures.write_bug_report(ValueError(WORST), [])
    assert forbidden(path.read_text()) == []


def test_what_an_interrupt_prints_is_escaped(monkeypatch):
    written = []
    monkeypatch.setattr(interrupt.os, "write", lambda descriptor, data: written.append(data.decode()))
    interrupt.InterruptGuard()._print(WORST)
    assert forbidden("".join(written)) == []


@pytest.mark.parametrize("ask", [cli_echo.confirm, cli_echo.prompt])
def test_a_question_is_escaped(ask, monkeypatch):
    asked = []
    monkeypatch.setattr(click, ask.__name__, lambda question, **options: asked.append(question))
    ask(WORST)
    assert forbidden(asked[0]) == []


@given(value=st.text())
def test_escaping_json_changes_no_value(value):
    line = escape_json(json.dumps({"a": value}, ensure_ascii=False))
    assert json.loads(line) == {"a": value}
    assert forbidden(line) == []
    assert escape_text(value) == value or forbidden(value)


def test_the_escaped_characters_are_those_of_unicodes_categories():
    """Of each category, all that this Python's Unicode has; ordinary text stays."""
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        category = unicodedata.category(char)
        # Cn: a later Unicode has a character there.
        if category != "Cn":
            assert (escape_text(char) != char) == (category in CATEGORIES and char not in "\n\t"), hex(code)
    assert escape_text("Größe 网络 ✓ → │") == "Größe 网络 ✓ → │"


def test_json_output_keeps_one_line():
    assert json.loads(json_output.to_json({"a": WORST}))["a"] == WORST


def test_click_prints_only_through_one_module():
    """``cli.echo`` escapes; whatever calls click itself would not."""
    printing = {"echo", "secho", "prompt", "confirm", "echo_via_pager", "pause"}
    directory = Path(terminal.__file__).parent
    offenders = [
        f"{path.name}:{node.lineno}"
        for path in directory.glob("*.py")
        if path.name != "echo.py"
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "click"
        and node.attr in printing
    ]
    assert offenders == []
