"""The results as JSON: one object on stdout, the contract that scripts rely on (schema 1)."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Sequence

from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import ApplyReport, Case, Change, Drift

SCHEMA_VERSION = 1
Payload = Dict[str, Any]


def to_json(payload: Mapping[str, Any]) -> str:
    """The object as one line, its schema first."""
    return json.dumps({"schema": SCHEMA_VERSION, **payload}, ensure_ascii=False)


def plan_payload(changes: Sequence[Change], diff: bool = False) -> Payload:
    """What apply would change; with ``diff`` each change holds its unified diff."""
    return {"changes": [_change(change, diff) for change in changes]}


def _change(change: Change, diff: bool = False) -> Payload:
    payload = {"host": change.node, "phase": change.phase, "resource": change.resource_id, "gap": change.description}
    return {**payload, "diff": change.text_diff} if diff else payload


def apply_payload(report: ApplyReport) -> Payload:
    """What apply changed and restarted; ``seconds`` to the hundredth. With several hosts, ``hosts`` tells of each."""
    payload = {
        **plan_payload(report.changes),
        "restarted": list(report.restarted_units),
        "flights": report.round_trips,
        "seconds": round(report.seconds, 2),
        "phases": [
            {"name": phase.name, "seconds": round(phase.seconds, 2), "changes": phase.change_count}
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
    """What is no longer as declared."""
    return {
        "faults": [
            {"host": item.node, "resource": item.resource_id, "message": item.message, "fix": item.hint}
            for item in drift
        ]
    }


def preflight_payload(findings: Sequence[Finding], fixed: Sequence[Finding] = ()) -> Payload:
    """What the checks found, and what of it is ``gone`` since --fix; ``fixable`` is what --fix can mend,
    ``move_data`` the word that it needs after --move-data to do so."""
    return {
        "findings": [
            *(_finding(finding, False) for finding in findings),
            *(_finding(finding, True) for finding in fixed),
        ]
    }


def _finding(finding: Finding, is_fixed: bool) -> Payload:
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
    """Each promise that was tried."""
    return {
        "cases": [
            {"name": case.name, "outcome": case.outcome, "seconds": round(case.seconds, 2), "detail": case.detail}
            for case in cases
        ]
    }


def sandboxes_payload(sandboxes: Sequence[Mapping[str, str]]) -> Payload:
    """The throw-away hosts: of each its name, kind, distro, address and state."""
    keys = ("name", "kind", "distro", "address", "state")
    return {"sandboxes": [{key: box[key] for key in keys} for box in sandboxes]}
