"""What every cloud has to show, whatever it runs on: the tests of a distribution call these in their order."""

from __future__ import annotations

from typing import Collection, Dict, Tuple

from tests.conftest import Outcome
from tests.e2e.conftest import PROMISES, Sandbox

# What smoke proves besides PROMISES where there are secrets, objects and volumes.
STORAGE = {
    *("secret", "objects", "volume", "volume_snapshot", "volume_extend", "volume_backup", "volume_encrypted"),
    "boot_from_volume",
}


def apply_does_what_plan_announced(host: Sandbox, *words: str) -> Tuple[Outcome, Outcome]:
    """From bare to a cloud; plan's and apply's own words. ``words`` are for plan."""
    planned = host("plan", "--exit-code", "--output", "json", *words)
    assert planned.code == 10, planned.err
    applied = host("apply", "--output", "json")
    assert applied.code == 0, applied.err[-6000:]
    announced = {change["resource"] for change in planned.data["changes"]}
    changed = {change["resource"] for change in applied.data["changes"]}
    assert changed <= announced, f"apply did what plan had not announced: {sorted(changed - announced)}"
    return planned, applied


def smoke_proves(
    host: Sandbox, promises: Collection[str] = (), without: Collection[str] = (), timeout: float = 1800
) -> Dict[str, Tuple[str, str]]:
    """Every case has passed ``without`` these, and ``promises`` are among them besides those of every cloud; each
    case's outcome and detail. The command may take ``timeout`` seconds."""
    smoked = host("smoke", "--output", "json", timeout=timeout)
    outcomes = {case["name"]: (case["outcome"], case["detail"]) for case in smoked.data["cases"]}
    assert smoked.code == 0, outcomes
    assert {name for name, (outcome, _) in outcomes.items() if outcome != "passed"} == set(without), outcomes
    assert set(outcomes) >= PROMISES | set(promises)
    return outcomes


def second_apply_changes_nothing(host: Sandbox) -> Outcome:
    """Nor does it restart anything: by its own words, and by when each service began."""
    before = host.started()
    applied = host("apply", "--output", "json")
    assert applied.code == 0, applied.err[-3000:]
    assert (applied.data["changes"], applied.data["restarted"]) == ([], [])
    assert host.started() == before
    return applied
