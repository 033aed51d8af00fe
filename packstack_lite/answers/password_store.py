"""Random passwords that no answer file holds, kept so that the next run uses them again."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Dict, Optional

from packstack_lite.errors import UsageError

# What is kept: hexadecimal characters, or base64.
_KEPT = re.compile(r"[A-Za-z0-9+/_=\-]+")


class PasswordStore:
    """Passwords by parameter name, in a file that only its owner can read. None keeps nothing.

    Raises UsageFault when the file is there and cannot be read.
    """

    def __init__(self, path: Optional[Path] = None) -> None:
        self._path = path
        self._passwords: Dict[str, str] = _load_passwords(path) if path else {}
        self._is_modified = False

    def get_password(self, name: str, length: int) -> str:
        """The password of this name; made (``length`` hexadecimal characters) when it is new."""
        if name not in self._passwords:
            self._passwords[name] = _make_token(length)
            self._is_modified = True
        return self._passwords[name]

    def get_key(self, name: str) -> str:
        """The key of this name: 32 random bytes in base64 as Fernet reads it."""
        if name not in self._passwords:
            self._passwords[name] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            self._is_modified = True
        return self._passwords[name]

    def save(self) -> None:
        """Keep what was made since the file was read. Raises UsageFault when it cannot be written."""
        if not self._path or not self._is_modified:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private_file(self._path, json.dumps(self._passwords, indent=1) + "\n")
        except OSError as error:
            raise UsageError(
                f"{self._path}: passwords cannot be kept there: {error.strerror}", "check that directory, or HOME"
            ) from None
        self._is_modified = False


def _load_passwords(path: Path) -> Dict[str, str]:
    try:
        return _passwords(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from None
    # RecursionError: brackets in brackets, a thousand deep.
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(
            f"{path}{line}: does not hold the passwords that were kept there",
            "restore it; or move it away, and apply sets new passwords on the host",
        ) from None


def _passwords(text: str) -> Dict[str, str]:
    """The passwords by name; ValueError unless all are such as are made here."""
    kept = json.loads(text)
    if not isinstance(kept, dict):
        raise ValueError("not an object")
    for word in kept.values():
        if not isinstance(word, str) or not _KEPT.fullmatch(word):
            raise ValueError("not a password of ours")
    return kept


def _make_token(length: int) -> str:
    """Hexadecimal characters that no YAML or Puppet reader takes for a number (Packstack: string_nofloat)."""
    while True:
        token = secrets.token_hex(length // 2)
        try:
            float(token)
        except ValueError:
            return token


def write_private_file(path: Path, text: str) -> None:
    """Write a file whole or not at all, 0600 from its first byte on, beside a name that nobody can foresee."""
    descriptor, temporary_name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary_path = Path(temporary_name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary_path, path)
    except BaseException:
        temporary_path.unlink(missing_ok=True)
        raise
