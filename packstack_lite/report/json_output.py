"""The results of the verbs as JSON objects, whose keys scripts rely on (schema 1).

Used by ``cli.output``.

Some keys are older than today's words and stay: ``host`` is a node, ``gap`` a change, ``flights`` are round trips,
``faults`` are differences, ``fix`` is a hint.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Sequence

from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import ApplyReport, Case, Change, Drift, unproved_essentials
from packstack_lite.report.escape import escape_json

SCHEMA_VERSION = 1
Payload = Dict[str, Any]


def to_json(payload: Mapping[str, Any]) -> str:
    """Return the object as one line of JSON, ``schema`` first."""
    return escape_json(json.dumps({"schema": SCHEMA_VERSION, **payload}, ensure_ascii=False))


def plan_payload(changes: Sequence[Change], diff: bool = False) -> Payload:
    """Return the changes of a plan; with ``diff`` each has its unified diff."""
    return {"changes": [_change(change, diff) for change in changes]}


def _change(change: Change, diff: bool = False) -> Payload:
    """Return a change as JSON; ``diff`` adds the text diff."""
    payload = {"host": change.node, "phase": change.phase, "resource": change.resource_id, "gap": change.description}
    return {**payload, "diff": change.text_diff} if diff else payload


def apply_payload(report: ApplyReport) -> Payload:
    """Return what apply changed and restarted.

    With several nodes ``hosts`` has an entry for each, and each phase names the slowest one.
    """
    payload = {
        **plan_payload(report.changes),
        "restarted": list(report.restarted_units),
        "flights": report.round_trips,
        "seconds": round(report.seconds, 2),
        "phases": [
            {
                "name": phase.name,
                "seconds": round(phase.seconds, 2),
                "changes": phase.change_count,
                **({"host": phase.node} if phase.node else {}),
            }
            for phase in report.phase_times
        ],
    }
    nodes = [
        {
            "name": node_report.node,
            "changes": len(node_report.changes),
            "restarted": list(node_report.restarted_units),
            "flights": node_report.round_trips,
            "seconds": round(node_report.seconds, 2),
        }
        for node_report in report.node_reports
    ]
    return {**payload, "hosts": nodes} if nodes else payload


def verify_payload(drift: Sequence[Drift]) -> Payload:
    """Return the differences that verify found."""
    return {
        "faults": [
            {"host": item.node, "resource": item.resource_id, "message": item.message, "fix": item.hint}
            for item in drift
        ]
    }


def preflight_payload(findings: Sequence[Finding], fixed: Sequence[Finding] = ()) -> Payload:
    """Return the findings, and those that --fix has removed (``fixed``).

    ``fixable``: --fix can fix it. ``move_data``: the word after --move-data that allows its fix to move data.
    """
    return {
        "findings": [
            *(_finding(finding, False) for finding in findings),
            *(_finding(finding, True) for finding in fixed),
        ]
    }


def _finding(finding: Finding, is_fixed: bool) -> Payload:
    """Return a finding as JSON."""
    payload = {
        "name": finding.check,
        "host": finding.node,
        "level": finding.level,
        "message": finding.message,
        "fix": finding.hint,
    }
    return {
        **payload,
        "fixable": finding.is_fixable,
        "fixed": is_fixed,
        "move_data": finding.fix.data if finding.fix else "",
    }


def smoke_payload(cases: Sequence[Case]) -> Payload:
    """Return the cases of a smoke test, and the essential ones that did not run."""
    return {
        "cases": [
            {"name": case.name, "outcome": case.outcome, "seconds": round(case.seconds, 2), "detail": case.detail}
            for case in cases
        ],
        "unproved": unproved_essentials(cases),
    }
