"""Reading known_hosts as sshd(8) describes it: markers, patterns, hashed names; broken lines are skipped.

``hostkeys`` asks here. paramiko's own reader ends with an exception at the first line that it does not understand.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Callable, List, Optional, Tuple

import paramiko
from paramiko.hostkeys import HostKeyEntry

from packstack_lite.secret import quote_sh

Warn = Callable[[str], None]
REVOKED, AUTHORITY = b"@revoked", b"@cert-authority"
# Bytes; a hundred thousand hosts have less.
LARGEST = 16 * 1024 * 1024
# Line numbers that a warning names.
_NAMED = 5
# Of a hashed name's salt and digest, both SHA-1's.
_DIGEST = 20


@dataclass(frozen=True)
class Line:
    """A line that holds a key: its marker (b"" for a plain one), names, and key."""

    marker: bytes
    names: Tuple[bytes, ...]
    kind: bytes
    key: bytes

    def is_for(self, host: str) -> bool:
        """Whether the names mean this host; a pattern with ``!`` that fits excludes it."""
        patterns = [name for name in self.names if not name.startswith(b"!")]
        excluded = [name[1:] for name in self.names if name.startswith(b"!")]
        return any(_fits(host, name) for name in patterns) and not any(_fits(host, name) for name in excluded)

    def pkey(self) -> Optional[paramiko.PKey]:
        """The key; None for a kind that paramiko does not know. Raises ValueError when it is none."""
        try:
            entry = HostKeyEntry.from_line(f"host {self.kind.decode()} {self.key.decode()}")
        except Exception as error:
            # paramiko and cryptography raise more than they document: SSHException, InvalidHostKey, IndexError ...
            raise ValueError("not a key") from error
        return entry.key if entry else None


def parse_line(line: bytes) -> Optional[Line]:
    """A line's key; None for an empty line or a comment. Raises ValueError when it is broken."""
    words = line.split()
    if not words or words[0].startswith(b"#"):
        return None
    marker = words.pop(0) if words[0].startswith(b"@") else b""
    if marker not in (b"", REVOKED, AUTHORITY) or len(words) < 3:
        raise ValueError("not [MARKER] NAMES TYPE KEY")
    names, kind, key = tuple(words[0].split(b",")), words[1], words[2]
    for name in names:
        if name.startswith(b"|"):
            _hashed(name)
    _check_key(kind, base64.b64decode(key, validate=True))
    return Line(marker, names, kind, key)


def read(path: str, host: str, warn: Warn) -> Tuple[List[paramiko.PKey], List[paramiko.PKey]]:
    """The known and the revoked keys that a file holds for a host; ``warn`` hears of what was skipped.

    A file that is not there holds none, and neither does a device (/dev/null).
    """
    known: List[paramiko.PKey] = []
    revoked: List[paramiko.PKey] = []
    broken: List[int] = []
    for number, text in enumerate(_lines(path, warn), 1):
        try:
            line = parse_line(text)
            # Certificates of hosts are not used here, so their authorities say nothing.
            if line and line.marker != AUTHORITY and line.is_for(host):
                key = line.pkey()
                if key:
                    (revoked if line.marker == REVOKED else known).append(key)
        except ValueError:
            broken.append(number)
    if broken:
        warn(_skipped(path, broken))
    return known, revoked


def _lines(path: str, warn: Warn) -> List[bytes]:
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(None, "Is a directory")
        if not os.path.isfile(path):
            return []
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        warn(f"{path}: cannot be read: {error.strerror}; no host key of it counts")
        return []
    if len(data) > LARGEST:
        warn(f"{path}: is larger than {LARGEST // 1024 // 1024} MiB; no host key of it counts")
        return []
    return data.split(b"\n")


def _skipped(path: str, numbers: List[int]) -> str:
    shown = ", ".join(map(str, numbers[:_NAMED]))
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    delete = ";".join(f"{number}d" for number in numbers[:_NAMED])
    what = "line {} is broken and was skipped" if len(numbers) == 1 else "lines {} are broken and were skipped"
    return f"{path}: {what.format(shown + more)}; to remove: sed -i {quote_sh(delete)} {quote_sh(path)}"


def _fits(host: str, name: bytes) -> bool:
    if name.startswith(b"|"):
        salt, digest = _hashed(name)
        return hmac.compare_digest(hmac.new(salt, host.encode(), hashlib.sha1).digest(), digest)
    # "[" stands for itself here, as in [HOST]:PORT; fnmatch takes it for a set of characters.
    pattern = name.decode("latin-1").lower().replace("[", "[[]")
    return fnmatchcase(host.lower(), pattern)


def _hashed(name: bytes) -> Tuple[bytes, bytes]:
    """Salt and digest of ``|1|SALT|DIGEST``, both in base64. Raises ValueError."""
    parts = name.split(b"|")
    if len(parts) != 4 or parts[1] != b"1":
        raise ValueError("not a hashed name")
    salt, digest = (base64.b64decode(part, validate=True) for part in parts[2:])
    if len(salt) != _DIGEST or len(digest) != _DIGEST:
        raise ValueError("not a hashed name")
    return salt, digest


def _check_key(kind: bytes, blob: bytes) -> None:
    """Raise ValueError unless a key is of its line's type and whole (RFC 4253, section 6.6: strings with a length)."""
    parts: List[bytes] = []
    place = 0
    while place < len(blob):
        if len(blob) < place + 4:
            raise ValueError("a key that is cut short")
        (length,) = struct.unpack_from(">I", blob, place)
        parts.append(blob[place + 4 : place + 4 + length])
        place += 4 + length
        if b"-cert-" in kind:
            # A certificate holds numbers too.
            break
    if not parts or parts[0] != kind or (place != len(blob) and b"-cert-" not in kind):
        raise ValueError("a key of another type, or cut short")
