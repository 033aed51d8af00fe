"""Programs below ``hostside/``, and commands that run them on the node.

A program of several modules is sent as one text (``bundle_modules``).

Used by the kinds that need one (api_object, swift_rings, uplink, yum_mirrors) and by ``smoke``.
"""

from __future__ import annotations

import json
import re
from graphlib import TopologicalSorter
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


# Makes modules of the parts of a program on the node.
_MODULE_LOADER = """
import sys, types
def load_module(name, source):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
"""


def read_modules(package: str, prefix: str) -> Dict[str, str]:
    """Return the modules of a program, each after those of them that it imports.

    They are the files PREFIX*.py in ``hostside`` of the package.
    """
    hostside_dir = package_files.files(package) / "hostside"
    files = {path.name: path for path in hostside_dir.iterdir() if re.fullmatch(rf"{prefix}\w+\.py", path.name)}
    sources = {name[: -len(".py")]: files[name].read_text(encoding="ascii") for name in sorted(files)}
    imported_module = re.compile(rf"^(?:import|from) ({prefix}\w+)", re.M)
    imports = {name: imported_module.findall(source) for name, source in sources.items()}
    return {name: sources[name] for name in TopologicalSorter(imports).static_order()}


def bundle_modules(sources: Mapping[str, str], main: str) -> bytes:
    """Return a program as one text: its modules in this order, ``main`` as the last."""
    parts = [f"load_module({name!r}, {source!r})\n" for name, source in sources.items() if name != main]
    return "".join([_MODULE_LOADER, *parts, f"exec(compile({sources[main]!r}, {main!r}, 'exec'))\n"]).encode("ascii")


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
