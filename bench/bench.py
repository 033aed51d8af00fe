"""Measures what README tells: the deployment against the bare installation of the same packages.

Peer: ``apt-get install`` of the same packages on the same fresh host, service starts denied.
Both hosts are made and taken down here; nothing else should run meanwhile. Prints a table;
the ratios travel between machines, the seconds do not.
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
# Any at all: packages do not depend on it.
ADDRESS = "198.18.1.10"
BARE = """
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends {} >/dev/null 2>&1
"""


def tool(home: str, *words: str) -> Any:
    """Run the tool and return its JSON."""
    environment = {**os.environ, "HOME": home, "XDG_STATE_HOME": f"{home}/state", "NO_COLOR": "1"}
    argv = [sys.executable, "-m", "packstack_lite", *words, "--output", "json"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout)


def quiet(text: str) -> None:
    """Progress, beside the table."""
    print(text, file=sys.stderr)


def fresh(name: str, hosts: int = 0) -> sandbox.Sandbox:
    """A bare host of our own, or the first of several on a segment, whatever an earlier run left."""
    if any(box.name == name for box in sandbox.list_all()):
        sandbox.down(name, quiet)
    return sandbox.up(name, quiet, node_count=hosts)


def heading() -> str:
    """Where and when this was measured."""
    return f"{platform.platform()}, {os.cpu_count()} processors, {time.strftime('%Y-%m-%d')}\n"


def bare_installation(packages: List[str]) -> float:
    """Seconds that the packages alone take on a fresh host."""
    box = fresh(NAME)
    began = time.monotonic()
    subprocess.run(sandbox.ssh_argv(box, f"sh -c {quote_sh(BARE.format(' '.join(packages)))}"), check=True)
    return time.monotonic() - began


def packages_of(profile: str) -> List[str]:
    """Everything that --allinone without further answers installs in a container."""
    known = profiles.load(profile)
    facts = sample_facts(known.os_id, known.os_versions[0], ADDRESS)
    facts = replace(facts, system=replace(facts.system, virtualization="systemd-nspawn"))
    told = answers.resolve_answers(node_answers=answers.derive_node_answers([ADDRESS]), address=ADDRESS)
    declared = services.declare(NodeContext(told, facts, known))
    return sorted({name for resource in declared if isinstance(resource, Packages) for name in resource.names})


def main() -> None:
    """Measure and print."""
    rows: Dict[str, float] = {}
    rows["the packages alone, starts denied"] = base = bare_installation(packages_of("debian12-zed"))
    sandbox.down(NAME, quiet)
    with tempfile.TemporaryDirectory() as home:
        began = time.monotonic()
        first = tool(home, "--allinone", "--sandbox", NAME)
        rows["first run of --allinone --sandbox, all phases"] = time.monotonic() - began
        for phase in first["phases"]:
            rows[f"  {phase['name']}"] = phase["seconds"]
        until = [phase["seconds"] for phase in first["phases"]]
        names = [phase["name"] for phase in first["phases"]]
        rows["until all APIs answer (end of Services)"] = sum(until[: names.index("Services") + 1])
        cases = tool(home, "smoke", "--sandbox", NAME)["cases"]
        reached = [case["seconds"] for case in cases[: [case["name"] for case in cases].index("ssh") + 1]]
        rows["smoke: from nothing to an instance that answers SSH"] = sum(reached)
        rows["first run and an instance that answers SSH"] = sum(until) + sum(reached)
        second = tool(home, "apply", "--sandbox", NAME)
        rows[f"second apply ({len(second['changes'])} changes, {second['flights']} flights)"] = second["seconds"]
    sandbox.down(NAME, quiet)
    print(heading())
    print("| what | seconds | against the packages alone |\n|---|---:|---:|")
    for name, seconds in rows.items():
        print(f"| {name} | {seconds:.1f} | {seconds / base:.2f} |")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
