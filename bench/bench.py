"""Measure a deployment against the bare installation of the same packages: the figures in README.

The baseline is ``apt-get install`` of the same packages on the same fresh node, with service starts denied. Both nodes
are sandboxes that are created and removed here; run nothing else meanwhile. Prints a table. The ratios are comparable
between machines, the seconds are not.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

from packstack_lite import answers, profiles, sandbox, services
from packstack_lite.nodes.facts import sample_facts
from packstack_lite.resources import Packages
from packstack_lite.secret import quote_sh
from packstack_lite.services._base.context import NodeContext

NAME = "bench"
# Any address: the packages do not depend on it.
ADDRESS = "198.18.1.10"
INSTALL_SCRIPT = """
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends {} >/dev/null 2>&1
"""


def run_tool(home: str, *arguments: str) -> Any:
    """Run packstack-lite with ``--output json`` and return the JSON object; exit if it fails."""
    environment = {**os.environ, "HOME": home, "XDG_STATE_HOME": f"{home}/state", "NO_COLOR": "1"}
    argv = [sys.executable, "-m", "packstack_lite", *arguments, "--output", "json"]
    completed = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if completed.returncode:
        sys.exit(f"{' '.join(arguments)}: exit {completed.returncode}\n{completed.stderr[-3000:]}")
    return json.loads(completed.stdout)


def print_progress(text: str) -> None:
    """Print a line of progress on stderr; stdout holds the table."""
    print(text, file=sys.stderr)


def create_sandbox(name: str, node_count: int = 0) -> sandbox.Sandbox:
    """Create a sandbox, or a segment of several; one that an earlier run left is removed first."""
    if any(box.name == name for box in sandbox.list_all()):
        sandbox.down(name, print_progress)
    return sandbox.up(name, print_progress, node_count=node_count)


def describe_machine() -> str:
    """Return where and when this is measured."""
    return f"{platform.platform()}, {os.cpu_count()} processors, {time.strftime('%Y-%m-%d')}\n"


def measure_installation(packages: List[str]) -> float:
    """Return the seconds that installing the packages takes on a fresh node."""
    box = create_sandbox(NAME)
    started_at = time.monotonic()
    script = INSTALL_SCRIPT.format(" ".join(packages))
    subprocess.run(sandbox.ssh_argv(box, f"sh -c {quote_sh(script)}"), check=True)
    return time.monotonic() - started_at


def list_packages(profile_name: str) -> List[str]:
    """Return every package that --allinone with default answers installs in a container."""
    profile = profiles.load(profile_name)
    facts = sample_facts(profile.os_id, profile.os_versions[0], ADDRESS)
    facts = replace(facts, system=replace(facts.system, virtualization="systemd-nspawn"))
    resolved = answers.resolve_answers(node_answers=answers.derive_node_answers([ADDRESS]), address=ADDRESS)
    declared = services.declare(NodeContext(resolved, facts, profile))
    return sorted({name for resource in declared if isinstance(resource, Packages) for name in resource.names})


def measure_deployment(home: str) -> Dict[str, float]:
    """Deploy on a fresh sandbox, use the cloud, apply again; return the seconds of each part."""
    started_at = time.monotonic()
    first = run_tool(home, "--allinone", "--sandbox", NAME)
    rows = {"first run of --allinone --sandbox, all phases": time.monotonic() - started_at}
    for phase in first["phases"]:
        rows[f"  {phase['name']}"] = phase["seconds"]
    seconds = [phase["seconds"] for phase in first["phases"]]
    names = [phase["name"] for phase in first["phases"]]
    rows["until all APIs answer (end of Services)"] = sum(seconds[: names.index("Services") + 1])
    cases = run_tool(home, "smoke", "--sandbox", NAME)["cases"]
    until_ssh = [case["seconds"] for case in cases[: [case["name"] for case in cases].index("ssh") + 1]]
    rows["smoke: from nothing to an instance that answers SSH"] = sum(until_ssh)
    rows["first run and an instance that answers SSH"] = sum(seconds) + sum(until_ssh)
    second = run_tool(home, "apply", "--sandbox", NAME)
    # "flights" is the key of JSON schema 1 for round trips.
    rows[f"second apply ({len(second['changes'])} changes, {second['flights']} round trips)"] = second["seconds"]
    return rows


def main() -> None:
    """Measure and print the table."""
    baseline = measure_installation(list_packages("debian12-zed"))
    sandbox.down(NAME, print_progress)
    with tempfile.TemporaryDirectory() as home:
        rows = {"the packages alone, starts denied": baseline, **measure_deployment(home)}
    sandbox.down(NAME, print_progress)
    print(describe_machine())
    print("| what | seconds | against the packages alone |\n|---|---:|---:|")
    for name, seconds in rows.items():
        print(f"| {name} | {seconds:.1f} | {seconds / baseline:.2f} |")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
