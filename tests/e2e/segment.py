"""Address of and commands in the sandboxes of a segment, each by its name."""

from __future__ import annotations

import subprocess

from packstack_lite import sandbox


def address(name: str) -> str:
    """Return the address that a sandbox's services are reached at."""
    return sandbox.find(name).address


def sh(name: str, script: str, stdin: str = "") -> str:
    """Run a script as root in a sandbox and return its stdout, stripped.

    Fail where it fails.

    By ssh directly: starting packstack-lite each time would take long.
    """
    argv = sandbox.ssh_argv(sandbox.find(name), script)
    process = subprocess.run(argv, capture_output=True, text=True, input=stdin, timeout=900, check=False)
    assert process.returncode == 0, f"{script}\n{process.stdout[-2000:]}\n{process.stderr[-2000:]}"
    return process.stdout.strip()
