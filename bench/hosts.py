"""Measures whether hosts are worked on side by side: a controller with two hypervisors against one with one.

Both clouds begin on bare hosts that are made and taken down here; nothing else should run meanwhile. Prints a table;
the ratio travels between machines that are as wide, the seconds do not.
"""

from __future__ import annotations

import tempfile
import time
from typing import Dict

from bench import fresh, heading, quiet, tool
from packstack_lite import sandbox

NAME = "bench-hosts"


def cloud(hypervisors: int, home: str) -> Dict[str, float]:
    """Seconds of each phase, and of the whole first run, on a fresh segment."""
    fresh(NAME, hosts=1 + hypervisors)
    addresses = [box.address for box in sandbox.list_all() if box.segment == NAME]
    began = time.monotonic()
    told = tool(home, f"--install-hosts={','.join(addresses)}", "--provision-demo=n")
    seconds = time.monotonic() - began
    sandbox.down(NAME, quiet)
    return {**{phase["name"]: phase["seconds"] for phase in told["phases"]}, "the whole run": seconds}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first, second = cloud(1, one), cloud(2, two)
    print(heading())
    print("| phase | one hypervisor, s | two, s | ratio |\n|---|---:|---:|---:|")
    for name, seconds in first.items():
        ratio = f"{second[name] / seconds:.2f}" if seconds >= 1 else ""
        print(f"| {name} | {seconds:.1f} | {second[name]:.1f} | {ratio} |")


if __name__ == "__main__":
    main()
