"""Build the wheel of this tree. Used by the tests of its content and by the test that installs it on a host."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def build_wheel(directory: Path) -> Path:
    """Build the wheel from a copy, as building writes files next to setup.cfg; return its path in ``directory``."""
    tree = directory / "tree"
    tree.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    for name in ("packstack_lite", "templates", "answer-files"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    process = subprocess.run([*command, "-w", str(directory), str(tree)], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    (path,) = directory.glob("*.whl")
    return path
