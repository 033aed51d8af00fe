"""Results on stdout, as text or as one JSON object."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Dict, List, Sequence

from rich.table import Table
from rich.text import Text

from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import out, print_json
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import AppliedReport, Case, Change, Fault

_COLORS = {"error": "red", "failed": "red", "warning": "yellow", "skipped": "yellow", "info": "cyan", "passed": "green"}


def changes(options: Options, found: Sequence[Change], diff: bool) -> None:
    """A plan; with ``diff`` the lines that would change below each entry."""
    if options.json:
        print_json({"changes": [_change(change, diff) for change in found]})
        return
    console = out(options)
    phase = None
    for change in found:
        if change.phase != phase:
            phase = change.phase
            console.print(Text(phase, style="bold"))
        console.print(Text(f"  {change.resource}: {change.gap}"))
        for line in change.diff.splitlines() if diff else ():
            console.print(Text("      " + line, style=_diff_style(line)))
    hosts = ", ".join(dict.fromkeys(change.host for change in found))
    console.print(f"{_count(found, 'change')} on {hosts}" if found else "nothing to change")


def _change(change: Change, diff: bool) -> Dict[str, Any]:
    told = {"host": change.host, "phase": change.phase, "resource": change.resource, "gap": change.gap}
    return {**told, "diff": change.diff} if diff else told


def _diff_style(line: str) -> str:
    if line.startswith(("---", "+++", "@@")):
        return "dim"
    return {"+": "green", "-": "red"}.get(line[:1], "")


def _count(things: Sequence[object], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def applied(options: Options, report: AppliedReport, extra: Sequence[str] = ()) -> None:
    """What an apply did and how long each phase took; ``extra`` lines follow in text."""
    if options.json:
        print_json(
            {
                "changes": [_change(change, diff=False) for change in report.changes],
                "restarted": list(report.restarted),
                "flights": report.flights,
                "seconds": round(report.seconds, 2),
                "phases": [
                    {"name": phase.name, "seconds": round(phase.seconds, 2), "changes": phase.changes}
                    for phase in report.phases
                ],
            }
        )
        return
    table = Table("phase", box=None, pad_edge=False)
    table.add_column("changes", justify="right")
    table.add_column("seconds", justify="right")
    for phase in report.phases:
        table.add_row(phase.name, str(phase.changes), f"{phase.seconds:.1f}")
    console = out(options)
    console.print(table)
    told = [_count(report.changes, "change"), f"{_count(report.restarted, 'service')} restarted"]
    told += [f"{report.flights} flights", f"{report.seconds:.1f} seconds"]
    console.print(", ".join(told))
    for line in extra:
        console.print(line, markup=False)


def faults(options: Options, found: Sequence[Fault]) -> None:
    """What verify found."""
    if options.json:
        print_json({"faults": [asdict(fault) for fault in found]})
        return
    console = out(options)
    for fault in found:
        console.print(Text(f"{fault.host}: {fault.resource} {fault.message}"))
        if fault.fix:
            console.print(Text(f"  → {fault.fix}", style="dim"))
    console.print(_count(found, "fault") if found else "everything is as declared")


def findings(options: Options, found: Sequence[Finding]) -> None:
    """What preflight found; an ignored error says so."""
    if options.json:
        print_json({"findings": [asdict(finding) for finding in found]})
        return
    console = out(options)
    for finding in found:
        for line in finding_lines(finding, options.ignore):
            console.print(line)
    errors = [finding for finding in found if finding.level == "error"]
    console.print(f"{_count(found, 'finding')}, {_count(errors, 'error')}")


def finding_lines(finding: Finding, ignored: Sequence[str]) -> List[Text]:
    """A finding as a person reads it: level, name, what is wrong, what to type."""
    level = "ignored" if finding.level == "error" and finding.name in ignored else finding.level
    first = Text.assemble((f"{level:8}", _COLORS.get(level, "dim")), f"{finding.name}: {finding.message}")
    return [first, Text(f"        → {finding.fix}", style="dim")] if finding.fix else [first]


def cases(options: Options, found: Sequence[Case]) -> None:
    """What smoke tried, each promise one line."""
    if options.json:
        print_json({"cases": [asdict(case) for case in found]})
        return
    table = Table("case", "outcome", box=None, pad_edge=False)
    table.add_column("seconds", justify="right")
    table.add_column("detail", overflow="fold")
    for case in found:
        outcome = Text(case.outcome, style=_COLORS.get(case.outcome, ""))
        table.add_row(Text(case.name), outcome, f"{case.seconds:.1f}", Text(case.detail))
    out(options).print(table)
