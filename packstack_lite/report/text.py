"""Print results on stdout.

Plan, changes of apply, findings, differences, cases, sandboxes. Used by ``cli.output``.
"""

from __future__ import annotations

from itertools import groupby
from typing import List, Sequence, Tuple

from rich.console import Console as Rich
from rich.table import Table
from rich.text import Text

from packstack_lite.counts import format_count
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import OUTCOMES, ApplyReport, Case, Change, Drift, unproved_essentials
from packstack_lite.recommended import recommend_here
from packstack_lite.report.formatting import format_seconds

_SIGNS = {
    "error": ("✗", "red"),
    "failed": ("✗", "red"),
    "warning": ("!", "yellow"),
    "skipped": ("–", "yellow"),
    "ignored": ("–", "yellow"),
    "info": ("·", "cyan"),
    "passed": ("✓", "green"),
}
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def print_plan(console: Rich, changes: Sequence[Change], with_diff: bool = False) -> None:
    """Print a plan by phase; ``with_diff`` adds the text diff below each change."""
    if not changes:
        console.print(Text("nothing to change"))
        return
    is_multi_node = len({change.node for change in changes}) > 1
    for (node, phase), group in groupby(changes, key=lambda change: (change.node, change.phase)):
        phase_changes = list(group)
        node_suffix = f"  on {node}" if is_multi_node else ""
        console.print(
            Text.assemble((phase, "bold"), (f"  {format_count(len(phase_changes), 'change')}{node_suffix}", "dim"))
        )
        for change in phase_changes:
            _print_change(console, change, with_diff)
    nodes = ", ".join(dict.fromkeys(change.node for change in changes))
    console.print(Text.assemble("\n", (format_count(len(changes), "change"), "bold"), f" on {nodes}"))


def _print_change(console: Rich, change: Change, with_diff: bool) -> None:
    """Print a change with its sign, and with ``with_diff`` its coloured diff."""
    sign, style = _change_sign(change.description)
    console.print(Text.assemble((f"  {sign} ", style), change.description))
    for line in color_diff(change.text_diff) if with_diff else ():
        console.print(Text("      ").append_text(line))


def _change_sign(description: str) -> Tuple[str, str]:
    """Return sign and style of a change.

    ``+`` for something new, ``-`` for a removal, ``~`` for all else.
    """
    verb = description.split(" ", 1)[0]
    if verb == "remove":
        return "-", "red"
    is_new = verb in ("create", "install") or description.endswith("(new)")
    return ("+", "green") if is_new else ("~", "yellow")


def color_diff(diff: str) -> List[Text]:
    """Return a unified diff in colours, without its two lines of file names."""
    lines = [line for line in diff.splitlines() if not line.startswith(("--- ", "+++ "))]
    return [Text(line, style=_DIFF_STYLES.get(line[:1], "dim")) for line in lines]


def print_applied(console: Rich, report: ApplyReport, extra_lines: Sequence[str] = ()) -> None:
    """Print what apply did: phases with changes and seconds, then a summary.

    ``extra_lines`` follow the summary.
    """
    columns = {"slowest node": "left"} if report.node_reports else {}
    table = _make_table("phase", changes="right", time="right", **columns)
    for phase in report.phase_times:
        style = "" if phase.change_count else "dim"
        changes = str(phase.change_count) if phase.change_count else "–"
        cells = [phase.name, changes, format_seconds(phase.seconds), *([phase.node] if columns else [])]
        table.add_row(*(Text(cell, style=style) for cell in cells))
    if report.phase_times:
        console.print(table)
        console.print()
    for node_report in report.node_reports:
        console.print(Text(f"{node_report.node}  {_summarize_report(node_report)}"))
    console.print(Text(_summarize_report(report), style="bold"))
    for line in extra_lines:
        console.print(Text(line))


def _summarize_report(report: ApplyReport) -> str:
    """Return the numbers of an apply in words: changes, restarts, round trips, time."""
    parts = [
        format_count(len(report.changes), "change"),
        f"{format_count(len(report.restarted_units), 'service')} restarted",
    ]
    return ", ".join([*parts, format_count(report.round_trips, "round trip"), format_seconds(report.seconds)])


def print_drift(console: Rich, drift: Sequence[Drift]) -> None:
    """Print what is no longer as declared, each with what to type."""
    for drifted in drift:
        console.print(Text.assemble(("✗ ", "red"), drifted.message, (f"  on {drifted.node}", "dim")))
        if drifted.hint:
            console.print(Text.assemble(("  → ", "cyan"), drifted.hint))
    count = format_count(len(drift), "difference")
    console.print(Text(count if drift else "everything is as declared", style="bold"))


