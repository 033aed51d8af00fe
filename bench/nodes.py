"""Measure how the tool's own work grows with the number of nodes: 1, 10, 100 and 300 compute nodes.

No node is connected. For each number a process of its own reads answers, declares every node's resources, builds the
requests that read their states, and compares these states with the desired ones, as ``plan`` does on a cloud that is as
declared. Prints a table of processor time, imports included, and of the largest amount of memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List

COUNTS = (1, 10, 100, 300)
PROFILE = "debian12-zed"
CONTROLLER = "198.18.9.1"


def measure_plan(count: int) -> Dict[str, float]:
    """Declare and compare a controller and so many compute nodes in this process; return the figures."""
    from packstack_lite import answers, profiles
    from packstack_lite.config_overrides import loader
    from packstack_lite.deployment.node_sessions import Declarations
    from packstack_lite.deployment.rendering import imagine_sessions
    from packstack_lite.engine.diff import diff_resources
    from packstack_lite.engine.probe import collect_probes

    hosts = [f"198.18.{10 + number // 250}.{1 + number % 250}" for number in range(count)]
    given = {"CONFIG_COMPUTE_HOSTS": ",".join(hosts), "CONFIG_CONTROLLER_HOST": CONTROLLER}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "answers.txt"
        path.write_text("[general]\n" + "".join(f"{name}={text}\n" for name, text in given.items()))
        resolved = answers.resolve_answers([path], address=CONTROLLER)
    sessions = imagine_sessions(resolved, profiles.load(PROFILE), CONTROLLER)
    declarations = Declarations(resolved, sessions, loader.load_directory(None))
    by_node = {name: overridden.resources for name, overridden in declarations.with_overrides.items()}
    delegated = [declarations.delegated_for(session) for session in sessions]
    requests = changes = 0
    for resources in [*by_node.values(), *delegated]:
        requests += sum(len(probe.command.script) + len(probe.command.stdin) for probe in collect_probes(resources))
        changes += len(diff_resources(resources, {each.id: each.desired() for each in resources}))
    assert changes == 0
    return {
        "resources": sum(map(len, by_node.values())) + sum(map(len, delegated)),
        "requests_mb": requests / 1e6,
        "cpu_seconds": time.process_time(),
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(arguments: List[str]) -> None:
    """Print the table, or the figures of one number of nodes as JSON."""
    if arguments:
        print(json.dumps(measure_plan(int(arguments[0]))))
        return
    print("| compute nodes | resources | requests, MB | CPU, s | memory, MiB |\n|---:|---:|---:|---:|---:|")
    for count in COUNTS:
        reply = subprocess.run([sys.executable, __file__, str(count)], capture_output=True, text=True, check=True)
        row = json.loads(reply.stdout)
        print(
            f"| {count} | {row['resources']} | {row['requests_mb']:.2f} | {row['cpu_seconds']:.2f}"
            f" | {row['mebibytes']:.0f} |"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
