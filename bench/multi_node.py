"""Measure whether nodes are deployed in parallel: a controller with two compute nodes against one with one.

Both clouds are deployed on fresh sandboxes that are created and removed here; run nothing else meanwhile. Prints a
table. The ratio is comparable between machines with as many processors, the seconds are not.
"""

from __future__ import annotations

import tempfile
import time
from typing import Dict

from bench import create_sandbox, describe_machine, print_progress, run_tool
from packstack_lite import sandbox

NAME = "bench-nodes"


def measure_cloud(compute_count: int, home: str) -> Dict[str, float]:
    """Deploy a cloud on a fresh segment; return the seconds of each phase and of the whole run."""
    create_sandbox(NAME, node_count=1 + compute_count)
    addresses = [box.address for box in sandbox.list_all() if box.segment == NAME]
    started_at = time.monotonic()
    report = run_tool(home, f"--install-hosts={','.join(addresses)}", "--provision-demo=n")
    seconds = time.monotonic() - started_at
    sandbox.down(NAME, print_progress)
    return {**{phase["name"]: phase["seconds"] for phase in report["phases"]}, "the whole run": seconds}


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first, second = measure_cloud(1, one), measure_cloud(2, two)
    print(describe_machine())
    print("| phase | one compute node, s | two, s | ratio |\n|---|---:|---:|---:|")
    for name, seconds in first.items():
        ratio = f"{second[name] / seconds:.2f}" if seconds >= 1 else ""
        print(f"| {name} | {seconds:.1f} | {second[name]:.1f} | {ratio} |")


if __name__ == "__main__":
    main()
