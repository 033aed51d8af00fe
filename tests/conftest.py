"""Shared by all tests: the project's path, the tool as a process, and the order and distribution of e2e tests."""

from __future__ import annotations

import gc
import inspect
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from packstack_lite.sandbox import distros

PROJECT = Path(__file__).resolve().parent.parent
# Plug-ins for more values of --distro; every run of the tool inherits the variable.
os.environ.setdefault(distros.PLUGINS_VARIABLE, str(PROJECT / "tests/hosts"))

# The files of tests/e2e in the order in which they run: those of shared clouds first, then the long ones, so that a
# process that is done early takes the short ones that are left.
E2E_ORDER = (
    "test_cloud.py",
    "test_jobs.py",
    "test_debian13.py",
    "test_storage.py",
    "test_ovn.py",
    "test_faults.py",
    "test_centos9.py",
    "test_centos7.py",
    "test_centos7_zed.py",
    "test_firewalls.py",
    "test_pitfalls.py",
    "test_pitfalls_el.py",
    "test_networks.py",
    "test_uplink.py",
    "test_uplink_cloud.py",
    "test_own_host.py",
    "test_multi_node.py",
    "test_segment.py",
    "test_port_filter.py",
    "test_machine.py",
    "test_qemu.py",
    "test_dedicated_roles.py",
    "test_linuxbridge.py",
)
# File -> the fixture (tests/e2e/conftest.py) of the cloud that it shares with others; one process runs them all.
CLOUDS = {
    "test_cloud.py": "sandbox",
    "test_jobs.py": "sandbox",
    "test_networks.py": "sandbox",
    "test_storage.py": "complete",
    "test_ovn.py": "complete",
}
# A property test must not fail because the machine is busy. Each run draws other examples; test and test-all draw more.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", 50)),
)
settings.load_profile("any machine")


def heed_signals() -> None:
    """Undo what tests in the background (SIGINT) or under nohup (SIGHUP) inherit: ignored signals.

    For a new process, between fork and exec.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass(frozen=True)
class Outcome:
    """The exit code and output of a run of the tool.

    ``data`` is stdout parsed as JSON.
    """

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Tool:
    """``packstack-lite`` as a process with its own home directory."""

    home: Path

    def environment(self) -> Dict[str, str]:
        """Return the environment in which the tool runs."""
        # Without compiled files each run compiles the whole tool, which takes 0.3 s of 0.9 s.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {
            **inherited,
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "NO_COLOR": "1",
        }

    def __call__(self, *arguments: str, env: Optional[Dict[str, str]] = None, timeout: float = 1800) -> Outcome:
        process = subprocess.run(
            self._argv(arguments),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            cwd=PROJECT,
            env={**self.environment(), **(env or {})},
            timeout=timeout,
            check=False,
        )
        return Outcome(process.returncode, process.stdout, process.stderr)

    def start(self, *arguments: str, log: Path) -> "subprocess.Popen[bytes]":
        """Start the tool and return its process; its output goes to ``log``."""
        with log.open("wb") as output:
            return subprocess.Popen(
                self._argv(arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=PROJECT,
                env=self.environment(),
            )

    def _argv(self, arguments: Sequence[str]) -> List[str]:
        return [sys.executable, "-m", "packstack_lite", *arguments]


def cli_runner(**options: Any) -> CliRunner:
    """Return click's test runner with separate stdout and stderr.

    Click before 8.2 needs an option for that.
    """
    if "mix_stderr" in inspect.signature(CliRunner).parameters:
        options["mix_stderr"] = False
    return CliRunner(**options)


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Tool:
    return Tool(tmp_path_factory.mktemp("home"))


class CloudScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Run tests that share a cloud, or the SSH server's users, in one process (the Makefile's PER_CLOUD)."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.split("::", 1)[0])
        return path.parent.name if path.parent.name == "ssh" else CLOUDS.get(path.name, path.name)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Optional[CloudScheduling]:
    """Distribute by cloud instead of by file.

    With pytest 9 xdist's own groups do not reach its scheduler.
    """
    return CloudScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(hookwrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect the tests without looking for garbage; let it leave them alone afterwards, and look less often.

    It looked through hundreds of thousands of objects that stay again and again: 15 % of the CPU of collecting, and 8 %
    of that of unit tests.
    """
    gc.disable()
    yield
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    """Sort the tests of tests/e2e by ``E2E_ORDER``.

    The order within a file and of all other tests stays.
    """
    items.sort(key=lambda item: E2E_ORDER.index(item.path.name) if item.path.parent.name == "e2e" else -1)
