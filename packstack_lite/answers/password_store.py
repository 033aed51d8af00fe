"""Store the generated passwords of a cloud on the user's machine.

The next run uses them again.
"""

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

# Stored values are hexadecimal characters or base64.
_STORED_VALUE = re.compile(r"[A-Za-z0-9+/_=\-]+")


class PasswordStore:
    """The generated passwords and keys of a cloud, by parameter name.

    ``save`` writes them to the file ``path`` on this machine, which only its owner can read, and the next run reads
    them there. Without a path they live as long as this object. Raises UsageError if the file exists but cannot be
    read.
    """

    def __init__(self, path: Optional[Path] = None) -> None:
        self._path = path
        self._passwords: Dict[str, str] = _load_passwords(path) if path else {}
        self._is_modified = False

    def get_password(self, name: str, length: int) -> str:
        """Return the password of a parameter, generated if there is none.

        A new one has ``length`` hexadecimal characters.
        """
        if name not in self._passwords:
            self._passwords[name] = _make_token(length)
            self._is_modified = True
        return self._passwords[name]

    def get_key(self, name: str) -> str:
        """Return the key of a parameter, generated if there is none.

        It is 32 random bytes in URL-safe base64, as Fernet reads it.
        """
        if name not in self._passwords:
            self._passwords[name] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            self._is_modified = True
        return self._passwords[name]

    def save(self) -> None:
        """Write the file if a password was generated.

        Raises UsageError if it cannot be written.
        """
        if not self._path or not self._is_modified:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private_file(self._path, json.dumps(self._passwords, indent=1) + "\n")
        except OSError as error:
            raise UsageError(
                f"{self._path}: passwords cannot be stored there: {error.strerror}", "check that directory, or set HOME"
            ) from None
        self._is_modified = False


def _load_passwords(path: Path) -> Dict[str, str]:
    """Read the password file; no passwords if it does not exist. Raises UsageError."""
    try:
        return _parse_passwords(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from None
    # RecursionError: a thousand nested brackets.
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(
            f"{path}{line}: is not a valid password file",
            "restore it from a backup; or move it away, then apply sets new passwords on the nodes",
        ) from None


def _parse_passwords(text: str) -> Dict[str, str]:
    """Parse the stored passwords by name.

    Raises ValueError unless all look like generated ones.
    """
    passwords = json.loads(text)
    if not isinstance(passwords, dict):
        raise ValueError("not an object")
    for password in passwords.values():
        if not isinstance(password, str) or not _STORED_VALUE.fullmatch(password):
            raise ValueError("not a generated password")
    return passwords


def _make_token(length: int) -> str:
    """Return hexadecimal characters that YAML and Puppet read as no number.

    Packstack's string_nofloat does the same.
    """
    while True:
        token = secrets.token_hex(length // 2)
        try:
            float(token)
        except ValueError:
            return token


def write_private_file(path: Path, text: str) -> None:
    """Replace a file atomically, with mode 0600 from its first byte on.

    The temporary file has an unpredictable name, so that nobody can create it first. Raises OSError.
    """
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
