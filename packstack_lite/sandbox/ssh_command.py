"""The way into a sandbox: OpenSSH's command line."""

from __future__ import annotations

import shlex
from typing import List

from packstack_lite.sandbox.model import Sandbox


def ssh_argv(sandbox: Sandbox, command: str = "") -> List[str]:
    """OpenSSH's command line into the sandbox as root; a login shell without a command."""
    options = [
        "IdentitiesOnly=yes",
        f"UserKnownHostsFile={sandbox.known_hosts}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "LogLevel=ERROR",
    ]
    option_args = [arg for option in options for arg in ("-o", option)]
    argv = ["ssh", "-F", "/dev/null", "-i", str(sandbox.key), *option_args, f"root@{sandbox.address}"]
    return [*argv, command] if command else argv


def ssh_command_line(sandbox: Sandbox) -> str:
    """The same for people to paste."""
    return " ".join(shlex.quote(arg) for arg in ssh_argv(sandbox))
