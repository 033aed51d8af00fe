"""What all tests share: where the project is, and the tool as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest
from hypothesis import HealthCheck, settings

from packstack_lite import profiles
from tests.clouds import profile_of

PROJECT = Path(__file__).resolve().parent.parent

# A test of properties does not fail because the machine is busy.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@dataclass(frozen=True)
class Outcome:
    """How a run of the tool ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Tool:
    """``packstack-lite`` run as a process of its own, with a home of its own."""

    home: Path

    def __call__(self, *words: str, env: Optional[Dict[str, str]] = None, timeout: float = 1800) -> Outcome:
        # Where Python may not keep what it has compiled, each run compiles the whole tool: 0.3 s of its 0.9 s.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {
            **inherited,
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "NO_COLOR": "1",
        }
        environment.update(env or {})
        done = subprocess.run(
            [sys.executable, "-m", "packstack_lite", *words],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            cwd=PROJECT,
            env=environment,
            timeout=timeout,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session", autouse=True)
def profiles_read_once() -> Iterator[None]:
    """Every run of a verb within these tests looks through all profiles; they do not change between two of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles, "load", profile_of)
        yield


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Tool:
    return Tool(tmp_path_factory.mktemp("home"))


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    """Tests that share a cloud, or the users of the SSH server, stay in one lane (the Makefile's IN_LANES)."""
    for item in items:
        if item.path.parent.name in ("ssh", "e2e"):
            item.add_marker(pytest.mark.xdist_group(_lane(item)))


def _lane(item: pytest.Item) -> str:
    shared = [name for name in ("complete", "sandbox") if name in getattr(item, "fixturenames", ())]
    if shared or item.path.parent.name == "ssh":
        return shared[0] if shared else "ssh"
    return item.path.stem
