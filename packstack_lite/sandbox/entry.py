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
    words = [word for option in options for word in ("-o", option)]
    argv = ["ssh", "-F", "/dev/null", "-i", str(sandbox.key), *words, f"root@{sandbox.address}"]
    return [*argv, command] if command else argv


def ssh_line(sandbox: Sandbox) -> str:
    """The same for people to paste."""
    return " ".join(shlex.quote(word) for word in ssh_argv(sandbox))
