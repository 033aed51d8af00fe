"""Commands of resources run for real by /bin/dash, on a machine made of stand-in tools."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

from packstack_lite.remote.command import Action, Command, FileItem, Reply
from packstack_lite.resources.base import Diff, Observed, Resource, Unknown


class Dash:
    """Runs scripts with tools of its own before the machine's, and some absolute paths moved below ``root``."""

    def __init__(self, root: Path, moved: Sequence[str] = ()) -> None:
        self.root = root
        self.moved = moved
        self.tools = root / "tools"
        self.tools.mkdir()

    def tool(self, name: str, script: str) -> None:
        """Put a stand-in for a command on the PATH; ``$T`` is the directory for its notes."""
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

    def see(self, *resources: Resource) -> Dict[str, Observed]:
        """What the looks of these resources (all of one kind) see."""
        seen: Dict[str, Observed] = {}
        for look in type(resources[0]).probe(resources):
            assert isinstance(look.command, Command)
            seen.update(look.parse(self.run(look.command)))
        return seen

    def close(self, *resources: Resource) -> List[Reply]:
        """Close a gap of each resource, whatever its state is."""
        return [self.run(action) for action in type(resources[0]).fix([gap(resource) for resource in resources])]

    def noted(self, name: str) -> str:
        path = self.root / name
        return path.read_text() if path.exists() else ""


def gap(resource: Resource, seen: Observed = None) -> Diff:
    """The whole resource as a gap."""
    return Diff(resource, seen, tuple(resource.desired() or ()))


def fits(resource: Resource, seen: Observed) -> bool:
    """Whether what is seen is what is wanted."""
    want = resource.desired()
    if want is None or seen is None or isinstance(seen, Unknown):
        return want is None and seen is None
    return all(seen.get(key) == value for key, value in want.items())
