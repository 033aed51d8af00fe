"""The user's own files, as --config-dir holds them: a tree that mirrors /etc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, List, Tuple

from packstack_lite.secret import Secret, is_secret_option_name

ETC = "/etc/"

_USERINFO = re.compile(r"://[^:/@\s]*:([^@\s]+)@")
_PAIR = re.compile(r"""\s*["']?([\w.\-]+)["']?\s*[=:]\s*(.*)""")


@dataclass(frozen=True)
class UserFile:
    """A file of the user's: ``name`` below /etc, ``source`` as the user finds it, its text."""

    name: str
    source: str
    text: str

    @property
    def path(self) -> str:
        return f"{ETC}{self.name}"

    @property
    def etc_directory(self) -> str:
        """The directory of /etc that it is in; "" when it is in /etc itself."""
        return self.name.split("/")[0] if "/" in self.name else ""

    def __repr__(self) -> str:
        return f"Given({self.source!r})"


@dataclass(frozen=True)
class UserTree:
    """What --config-dir holds, and what in it could not be read."""

    files: Tuple[UserFile, ...] = ()
    errors: Tuple[str, ...] = ()

    def find_secrets(self) -> List[Secret]:
        """Values that must not be shown: those whose names say so, and passwords in URLs."""
        # A plain word or a number ("service", 3600) would be hidden wherever else it stands.
        values = [value for user_file in self.files for value in _secret_values(user_file.text)]
        return [Secret(value) for value in dict.fromkeys(values) if not re.fullmatch(r"[a-z_]*|\d{1,6}", value)]


def normalize_newlines(text: str) -> str:
    """With line ends as here."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _secret_values(text: str) -> Iterable[str]:
    """By line, whatever the format; indented lines go on with what is above them."""
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
        yield from _USERINFO.findall(line)
