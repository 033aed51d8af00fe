"""The results as JSON: one object on stdout, the contract that scripts rely on (schema 1)."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Dict, Mapping, Sequence

from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import AppliedReport, Case, Change, Fault

SCHEMA = 1
Payload = Dict[str, Any]


def dumps(payload: Mapping[str, Any]) -> str:
    """The object as one line, its schema first."""
    return json.dumps({"schema": SCHEMA, **payload}, ensure_ascii=False)


def plan(changes: Sequence[Change], diff: bool = False) -> Payload:
    """What apply would change; with ``diff`` each change holds its unified diff."""
    return {"changes": [_change(change, diff) for change in changes]}


def _change(change: Change, diff: bool = False) -> Payload:
    told = {"host": change.host, "phase": change.phase, "resource": change.resource, "gap": change.gap}
    return {**told, "diff": change.diff} if diff else told


def applied(report: AppliedReport) -> Payload:
    """What apply changed and restarted; ``seconds`` to the hundredth. With several hosts, ``hosts`` tells of each."""
    told = {
        **plan(report.changes),
        "restarted": list(report.restarted),
        "flights": report.flights,
        "seconds": round(report.seconds, 2),
        "phases": [
            {"name": phase.name, "seconds": round(phase.seconds, 2), "changes": phase.changes}
            for phase in report.phases
        ],
    }
    hosts = [
        {
            "name": each.host,
            "changes": len(each.changes),
            "restarted": list(each.restarted),
            "flights": each.flights,
            "seconds": round(each.seconds, 2),
        }
        for each in report.hosts
    ]
    return {**told, "hosts": hosts} if hosts else told


def verify(faults: Sequence[Fault]) -> Payload:
    """What is no longer as declared."""
    return {"faults": [asdict(fault) for fault in faults]}


def preflight(findings: Sequence[Finding], gone: Sequence[Finding] = ()) -> Payload:
    """What the checks found, and what of it is ``gone`` since --fix; ``fixable`` is what --fix can mend."""
    return {"findings": [*(_finding(found, False) for found in findings), *(_finding(found, True) for found in gone)]}


def _finding(found: Finding, fixed: bool) -> Payload:
    told = {key: getattr(found, key) for key in ("name", "host", "level", "message", "fix")}
    return {**told, "fixable": found.cure is not None, "fixed": fixed}


def smoke(cases: Sequence[Case]) -> Payload:
    """Each promise that was tried."""
    return {
        "cases": [
            {"name": case.name, "outcome": case.outcome, "seconds": round(case.seconds, 2), "detail": case.detail}
            for case in cases
        ]
    }


def sandboxes(found: Sequence[Mapping[str, str]]) -> Payload:
    """The throw-away hosts: of each its name, kind, distro, address and state."""
    keys = ("name", "kind", "distro", "address", "state")
    return {"sandboxes": [{key: box[key] for key in keys} for box in found]}
