"""Print results on stdout, as text or as one JSON object. Used by the verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import print_json, stdout_console
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import ApplyReport, Case, Change, Drift
from packstack_lite.report import json_output, junit, text


def print_plan(options: Options, changes: Sequence[Change], diff: bool) -> None:
    """Print a plan; with ``diff`` the changed lines below each change."""
    if options.is_json:
        print_json(json_output.plan_payload(changes, diff))
    else:
        text.print_plan(stdout_console(options), changes, diff)


def print_applied(options: Options, report: ApplyReport, extra_lines: Sequence[str] = ()) -> None:
    """Print what apply changed and how long each phase took.

    In text output ``extra_lines`` follow.
    """
    if options.is_json:
        print_json(json_output.apply_payload(report))
    else:
        text.print_applied(stdout_console(options), report, extra_lines)


def print_drift(options: Options, drift: Sequence[Drift]) -> None:
    """Print what verify found."""
    if options.is_json:
        print_json(json_output.verify_payload(drift))
    else:
        text.print_drift(stdout_console(options), drift)


def print_findings(
    options: Options, findings: Sequence[Finding], ignored_checks: Sequence[str], fixed: Sequence[Finding] = ()
) -> None:
    """Print preflight findings and mark ignored errors.

    ``fixed`` are findings that --fix has removed.
    """
    if options.is_json:
        print_json(json_output.preflight_payload(findings, fixed))
    else:
        text.print_findings(stdout_console(options), findings, ignored_checks, fixed)


def print_cases(options: Options, cases: Sequence[Case]) -> None:
    """Print the cases of the smoke test, one line each."""
    if options.is_json:
        print_json(json_output.smoke_payload(cases))
    else:
        text.print_cases(stdout_console(options), cases)


def write_junit(path: Path, cases: Sequence[Case]) -> None:
    """Write the cases as JUnit XML."""
    path.write_text(junit.cases_to_junit("smoke", cases), encoding="utf-8")
