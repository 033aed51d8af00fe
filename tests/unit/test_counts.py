"""Counts in grammar: one helper, and no message that counts by hand."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path
from typing import Iterator

import pytest

from packstack_lite.counts import format_count
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import ApplyReport, Change, Drift, PhaseTime
from packstack_lite.preflight.fixes import make_fix
from packstack_lite.report import text
from packstack_lite.report.rich_console import make_console
from tests.sources import nodes_of

PACKAGE = Path(__file__).resolve().parents[2] / "packstack_lite"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not {"__pycache__", "hostside", "guest"} & set(path.parts))
# Words that end in s and count nothing, and verbs.
NO_PLURALS = {"s", "is", "was", "has", "does", "this", "its", "as", "us"}
# Numbers that are never 1, with the reason.
NEVER_ONE = {
    "answers/values.py len(text)": "above the maximum",
    "cli/option_abbreviations.py len(errors)": "only for several",
    "deployment/run_record.py len(lost)": "at least _FEWEST_LOST",
    "report/console.py total": "only for several",
}


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (0, ["change"], "0 changes"),
        (1, ["change"], "1 change"),
        (2, ["change"], "2 changes"),
        (1, ["address", "addresses"], "1 address"),
        (3, ["address", "addresses"], "3 addresses"),
    ],
)
def test_a_count_has_its_noun(number, words, expected):
    assert format_count(number, *words) == expected


def is_number(node: ast.expr) -> bool:
    """Return whether an expression looks like a number: len(...), or a name that says so."""
    source = ast.unparse(node)
    return source.startswith(("len(", "abs(", "sum(", "round(")) or bool(
        re.search(r"(?:^|[._])(count|number|seconds|minutes|hosts|total|size)$", source)
    )


def counted_by_hand(path: Path) -> Iterator[str]:
    """Yield a sentence for each f-string with a number and a plural, or an s as needed."""
    # ValueErrors of parsers are bugs, which no user reads.
    raised = [node.exc for node in nodes_of(path) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    internal = {id(child) for call in raised if ast.unparse(call.func) == "ValueError" for child in ast.walk(call)}
    for node in nodes_of(path):
        if isinstance(node, ast.BinOp) and ast.unparse(node.left) == "'s'":
            yield f"{path}:{node.lineno}: {ast.unparse(node)}: write it with format_count"
        if not isinstance(node, ast.JoinedStr) or id(node) in internal:
            continue
        for value, after in zip(node.values, node.values[1:]):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            match = re.match(r" (?:more |other |earlier )?([a-z]+s)\b", str(after.value))
            expression = ast.unparse(value.value)
            is_exempt = any(f"{path} {expression}".endswith(f"/{known}") for known in NEVER_ONE)
            if match and match[1] not in NO_PLURALS and is_number(value.value) and not is_exempt:
                yield f"{path}:{node.lineno}: {{{expression}}}{after.value}: write it with format_count"


def test_no_message_counts_by_hand():
    problems = [problem for path in MODULES for problem in counted_by_hand(path)]
    assert not problems, "\n".join(problems)


def test_what_counts_by_hand_is_found(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(
        'a = f"{len(names)} things"\nb = f"{len(names)} more nodes failed"\nc = f"{name} is here"\n'
        "d = f\"{n} thing{'s' * (n != 1)}\"\n"
    )
    assert len([*counted_by_hand(path)]) == 3


def printed(function, *arguments):
    stream = io.StringIO()
    function(make_console(stream, "never"), *arguments)
    return stream.getvalue()


def report_of(count: int) -> ApplyReport:
    """Return a report in which everything is counted ``count`` times."""
    changes = tuple(Change("a", "Configure", f"file:{n}", f"write /etc/{n}") for n in range(count))
    units = tuple(f"unit-{n}" for n in range(count))
    return ApplyReport(changes, units, count, 1.0, (PhaseTime("Configure", 1.0, count),), "a")


@pytest.mark.parametrize("count", [1, 2])
def test_every_line_of_a_result_counts_in_grammar(count):
    report = report_of(count)
    finding = Finding("clock", "a", "error", "it is late", "wait", make_fix("set it", "true"))
    drift = Drift("a", "file:x", "x differs")
    lines = "\n".join(
        [
            printed(text.print_plan, report.changes),
            printed(text.print_applied, report),
            printed(text.print_applied, ApplyReport(*vars_of(report), node_reports=(report,) * count)),
            printed(text.print_drift, [drift] * count),
            printed(text.print_findings, [finding] * count),
        ]
    )
    for noun in ("change", "service", "round trip", "difference", "error"):
        assert f"{count} {noun}" in lines, noun
    wrong = re.findall(r"\b1 (?:changes|services|round trips|differences|errors)\b", lines)
    wrong += re.findall(r"\b2 (?:change|service|round trip|difference|error)\b", lines)
    assert not wrong


def vars_of(report: ApplyReport):
    return (report.changes, report.restarted_units, report.round_trips, report.seconds, report.phase_times)
