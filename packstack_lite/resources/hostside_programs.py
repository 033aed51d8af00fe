"""Programs below ``hostside/``, and commands that run them on the node.

Used by the kinds that need one (api_object, swift_rings, uplink, yum_mirrors) and by ``smoke``.
"""

from __future__ import annotations

import json
from importlib import resources as package_files
from typing import Dict, Mapping

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.shell import require_ok

# The exit code of a program whose Python module is not installed on the node.
MODULE_MISSING = 75

# Program and input share one standard input: nothing stays on the node, nothing shows in argv.
_RUN_PYTHON = r"""
for python in python3 python2 python ''; do
    [ -n "$python" ] || exit 75
    command -v $python >/dev/null && $python -c 'import MODULE' 2>/dev/null && break
done
exec $python -c 'import sys
source = getattr(sys.stdin, "buffer", sys.stdin)
exec(compile(source.read(int(source.readline())), "cloud_api", "exec"))'
"""


def read_program(name: str) -> str:
    """Return the source of a program in ``resources/hostside``."""
    return (package_files.files("packstack_lite.resources") / "hostside" / name).read_text(encoding="utf-8")


def python_command(
    source: bytes, task: Mapping[str, object], timeout: float, description: str, module: str = "keystoneauth1"
) -> Command:
    """Return a command that runs a Python program on the node.

    The program gets the task as JSON on its standard input. It takes the first Python that has ``module``; without any,
    the reply's code is MODULE_MISSING.
    """
    payload = b"%d\n" % len(source) + source + json.dumps(task).encode()
    return Command(
        _RUN_PYTHON.replace("MODULE", module), stdin=payload, timeout=timeout, description=description, concurrent=True
    )


def parse_json_object(reply: Reply) -> Dict[str, object]:
    """Parse a reply that is one JSON object; raises ValueError for anything else."""
    require_ok(reply)
    data = json.loads(reply.out)
    if not isinstance(data, dict):
        raise ValueError(f"not a JSON object: {reply.out[:200]!r}")
    return data
