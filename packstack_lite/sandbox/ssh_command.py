"""OpenSSH's command line into a sandbox.

Used by ``sandbox ssh``, by messages and by tests.
"""

from __future__ import annotations

import shlex
from typing import List

from packstack_lite.sandbox.model import Sandbox


def ssh_argv(sandbox: Sandbox, command: str = "") -> List[str]:
    """Return ssh's command line to root in the sandbox.

    Without ``command`` it is a login shell.
    """
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
    """Return ssh's command line as text, quoted for a shell."""
    return " ".join(shlex.quote(arg) for arg in ssh_argv(sandbox))
