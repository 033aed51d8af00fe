"""Sandboxes of one segment, each by its name."""

from __future__ import annotations

import subprocess

from packstack_lite import sandbox as room


def address(name: str) -> str:
    """Where its services are reached."""
    return room.find(name).address


def sh(name: str, script: str, stdin: str = "") -> str:
    """Run it as root there, without the tool's own start: there are many. What it says, without the blanks around."""
    argv = room.ssh_argv(room.find(name), script)
    done = subprocess.run(argv, capture_output=True, text=True, input=stdin, timeout=900, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout.strip()
