"""Results on stdout, as text or as one JSON object."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import print_stderr, stdout_console
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import ApplyReport, Case, Change, Drift
from packstack_lite.report import json_output, junit, text
from packstack_lite.report.run_log import RunLog


def _print_json(payload: json_output.Payload) -> None:
    print(json_output.to_json(payload))


def print_plan(options: Options, changes: Sequence[Change], diff: bool) -> None:
    """A plan; with ``diff`` the lines that would change below each entry."""
    if options.is_json:
        _print_json(json_output.plan_payload(changes, diff))
    else:
        text.print_plan(stdout_console(options), changes, diff)


def print_applied(options: Options, report: ApplyReport, extra_lines: Sequence[str] = ()) -> None:
    """What an apply did and how long each phase took; ``extra`` lines follow in text."""
    if options.is_json:
        _print_json(json_output.apply_payload(report))
    else:
        text.print_applied(stdout_console(options), report, extra_lines)


def print_drift(options: Options, drift: Sequence[Drift]) -> None:
    """What verify found."""
    if options.is_json:
        _print_json(json_output.verify_payload(drift))
    else:
        text.print_drift(stdout_console(options), drift)


def print_findings(options: Options, findings: Sequence[Finding], fixed: Sequence[Finding] = ()) -> None:
    """What preflight found; an ignored error says so. ``gone`` is what --fix has mended."""
    if options.is_json:
        _print_json(json_output.preflight_payload(findings, fixed))
    else:
        text.print_findings(stdout_console(options), findings, options.ignore, fixed)


def print_case(options: Options, case: Case, log: Optional[RunLog]) -> None:
    """A case of smoke's as it ends: that it did to whoever waits, all of it to the log."""
    summary = f"{case.outcome:8}{case.name} {case.seconds:.1f} s"
    print_stderr(options, summary)
    if log:
        log.write(f"{summary}\n{case.detail}")


def print_cases(options: Options, cases: Sequence[Case]) -> None:
    """What smoke tried, each promise one line."""
    if options.is_json:
        _print_json(json_output.smoke_payload(cases))
    else:
        text.print_cases(stdout_console(options), cases)


def write_junit(path: Path, cases: Sequence[Case]) -> None:
    """The cases as JUnit XML."""
    path.write_text(junit.cases_to_junit("smoke", cases), encoding="utf-8")
