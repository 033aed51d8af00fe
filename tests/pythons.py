"""Find the Pythons that host-side programs must run on.

These are this one, and EL7's 2.7 and 3.6 where installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Optional

import pytest

from tests.conftest import PROJECT

OLD = ("2.7", "3.6")
# For parametrize; marked, because starting them with OpenStack's libraries is too slow for make unit.
OLD_ONES = [pytest.param(version, marks=pytest.mark.old_python) for version in OLD]
# The environments with libraries, made by tests/tools/hostside-pythons.sh (make test-tools).
HOME = PROJECT / ".pythons"


@lru_cache(maxsize=None)
def bare(version: str) -> Optional[str]:
    """Return an interpreter of this version, from PATH or pyenv.

    None if there is none that runs.
    """
    if version == "here":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}*/bin/python")))]
    return next((path for path in candidates if path and _runs(path, "")), None)


@lru_cache(maxsize=None)
def equipped(version: str, module: str) -> Optional[str]:
    """Return an interpreter of this version that can import the module.

    None if there is none.
    """
    if version == "here":
        return sys.executable if find_spec(module) else None
    path = str(HOME / version / "bin" / "python")
    return path if _runs(path, f"import {module}") else None


def _runs(path: str, source: str) -> bool:
    try:
        return subprocess.run([path, "-c", source], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
