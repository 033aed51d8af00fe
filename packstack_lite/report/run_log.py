"""Log a run: ``run.log`` for people, ``events.jsonl`` for programs.

Both are without secrets. Used by ``deployment``.

Both are in ``$XDG_STATE_HOME/packstack-lite/NODE/TIME/`` and readable by the user alone. The newest twenty runs of a
node are kept.
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
from packstack_lite.report.escape import escape_json, escape_text
from packstack_lite.report.formatting import describe_event
from packstack_lite.secret import Masker
from packstack_lite.state_paths import state_directory

KEPT_RUNS = 20
_RUN_NAME = re.compile(r"\d{8}-\d{6}(?:\.\d+)?")
# The keys of events.jsonl are part of the interface (schema 1); these differ from the fields' names of today.
_EVENT_KEYS = {
    "node": "host",
    "resource_id": "resource",
    "description": "gap",
    "change_count": "changes",
    "reason": "why",
}


def create_run_directory(node: str, base_directory: Path, now: float) -> Path:
    """Make the directory of a run on a node, with mode 0700.

    Remove all but the newest twenty runs of that node.
    """
    node_directory = base_directory / (re.sub(r"[^\w.\-]", "_", node).strip(".") or "host")
    node_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    path = node_directory / stamp
    for suffix in range(1, 1000):
        if not path.exists():
            break
        path = node_directory / f"{stamp}.{suffix:03d}"
    path.mkdir(mode=0o700)
    for old in _list_runs(node_directory)[:-KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def _list_runs(node_directory: Path) -> List[Path]:
    """List the directories of a node's runs, the oldest first."""
    return sorted(path for path in node_directory.iterdir() if _RUN_NAME.fullmatch(path.name) and path.is_dir())


class RunLog:
    """A Listener that writes each event at once, secrets masked.

    A log that cannot be written (a full disk) must not stop a deployment: nothing more is written, and
    ``write_error`` says why.
    """

    def __init__(self, directory: Path, masker: Masker, clock: Callable[[], float] = time.time) -> None:
        self.directory = directory
        self.write_error = ""
        self._masker = masker
        self._clock = clock
        self._log = _open_private(directory / "run.log")
        self._events = _open_private(directory / "events.jsonl")

    def on_event(self, event: Event) -> None:
        """Write the event into events.jsonl and, as text, into run.log."""
        now = self._clock()
        fields = {_EVENT_KEYS.get(name, name): value for name, value in asdict(event).items()}
        record = {"time": round(now, 3), "event": type(event).__name__, **fields}
        self._append(self._events, self._to_masked_json(record) + "\n")
        self.write(describe_event(event), now)

    def write(self, text: str, now: Optional[float] = None) -> None:
        """Write a text to run.log with the time; further lines are indented."""
        stamp = time.strftime("%H:%M:%S", time.localtime(self._clock() if now is None else now))
        lines = escape_text(self._masker.mask_lines(text)).rstrip("\n").replace("\n", "\n         ")
        self._append(self._log, f"{stamp} {lines}\n")

    def write_exchange(self, node: str, description: str, script: str, code: int, out: str, err: str) -> None:
        """Write a command and its reply to run.log, for ``--debug``."""
        self.write(f"{node} $ {description}\n{script.strip()}\n= {code}\n{out.rstrip()}\n{err.rstrip()}".rstrip())

    def close(self) -> None:
        """Close both files."""
        self._log.close()
        self._events.close()

    def _to_masked_json(self, record: Mapping[str, object]) -> str:
        """Return the record as a line of JSON, with secrets in its texts masked."""
        masked = {
            key: self._masker.mask_lines(value) if isinstance(value, str) else value for key, value in record.items()
        }
        return escape_json(json.dumps(masked, ensure_ascii=False))

    def _append(self, file: TextIO, text: str) -> None:
        """Append text to a log file; the first error is kept, and nothing more written."""
        if self.write_error:
            return
        try:
            file.write(text)
            file.flush()
        except OSError as error:
            self.write_error = f"the log in {self.directory} ends early: {error.strerror or error}"


def open_log(node: str, masker: Masker, base_directory: Optional[Path] = None) -> RunLog:
    """Open the log of a run that begins now, of what it does on this node.

    ``masker`` hides secrets in it. Raises OSError if its directory cannot be made.
    """
    return RunLog(create_run_directory(node, base_directory or state_directory(), time.time()), masker)


def _open_private(path: Path) -> TextIO:
    """Create a file of mode 0600 for appending. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", errors="replace")
