"""The results as text, for stdout: the plan, what apply did, findings, faults, cases."""

from __future__ import annotations

from itertools import groupby
from typing import List, Mapping, Sequence

from rich.console import Console as Rich
from rich.table import Table
from rich.text import Text

from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import AppliedReport, Case, Change, Fault
from packstack_lite.report.words import count, seconds

_SIGNS = {
    "error": ("✗", "red"),
    "failed": ("✗", "red"),
    "warning": ("!", "yellow"),
    "skipped": ("–", "yellow"),
    "ignored": ("–", "yellow"),
    "info": ("·", "cyan"),
    "passed": ("✓", "green"),
}
_DIFF = {"+": "green", "-": "red", "@": "cyan"}


def plan(out: Rich, changes: Sequence[Change], diff: bool = False) -> None:
    """What apply would change, by phase; with ``diff`` the lines below each change."""
    if not changes:
        out.print(Text("nothing to change"))
        return
    several = len({change.host for change in changes}) > 1
    for (host, phase), group in groupby(changes, key=lambda change: (change.host, change.phase)):
        members = list(group)
        where = f"  on {host}" if several else ""
        out.print(Text.assemble((phase, "bold"), (f"  {count(len(members), 'change')}{where}", "dim")))
        width = min(max(len(change.resource) for change in members), 60)
        for change in members:
            _change(out, change, width, diff)
    hosts = ", ".join(dict.fromkeys(change.host for change in changes))
    out.print(Text.assemble("\n", (count(len(changes), "change"), "bold"), f" on {hosts}"))


def _change(out: Rich, change: Change, width: int, diff: bool) -> None:
    sign, style = ("+", "green") if change.gap.startswith("create") else ("~", "yellow")
    out.print(Text.assemble((f"  {sign} ", style), f"{change.resource:<{width}}", (f"  {change.gap}", "dim")))
    for line in diff_lines(change.diff) if diff else ():
        out.print(Text("      ").append_text(line))


def diff_lines(diff: str) -> List[Text]:
    """A unified diff in its colours; the two lines that only name the file are left out."""
    lines = [line for line in diff.splitlines() if not line.startswith(("--- ", "+++ "))]
    return [Text(line, style=_DIFF.get(line[:1], "dim")) for line in lines]


def applied(out: Rich, report: AppliedReport, extra: Sequence[str] = ()) -> None:
    """The phases with their seconds and changes, then one line for the whole; ``extra`` lines follow."""
    table = _table("phase", changes="right", time="right")
    for phase in report.phases:
        idle = "" if phase.changes else "dim"
        changes = str(phase.changes) if phase.changes else "–"
        table.add_row(Text(phase.name, style=idle), Text(changes, style=idle), Text(seconds(phase.seconds), style=idle))
    if report.phases:
        out.print(table)
        out.print()
    for each in report.hosts:
        out.print(Text(f"{each.host}  {_sum(each)}"))
    out.print(Text(_sum(report), style="bold"))
    for line in extra:
        out.print(Text(line))


def _sum(report: AppliedReport) -> str:
    told = [count(len(report.changes), "change"), f"{count(len(report.restarted), 'service')} restarted"]
    return ", ".join([*told, count(report.flights, "flight"), seconds(report.seconds)])


def faults(out: Rich, found: Sequence[Fault]) -> None:
    """What is no longer as declared, each with what to type."""
    for fault in found:
        told = (f" {fault.message}", (f"  on {fault.host}", "dim"))
        out.print(Text.assemble(("✗ ", "red"), (fault.resource, "bold"), *told))
        if fault.fix:
            out.print(Text.assemble(("  → ", "cyan"), fault.fix))
    out.print(Text(count(len(found), "fault") if found else "everything is as declared", style="bold"))


def findings(out: Rich, found: Sequence[Finding], ignored: Sequence[str] = (), gone: Sequence[Finding] = ()) -> None:
    """What the checks found, the worst first, the ``gone`` before them, each with its name for --ignore."""
    order = {"error": 0, "warning": 1, "ignored": 2, "info": 3}
    told = sorted(found, key=lambda finding: order[level(finding, ignored)])
    width = max((len(finding.name) for finding in [*told, *gone]), default=0)
    for finding in gone:
        first = finding.message.split("\n")[0]
        out.print(Text.assemble(("✓ ", "green"), (f"{finding.name:<{width}}", "green"), f"  mended: {first}"))
    several = len({finding.host for finding in told}) > 1
    for finding in told:
        for line in finding_lines(finding, ignored, width, finding.host if several else ""):
            out.print(line)
    verdict = _verdict([level(finding, ignored) for finding in told])
    curable = [finding for finding in told if finding.cure and level(finding, ignored) != "ignored"]
    out.print(Text(verdict + (f"; preflight --fix mends {len(curable)} of them" if curable else ""), style="bold"))


def level(finding: Finding, ignored: Sequence[str] = ()) -> str:
    """The finding's level; ``ignored`` for an error whose name was given to --ignore."""
    return "ignored" if finding.level == "error" and finding.name in ignored else finding.level


def finding_lines(finding: Finding, ignored: Sequence[str] = (), width: int = 0, host: str = "") -> List[Text]:
    """A finding as lines: what is wrong, and below it the way out. ``width`` is that of the names' column, ``host``
    whose it is where that has to be said."""
    sign, style = _SIGNS[level(finding, ignored)]
    width = width or len(finding.name)
    first, *others = (f"{host}: {finding.message}" if host else finding.message).split("\n")
    lines = [Text.assemble((f"{sign} ", style), (f"{finding.name:<{width}}", style), f"  {first}")]
    lines.extend(Text(" " * (width + 4) + line) for line in others)
    for place, line in enumerate(finding.fix.split("\n") if finding.fix else ()):
        lines.append(Text.assemble(" " * (width + 4), ("  " if place else "→ ", "cyan"), (line, "dim")))
    return lines


def _verdict(levels: Sequence[str]) -> str:
    told = [count(levels.count(word), word) for word in ("error", "warning") if word in levels]
    told += [f"{levels.count('ignored')} ignored"] if "ignored" in levels else []
    return ", ".join(told) if told else "nothing is in the way"


def cases(out: Rich, found: Sequence[Case]) -> None:
    """Each promise that was tried, with its seconds."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column()
    table.add_column(justify="right", style="dim")
    table.add_column(overflow="fold", style="dim")
    for case in found:
        sign, style = _SIGNS[case.outcome]
        table.add_row(Text(sign, style=style), Text(case.name), seconds(case.seconds), Text(case.detail))
    out.print(table)
    outcomes = [case.outcome for case in found]
    told = [f"{outcomes.count(word)} {word}" for word in ("passed", "failed", "skipped") if word in outcomes]
    out.print(Text(f"{', '.join(told) or 'no cases'} in {seconds(sum(case.seconds for case in found))}", style="bold"))


def sandboxes(out: Rich, found: Sequence[Mapping[str, str]]) -> None:
    """The throw-away hosts, one per line."""
    if not found:
        out.print(Text("no sandbox"))
        return
    table = _table("name", kind="left", distro="left", address="left", state="left")
    for box in found:
        table.add_row(*(Text(box[key]) for key in ("name", "kind", "distro", "address", "state")))
    out.print(table)


def _table(first: str, **others: str) -> Table:
    """A table without lines; ``others`` are columns and on which side their text stands."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(first)
    for name, side in others.items():
        table.add_column(name, justify="right" if side == "right" else "left")
    return table
