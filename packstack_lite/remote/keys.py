"""Read the private keys that are tried at login: key files and the agent's keys.

Used by ``session``.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple

import paramiko
from paramiko.pkey import UnknownKeyType

from packstack_lite.remote.ssh_config import ResolvedSshTarget
from packstack_lite.secret import Secret

Password = Optional[Callable[[str], Secret]]
# Bytes. An RSA key of 16384 bits has 13 KB; what reads them takes quadratic time for a file of many beginnings.
LARGEST_KEY_FILE = 65536


def iter_keys(route: ResolvedSshTarget, password: Password, notes: List[str]) -> Iterator[Tuple[str, paramiko.PKey]]:
    """Yield the keys to try, each with its label.

    Configured keys first, else the agent's first. Each failed try costs a round trip, and sshd allows six. ``notes``
    gets a line for each unusable key, with the reason.
    """
    files = ((path, read_key(path, password, notes, route.has_explicit_keys)) for path in route.key_files)
    agent = [] if route.identities_only else _agent_keys(notes)
    if not route.has_explicit_keys:
        yield from agent
    yield from ((path, key) for path, key in files if key)
    if route.has_explicit_keys:
        yield from agent


def _agent_keys(notes: List[str]) -> List[Tuple[str, paramiko.PKey]]:
    """Return (name, key) of the SSH agent's keys.

    ``notes`` gets the reason if the agent cannot be used.
    """
    try:
        return [(f"agent key {key.fingerprint}", key) for key in paramiko.Agent().get_keys()]
    except Exception as error:
        # The socket SSH_AUTH_SOCK may belong to any program; the key files are still tried.
        notes.append(f"the agent at {os.environ.get('SSH_AUTH_SOCK')} (cannot be used: {_reason(error)})")
        return []


def read_key(path: str, password: Password, notes: List[str], explicit: bool) -> Optional[paramiko.PKey]:
    """Read a private key file and ask for its passphrase.

    Return None, with a note, if it cannot be used. A missing file is noted only if it is ``explicit``: named by an
    option or by ~/.ssh/config.
    """
    if not os.path.exists(path):
        if explicit:
            notes.append(f"{path} (no such file)")
        return None
    try:
        if os.path.getsize(path) > LARGEST_KEY_FILE:
            notes.append(f"{path} (cannot be used: larger than any private key)")
            return None
        return paramiko.PKey.from_path(path)
    except Exception as error:
        # cryptography's TypeError means a passphrase. For damaged files both raise more than they document:
        # ValueError, UnsupportedAlgorithm, UnknownKeyType, struct.error, IndexError ...
        if isinstance(error, paramiko.PasswordRequiredException) or "assword" in str(error) or _is_encrypted(path):
            return _unlock(path, password, notes)
        notes.append(f"{path} (cannot be used: {_reason(error)})")
        return None


def _is_encrypted(path: str) -> bool:
    """Return whether a file holds an OpenSSH private key with a cipher.

    paramiko before 5 reports such a key, read without its passphrase, like a damaged one. Format: PROTOCOL.key of
    OpenSSH: "openssh-key-v1", NUL, then the cipher's name with its length in four bytes; "none" without one.
    """
    try:
        text = Path(path).read_bytes()
        body = b"".join(line for line in text.splitlines() if not line.startswith(b"-----"))
        head = base64.b64decode(body[:64])
    except (OSError, ValueError):
        return False
    magic = b"openssh-key-v1\0"
    return head.startswith(magic) and head[len(magic) + 4 : len(magic) + 8] != b"none"


def _unlock(path: str, password: Password, notes: List[str]) -> Optional[paramiko.PKey]:
    """Ask for a key file's passphrase and return the key; None if that fails.

    ``notes`` gets the reason.
    """
    if not password:
        notes.append(f"{path} (has a passphrase; ssh-add it first)")
        return None
    passphrase = password(f"Passphrase of {path}").reveal().encode()
    try:
        # paramiko passes it to cryptography, which needs bytes; the stubs say str.
        return paramiko.PKey.from_path(path, passphrase)  # type: ignore[arg-type]
    except Exception:
        # The same exceptions as above; a wrong passphrase cannot be told from a damaged file.
        notes.append(f"{path} (wrong passphrase)")
        return None


def _reason(error: Exception) -> str:
    """Return an error's text as one short line.

    Some of paramiko's errors hold the whole file.
    """
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, UnknownKeyType):
        return "unknown key type"
    return str(error).split("\n")[0][:100] or type(error).__name__
