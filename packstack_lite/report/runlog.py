"""A run's own directory: a log for people and the events for programs, both without secrets.

``$XDG_STATE_HOME/packstack-lite/<host>/<time>/`` holds ``run.log`` and ``events.jsonl``,
the user's alone; the newest twenty runs of a host are kept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Callable, List, Mapping, Optional, TextIO

from packstack_lite.engine.events import Event
from packstack_lite.report.words import sentence
from packstack_lite.secret import Masker

KEPT = 20
_RUN = re.compile(r"\d{8}-\d{6}(?:\.\d+)?")


def state_home(environment: Optional[Mapping[str, str]] = None) -> Path:
    """Where this user's runs are kept (XDG base directory specification)."""
    told = os.environ if environment is None else environment
    base = told.get("XDG_STATE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state") / "packstack-lite"


def run_directory(host: str, home: Path, now: float) -> Path:
    """Make a new directory, 0700, for a run on a host; remove the oldest beyond the newest twenty."""
    of_host = home / (re.sub(r"[^\w.\-]", "_", host).strip(".") or "host")
    of_host.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    path = of_host / stamp
    for number in range(1, 1000):
        if not path.exists():
            break
        path = of_host / f"{stamp}.{number:03d}"
    path.mkdir(mode=0o700)
    for old in _runs(of_host)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def _runs(of_host: Path) -> List[Path]:
    return sorted(path for path in of_host.iterdir() if _RUN.fullmatch(path.name) and path.is_dir())


class RunLog:
    """Hears every event and writes it down at once, masked.

    A log that cannot be written (a full disk) must not end a deployment: it stops, and
    ``trouble`` says why.
    """

    def __init__(self, directory: Path, masker: Masker, clock: Callable[[], float] = time.time) -> None:
        self.directory = directory
        self.trouble = ""
        self._masker = masker
        self._clock = clock
        self._log = _private(directory / "run.log")
        self._events = _private(directory / "events.jsonl")

    def heard(self, event: Event) -> None:
        """See Listener."""
        now = self._clock()
        told = {"time": round(now, 3), "event": type(event).__name__, **asdict(event)}
        self._put(self._events, self._masked(told) + "\n")
        self.say(sentence(event), now)

    def say(self, text: str, now: Optional[float] = None) -> None:
        """Anything else worth keeping; further lines are indented."""
        stamp = time.strftime("%H:%M:%S", time.localtime(self._clock() if now is None else now))
        lines = self._masker.lines(text).rstrip("\n").replace("\n", "\n         ")
        self._put(self._log, f"{stamp} {lines}\n")

    def exchange(self, host: str, says: str, script: str, code: int, out: str, err: str) -> None:
        """A command and its reply, for ``--debug``."""
        self.say(f"{host} $ {says}\n{script.strip()}\n= {code}\n{out.rstrip()}\n{err.rstrip()}".rstrip())

    def close(self) -> None:
        """Close both files."""
        self._log.close()
        self._events.close()

    def _masked(self, told: Mapping[str, object]) -> str:
        hidden = {key: self._masker.lines(value) if isinstance(value, str) else value for key, value in told.items()}
        return json.dumps(hidden, ensure_ascii=False)

    def _put(self, file: TextIO, text: str) -> None:
        if self.trouble:
            return
        try:
            file.write(text)
            file.flush()
        except OSError as error:
            self.trouble = f"the log in {self.directory} ends early: {error.strerror or error}"


def open_log(host: str, masker: Masker, home: Optional[Path] = None) -> RunLog:
    """A log for a run that begins now. Raises OSError where no directory can be made."""
    return RunLog(run_directory(host, home or state_home(), time.time()), masker)


def _private(path: Path) -> TextIO:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", errors="replace")
