"""Random passwords that no answer file holds, kept so that the next run uses them again."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Dict, Optional


class Vault:
    """Passwords by parameter name, in a file that only its owner can read. None keeps nothing."""

    def __init__(self, path: Optional[Path] = None) -> None:
        self._path = path
        self._kept: Dict[str, str] = json.loads(path.read_text()) if path and path.exists() else {}

    def get(self, name: str, length: int) -> str:
        """The password of this name; made (``length`` hexadecimal characters) and kept when it is new."""
        if name not in self._kept:
            self._kept[name] = secrets.token_hex(length // 2)
            self._save()
        return self._kept[name]

    def _save(self) -> None:
        if self._path:
            write_private(self._path, json.dumps(self._kept, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file whole, 0600 from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "w") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
