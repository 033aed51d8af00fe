"""The user's own configuration files, as read from --config-dir."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, List, Tuple

from packstack_lite.secret import Secret, is_secret_option_name, split_url_passwords

ETC = "/etc/"

_PAIR = re.compile(r"""\s*["']?([\w.\-]+)["']?\s*[=:]\s*(.*)""")


@dataclass(frozen=True)
class UserFile:
    """One file: its name below /etc, its path on this machine (``source``), its text."""

    name: str
    source: str
    text: str

    @property
    def path(self) -> str:
        """Return the file's path on the node."""
        return f"{ETC}{self.name}"

    @property
    def etc_directory(self) -> str:
        """Return the directory directly below /etc; "" for a file in /etc itself."""
        return self.name.split("/")[0] if "/" in self.name else ""

    def __repr__(self) -> str:
        return f"UserFile({self.source!r})"


@dataclass(frozen=True)
class UserTree:
    """The files of --config-dir, and error messages for those that cannot be read."""

    files: Tuple[UserFile, ...] = ()
    errors: Tuple[str, ...] = ()

    def find_secrets(self) -> List[Secret]:
        """List values that must not be shown.

        They are values whose names say so, and passwords in URLs.
        """
        # A plain word or a number ("service", 3600) would be hidden wherever else it occurs.
        values = [value for user_file in self.files for value in _secret_values(user_file.text)]
        return [Secret(value) for value in dict.fromkeys(values) if not re.fullmatch(r"[a-z_]*|\d{1,6}", value)]


def normalize_newlines(text: str) -> str:
    """Convert line breaks of other systems to "\\n"."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _secret_values(text: str) -> Iterable[str]:
    """Yield values of options with secret names, and passwords in URLs of any option.

    A line is ``NAME = VALUE`` or ``NAME: VALUE``, as in INI, YAML and JSON. An indented line that is neither continues
    the value above it and is yielded by itself.
    """
    hidden = False
    for line in normalize_newlines(text).split("\n"):
        pair = _PAIR.fullmatch(line)
        if pair:
            hidden = is_secret_option_name(pair.group(1))
            if hidden:
                yield pair.group(2).strip().strip("\"'")
        elif hidden and line.startswith((" ", "\t")):
            yield line.strip()
        else:
            hidden = False
        yield from (password for _, password in split_url_passwords(line) if password)
