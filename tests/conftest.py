"""What all tests share: where the project is, and the tool as a user runs it."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from packstack_lite.sandbox import distros

PROJECT = Path(__file__).resolve().parent.parent
# What --distro takes besides Debian; inherited by every run of the tool.
os.environ.setdefault(distros.PLUGINS_VARIABLE, str(PROJECT / "tests/hosts"))

# The files of tests/e2e in the order in which they run: the shared clouds first, from the plain one to the complete
# one, then the long ones, so that a lane that is done early takes the short ones that are left.
E2E_ORDER = (
    "test_cloud.py",
    "test_jobs.py",
    "test_debian13.py",
    "test_storage.py",
    "test_ovn.py",
    "test_centos9.py",
    "test_centos7.py",
    "test_centos7_zed.py",
    "test_firewalls.py",
    "test_pitfalls.py",
    "test_pitfalls_el.py",
    "test_networks.py",
    "test_uplink.py",
    "test_uplink_cloud.py",
    "test_multi_node.py",
    "test_segment.py",
    "test_port_filter.py",
    "test_machine.py",
    "test_qemu.py",
    "test_dedicated_roles.py",
    "test_linuxbridge.py",
)
# The fixture (tests/e2e/conftest.py) of the cloud that several files share: they run in one lane, one after another.
CLOUDS = {
    "test_cloud.py": "sandbox",
    "test_jobs.py": "sandbox",
    "test_networks.py": "sandbox",
    "test_storage.py": "complete",
    "test_ovn.py": "complete",
}
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


def cli_runner(**options: Any) -> CliRunner:
    """Return click's test runner with stdout and stderr apart, which click before 8.2 has to be asked for."""
    if "mix_stderr" in inspect.signature(CliRunner).parameters:
        options["mix_stderr"] = False
    return CliRunner(**options)


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Tool:
    return Tool(tmp_path_factory.mktemp("home"))


class Lanes(LoadFileScheduling):  # type: ignore[misc]
    """Tests that share a cloud, or the users of the SSH server, stay in one lane (the Makefile's PER_CLOUD)."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.split("::", 1)[0])
        return path.parent.name if path.parent.name == "ssh" else CLOUDS.get(path.name, path.name)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Optional[Lanes]:
    """Our lanes in place of files; xdist's own groups do not reach its scheduler with pytest 9."""
    return Lanes(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    """Sort the tests of tests/e2e by ``E2E_ORDER``; the order within a file and of all other tests stays."""
    items.sort(key=lambda item: E2E_ORDER.index(item.path.name) if item.path.parent.name == "e2e" else -1)
