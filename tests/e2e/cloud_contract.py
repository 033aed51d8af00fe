"""Assertions that hold for every cloud, called in this order by the tests of each distribution."""

from __future__ import annotations

from typing import Collection, Dict, Tuple

from tests.conftest import Outcome
from tests.e2e.conftest import COMMON_CASES, Sandbox

# What smoke proves besides PROMISES where there are secrets, objects and volumes.
STORAGE_CASES = {
    *("secret", "objects", "volume", "volume_snapshot", "volume_extend", "volume_backup", "volume_encrypted"),
    "boot_from_volume",
}


def assert_apply_matches_plan(node: Sandbox, *options: str) -> Tuple[Outcome, Outcome]:
    """Plan and apply on a bare node; fail if apply changes what plan did not announce.

    ``options`` are for plan only. Return the results of plan and apply.
    """
    plan_result = node("plan", "--exit-code", "--output", "json", *options)
    assert plan_result.code == 10, plan_result.err
    apply_result = node("apply", "--output", "json")
    assert apply_result.code == 0, apply_result.err[-6000:]
    planned_resources = {change["resource"] for change in plan_result.data["changes"]}
    changed_resources = {change["resource"] for change in apply_result.data["changes"]}
    assert changed_resources <= planned_resources, (
        f"apply made changes that plan did not announce: {sorted(changed_resources - planned_resources)}"
    )
    return plan_result, apply_result


def assert_smoke_passes(
    node: Sandbox, more_cases: Collection[str] = (), not_passed: Collection[str] = (), timeout: float = 1800
) -> Dict[str, Tuple[str, str]]:
    """Run smoke; return each case's outcome and detail.

    Every case must pass except ``not_passed``. ``more_cases`` must exist besides COMMON_CASES. ``timeout`` is in
    seconds.
    """
    smoke_result = node("smoke", "--output", "json", timeout=timeout)
    outcomes = {case["name"]: (case["outcome"], case["detail"]) for case in smoke_result.data["cases"]}
    assert smoke_result.code == 0, outcomes
    assert {name for name, (outcome, _) in outcomes.items() if outcome != "passed"} == set(not_passed), outcomes
    assert set(outcomes) >= COMMON_CASES | set(more_cases)
    return outcomes


def assert_second_apply_changes_nothing(node: Sandbox) -> Outcome:
    """Apply again; fail if it changes or restarts anything, by its report and by the services' start times."""
    start_times = node.service_start_times()
    apply_result = node("apply", "--output", "json")
    assert apply_result.code == 0, apply_result.err[-3000:]
    assert (apply_result.data["changes"], apply_result.data["restarted"]) == ([], [])
    assert node.service_start_times() == start_times
    return apply_result
