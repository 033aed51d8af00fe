"""Interrupt a running apply at a chosen event. Used by the fault suite.

An apply runs as a process of its own; its events.jsonl says how far it is.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

from packstack_lite import sandbox as sandbox_api
from tests.conftest import PROJECT, Outcome, heed_signals
from tests.e2e.conftest import Sandbox

EventData = Dict[str, Any]
# ssh exits with it where it got no connection.
SSH_FAILED_CODE = 255
# No event of a deployment is later than this. A container on a busy machine installs packages for eight minutes.
LONGEST_WAIT_SECONDS = 1800.0


class RunningApply:
    """An apply that runs beside the test, in a home of its own unless ``home`` is given."""

    def __init__(self, cloud: Sandbox, *options: str, prefix: Sequence[str] = (), home: Optional[Path] = None) -> None:
        self.cloud = cloud
        self._state = (home or cloud.tool.home) / "state"
        self._started_at = time.time()
        self._known_logs = set(self._event_logs())
        arguments = ["apply", "--sandbox", cloud.name, "--answer-file", str(cloud.answers), *cloud.extra_options]
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "packstack_lite", *arguments, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            cwd=PROJECT,
            preexec_fn=heed_signals,
            env={
                **os.environ,
                "HOME": str(home or cloud.tool.home),
                "XDG_STATE_HOME": str(self._state),
                "NO_COLOR": "1",
            },
        )

    def wait_for(self, condition: Callable[[EventData], bool]) -> Optional[EventData]:
        """Wait for an event; return it, or None if the run ends without it."""
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while time.monotonic() < deadline:
            is_over = self._process.poll() is not None
            for event in self.events():
                if condition(event):
                    return event
            if is_over:
                return None
            time.sleep(0.05)
        raise AssertionError(f"neither the event nor the end after {LONGEST_WAIT_SECONDS:.0f} s")

    def events(self) -> List[EventData]:
        """Return the run's events so far."""
        logs = sorted(set(self._event_logs()) - self._known_logs)
        lines = logs[-1].read_text().splitlines(keepends=True) if logs else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _event_logs(self) -> List[Path]:
        return list((self._state / "packstack-lite").glob("*/*/events.jsonl"))

    def kill(self, signal_number: int = signal.SIGKILL) -> Outcome:
        """Send the process a signal; return how it ended."""
        self._process.send_signal(signal_number)
        return self.finish()

    def finish(self, timeout: float = LONGEST_WAIT_SECONDS) -> Outcome:
        """Wait for the end of the run; return its result. Raises TimeoutExpired after ``timeout`` seconds."""
        out, err = self._process.communicate(timeout=timeout)
        return Outcome(self._process.returncode, out, err)


def begins_work_in(phase: str) -> Callable[[EventData], bool]:
    """Return a condition: the first step, or the first line of a job, of this phase."""
    return lambda event: event.get("phase") == phase and event["event"] in ("StepStarted", "Output", "Changed")


def starts_phase(phase: str) -> Callable[[EventData], bool]:
    """Return a condition: the phase begins, even if there is nothing to change in it."""
    return lambda event: event.get("phase") == phase and event["event"] == "PhaseStarted"


def reboot(cloud: Sandbox) -> None:
    """Power the node off and on again; return when SSH answers."""
    sandbox_api.stop(cloud.name)
    sandbox_api.start(cloud.name)


def await_boot(cloud: Sandbox, seconds: float = 120) -> None:
    """Wait for the end of the node's boot.

    A port watch beside it opens connections that never log in; sshd refuses some others meanwhile (MaxStartups).
    """
    end = time.monotonic() + seconds
    while True:
        result = cloud.tool("sandbox", "ssh", cloud.name, "--", "systemctl is-system-running --wait; true")
        if result.code == 0:
            return
        assert result.code == SSH_FAILED_CODE and time.monotonic() < end, result.err
        time.sleep(1)


def cut_link_for(cloud: Sandbox, seconds: float) -> None:
    """Cut the node's only cable for so many seconds."""
    for action in ("cut", "heal"):
        result = cloud.tool("sandbox", "link", cloud.name, action)
        assert result.code == 0, result.err
        if action == "cut":
            time.sleep(seconds)
