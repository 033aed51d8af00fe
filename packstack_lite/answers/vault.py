"""Random passwords that no answer file holds, kept so that the next run uses them again."""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Dict, Optional

from packstack_lite.errors import UsageFault


class Vault:
    """Passwords by parameter name, in a file that only its owner can read. None keeps nothing.

    Raises UsageFault when the file is there and cannot be read.
    """

    def __init__(self, path: Optional[Path] = None) -> None:
        self._path = path
        self._kept: Dict[str, str] = _kept(path) if path else {}
        self._new = False

    def get(self, name: str, length: int) -> str:
        """The password of this name; made (``length`` hexadecimal characters) when it is new."""
        if name not in self._kept:
            self._kept[name] = _token(length)
            self._new = True
        return self._kept[name]

    def key(self, name: str) -> str:
        """The key of this name: 32 random bytes in base64 as Fernet reads it."""
        if name not in self._kept:
            self._kept[name] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            self._new = True
        return self._kept[name]

    def save(self) -> None:
        """Keep what was made since the file was read. Raises UsageFault when it cannot be written."""
        if not self._path or not self._new:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self._path, json.dumps(self._kept, indent=1) + "\n")
        except OSError as error:
            raise UsageFault(
                f"{self._path}: passwords cannot be kept there: {error.strerror}", "check that directory, or HOME"
            ) from None
        self._new = False


def _kept(path: Path) -> Dict[str, str]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageFault(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from None
    except ValueError:
        kept = None
    if not isinstance(kept, dict):
        raise UsageFault(
            f"{path}: does not hold the passwords that were kept there",
            "restore it; or move it away, and apply sets new passwords on the host",
        )
    return {str(name): str(word) for name, word in kept.items()}


def _token(length: int) -> str:
    """Hexadecimal characters that no YAML or Puppet reader takes for a number (Packstack: string_nofloat)."""
    while True:
        token = secrets.token_hex(length // 2)
        try:
            float(token)
        except ValueError:
            return token


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, 0600 from its first byte on, beside a name that nobody can foresee."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
