"""Run the commands of resources for real, by /bin/dash, with stand-in tools. Used by tests of resources."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

from packstack_lite.remote.command import Action, Command, FileItem, Reply
from packstack_lite.resources.base import Diff, Observed, Resource, State, Unknown


class Dash:
    """A node of stand-ins: its tools come before the machine's, absolute paths in ``moved`` are below ``root``."""

    def __init__(self, root: Path, moved: Sequence[str] = ()) -> None:
        self.root = root
        self.moved = moved
        self.tools = root / "tools"
        self.tools.mkdir()

    def tool(self, name: str, script: str) -> None:
        """Put a stand-in for a command on the PATH; in it, ``$T`` is ``root``."""
        path = self.tools / name
        path.write_text(f"#!/bin/sh\nT='{self.root}'\n{script}\n")
        path.chmod(0o755)

    def run(self, command: Action, env: Mapping[str, str] = {}) -> Reply:
        """Run a Command or Job as the remote shell would."""
        assert not isinstance(command, FileItem)
        script = command.script
        for path in self.moved:
            script = script.replace(path, f"{self.root}{path}")
        environment = {**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}", "LC_ALL": "C", **env}
        done = subprocess.run(
            ["/bin/dash", "-c", script],
            input=command.stdin,
            capture_output=True,
            env=environment,
            timeout=60,
            check=False,
        )
        return Reply(done.returncode, done.stdout.decode(), done.stderr.decode())

    def probe(self, *resources: Resource) -> Dict[str, Observed[State]]:
        """Return the observed states of resources (all of one kind), by id."""
        observed: Dict[str, Observed[State]] = {}
        for probe in type(resources[0]).probe(resources):
            assert isinstance(probe.command, Command)
            observed.update(probe.parse(self.run(probe.command)))
        return observed

    def fix(self, *resources: Resource) -> List[Reply]:
        """Run the fix of each resource as if it were missing; return the replies."""
        return [
            self.run(action) for action in type(resources[0]).fix([missing_diff(resource) for resource in resources])
        ]

    def read_note(self, name: str) -> str:
        """Return the text of a file below ``root``, "" without one."""
        path = self.root / name
        return path.read_text() if path.exists() else ""


def missing_diff(resource: Resource, observed: Observed[State] = None) -> Diff[Resource]:
    """Return a diff in which every desired key differs."""
    return Diff(resource, observed, tuple(resource.desired() or ()))


def is_as_desired(resource: Resource, observed: Observed[State]) -> bool:
    """Tell whether the observed state is the desired one."""
    desired = resource.desired()
    if desired is None or observed is None or isinstance(observed, Unknown):
        return desired is None and observed is None
    return all(observed.get(key) == value for key, value in desired.items())
