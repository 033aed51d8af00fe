"""Read known_hosts files as sshd(8) describes them.

Markers, patterns and hashed names are understood, broken lines skipped.

Used by ``host_keys``. paramiko's own reader raises an exception at the first line that it does not understand.
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
# In bytes; the keys of a hundred thousand hosts take less.
MAX_FILE_SIZE = 16 * 1024 * 1024
# The most line numbers that a warning names.
_MAX_LINE_NUMBERS = 5
# The length in bytes of a hashed name's salt and of its digest (SHA-1).
_DIGEST_LENGTH = 20


@dataclass(frozen=True)
class KnownHostsLine:
    """A line of a known_hosts file: some hosts and a key of theirs.

    ``marker`` is b"@revoked", b"@cert-authority", or b"" for a plain key. ``names`` are host names, hashed names and
    patterns. ``key`` is in base64.
    """

    marker: bytes
    names: Tuple[bytes, ...]
    key_type: bytes
    key: bytes

    def matches_host(self, host: str) -> bool:
        """Return whether the names mean this host.

        A matching pattern with ``!`` excludes it.
        """
        patterns = [name for name in self.names if not name.startswith(b"!")]
        excluded = [name[1:] for name in self.names if name.startswith(b"!")]
        return any(_matches(host, name) for name in patterns) and not any(_matches(host, name) for name in excluded)

    def to_public_key(self) -> Optional[paramiko.PKey]:
        """Return the key, or None for a type that paramiko does not know.

        Raises ValueError for a broken key.
        """
        try:
            entry = HostKeyEntry.from_line(f"host {self.key_type.decode()} {self.key.decode()}")
        except Exception as error:
            # paramiko and cryptography raise more than they document: SSHException, InvalidHostKey, IndexError ...
            raise ValueError("not a key") from error
        return entry.key if entry else None


def parse_line(line: bytes) -> Optional[KnownHostsLine]:
    """Parse a line; return None for an empty line or a comment.

    Raises ValueError for a broken line.
    """
    fields = line.split()
    if not fields or fields[0].startswith(b"#"):
        return None
    marker = fields.pop(0) if fields[0].startswith(b"@") else b""
    if marker not in (b"", REVOKED, AUTHORITY) or len(fields) < 3:
        raise ValueError("not [MARKER] NAMES TYPE KEY")
    names, key_type, key = tuple(fields[0].split(b",")), fields[1], fields[2]
    for name in names:
        if name.startswith(b"|"):
            _split_hashed_name(name)
    _check_key(key_type, base64.b64decode(key, validate=True))
    return KnownHostsLine(marker, names, key_type, key)


def read_host_keys(path: str, host: str, warn: Warn) -> Tuple[List[paramiko.PKey], List[paramiko.PKey]]:
    """Return the known and the revoked keys that a file holds for a host.

    ``warn`` gets a message about skipped lines, or about a file that cannot be read. A missing file and a device
    (/dev/null) hold no keys.
    """
    known: List[paramiko.PKey] = []
    revoked: List[paramiko.PKey] = []
    broken_lines: List[int] = []
    for number, text in enumerate(_read_lines(path, warn), 1):
        try:
            line = parse_line(text)
            # Host certificates are not used here, so the keys of their authorities are ignored.
            if line and line.marker != AUTHORITY and line.matches_host(host):
                key = line.to_public_key()
                if key:
                    (revoked if line.marker == REVOKED else known).append(key)
        except ValueError:
            broken_lines.append(number)
    if broken_lines:
        warn(_broken_lines_warning(path, broken_lines))
    return known, revoked


def _read_lines(path: str, warn: Warn) -> List[bytes]:
    """Return a known_hosts file's lines; none, with a warning, if it is unusable.

    A missing file gives none without a warning.
    """
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(None, "Is a directory")
        if not os.path.isfile(path):
            return []
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        warn(f"{path}: cannot be read: {error.strerror}; its host keys are not used")
        return []
    if len(data) > MAX_FILE_SIZE:
        warn(f"{path}: is larger than {MAX_FILE_SIZE // 1024 // 1024} MiB; its host keys are not used")
        return []
    return data.split(b"\n")


def _broken_lines_warning(path: str, numbers: List[int]) -> str:
    """Return the warning about broken lines, with the command that removes them."""
    shown = ", ".join(map(str, numbers[:_MAX_LINE_NUMBERS]))
    more = f" and {len(numbers) - _MAX_LINE_NUMBERS} more" if len(numbers) > _MAX_LINE_NUMBERS else ""
    sed_script = ";".join(f"{number}d" for number in numbers[:_MAX_LINE_NUMBERS])
    message = "line {} is broken and was skipped" if len(numbers) == 1 else "lines {} are broken and were skipped"
    return f"{path}: {message.format(shown + more)}; to remove: sed -i {quote_sh(sed_script)} {quote_sh(path)}"


def _matches(host: str, name: bytes) -> bool:
    """Return whether a plain, hashed or wildcard name means the host."""
    if name.startswith(b"|"):
        salt, digest = _split_hashed_name(name)
        return hmac.compare_digest(hmac.new(salt, host.encode(), hashlib.sha1).digest(), digest)
    # In known_hosts "[" is literal, as in [HOST]:PORT; fnmatch would read a set of characters.
    pattern = name.decode("latin-1").lower().replace("[", "[[]")
    return fnmatchcase(host.lower(), pattern)


def _split_hashed_name(name: bytes) -> Tuple[bytes, bytes]:
    """Return salt and digest of ``|1|SALT|DIGEST``, decoded from base64.

    Raises ValueError.
    """
    parts = name.split(b"|")
    if len(parts) != 4 or parts[1] != b"1":
        raise ValueError("not a hashed name")
    salt, digest = (base64.b64decode(part, validate=True) for part in parts[2:])
    if len(salt) != _DIGEST_LENGTH or len(digest) != _DIGEST_LENGTH:
        raise ValueError("not a hashed name")
    return salt, digest


def _check_key(key_type: bytes, blob: bytes) -> None:
    """Raise ValueError unless a key has its line's type and is complete.

    A key is a sequence of strings, each with its length in front (RFC 4253, section 6.6).
    """
    parts: List[bytes] = []
    position = 0
    while position < len(blob):
        if len(blob) < position + 4:
            raise ValueError("a truncated key")
        (length,) = struct.unpack_from(">I", blob, position)
        parts.append(blob[position + 4 : position + 4 + length])
        position += 4 + length
        if b"-cert-" in key_type:
            # A certificate also holds numbers without a length, so only its first string is checked.
            break
    if not parts or parts[0] != key_type or (position != len(blob) and b"-cert-" not in key_type):
        raise ValueError("a key of another type, or truncated")