def print_findings(
    console: Rich, findings: Sequence[Finding], ignored: Sequence[str] = (), fixed: Sequence[Finding] = ()
) -> None:
    """Print findings, fixed ones first, then the worst first.

    Each has its check's name, for --ignore. ``ignored`` are the names given to --ignore.
    """
    severity = {"error": 0, "warning": 1, "ignored": 2, "info": 3}
    sorted_findings = sorted(findings, key=lambda finding: severity[finding_level(finding, ignored)])
    width = max((len(finding.check) for finding in [*sorted_findings, *fixed]), default=0)
    for finding in fixed:
        first_line = finding.message.split("\n")[0]
        console.print(Text.assemble(("✓ ", "green"), (f"{finding.check:<{width}}", "green"), f"  fixed: {first_line}"))
    is_multi_node = len({finding.node for finding in sorted_findings}) > 1
    for finding in sorted_findings:
        for line in format_finding(finding, ignored, width, finding.node if is_multi_node else ""):
            console.print(line)
    summary = _summarize_findings([finding_level(finding, ignored) for finding in sorted_findings])
    fixable = [
        finding for finding in sorted_findings if finding.is_fixable and finding_level(finding, ignored) != "ignored"
    ]
    if fixable:
        summary += f"; {recommend_here('preflight', '--fix')} can fix {len(fixable)} of them"
    console.print(Text(summary, style="bold"))


def finding_level(finding: Finding, ignored: Sequence[str] = ()) -> str:
    """Return the finding's level; ``ignored`` for an error given to --ignore."""
    return "ignored" if finding.level == "error" and finding.check in ignored else finding.level


def format_finding(finding: Finding, ignored: Sequence[str] = (), width: int = 0, node: str = "") -> List[Text]:
    """Return a finding as lines: the message, then the hint.

    ``width`` is the width of the column of check names. ``node`` is printed in front of the message, unless empty.
    """
    sign, style = _SIGNS[finding_level(finding, ignored)]
    width = width or len(finding.check)
    first_line, *more_lines = (f"{node}: {finding.message}" if node else finding.message).split("\n")
    lines = [Text.assemble((f"{sign} ", style), (f"{finding.check:<{width}}", style), f"  {first_line}")]
    lines.extend(Text(" " * (width + 4) + line) for line in more_lines)
    for index, line in enumerate(finding.hint.split("\n") if finding.hint else ()):
        lines.append(Text.assemble(" " * (width + 4), ("  " if index else "→ ", "cyan"), (line, "dim")))
    return lines


def _summarize_findings(levels: Sequence[str]) -> str:
    """Return the number of findings of each level in words."""
    parts = [
        format_count(levels.count(level_name), level_name)
        for level_name in ("error", "warning")
        if level_name in levels
    ]
    parts += [f"{levels.count('ignored')} ignored"] if "ignored" in levels else []
    return ", ".join(parts) if parts else "no errors or warnings"


def print_cases(console: Rich, cases: Sequence[Case]) -> None:
    """Print the cases of a smoke test with seconds, and the count per outcome.

    A line names the essential cases that did not run.
    """
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column()
    table.add_column(justify="right", style="dim")
    table.add_column(overflow="fold", style="dim")
    for case in cases:
        sign, style = _SIGNS[case.outcome]
        table.add_row(Text(sign, style=style), Text(case.name), format_seconds(case.seconds), Text(case.detail))
    console.print(table)
    outcomes = [case.outcome for case in cases]
    counts = [f"{outcomes.count(outcome)} {outcome}" for outcome in OUTCOMES if outcome in outcomes]
    console.print(
        Text(
            f"{', '.join(counts) or 'no cases'} in {format_seconds(sum(case.seconds for case in cases))}", style="bold"
        )
    )
    unproved = unproved_essentials(cases)
    if unproved:
        console.print(Text(f"this does not prove the cloud: not tried: {', '.join(unproved)}", style="bold red"))


def _make_table(first_column: str, **columns: str) -> Table:
    """Return a table without lines.

    ``columns`` maps further column names to ``left`` or ``right``.
    """
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(first_column)
    for name, alignment in columns.items():
        table.add_column(name, justify="right" if alignment == "right" else "left")
    return table
