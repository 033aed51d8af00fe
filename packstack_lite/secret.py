"""Secrets as a type of their own, and the quoting that lets a value land safely.

A ``Secret`` shows itself as ``***`` wherever it is printed by accident. Its value leaves
only through one of the quoting functions below (each knows one kind of place) or through
``reveal()``. Templates see the same functions as filters: ``{{ pw | ini }}``.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Iterable, Optional, Pattern, Union
from urllib.parse import quote

MASK = "***"


class Secret:
    """A password, key or token. ``str()``, ``repr()``, ``format()`` and JSON show ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; only for the moment it is written to where it belongs."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __bool__(self) -> bool:
        return bool(self._value)


Quotable = Union[str, int, float, bool, Secret]


def reveal_text(value: Quotable) -> str:
    """The value as text, revealed and unquoted; for payloads that no parser reads."""
    return value.reveal() if isinstance(value, Secret) else str(value)


def quote_ini(value: Quotable) -> str:
    """For an oslo.config file: ``$`` is oslo's interpolation and doubles itself there.

    oslo strips white space around a value and one pair of matching quotes, so a value
    with such edges, or one that begins and ends with the same quote, is put in quotes
    (source: oslo_config.iniparser and oslo_config.types.String).
    """
    text = reveal_text(value).replace("$", "$$")
    needs_quotes = text != text.strip() or (len(text) > 1 and text[0] == text[-1] and text[0] in "\"'")
    return f'"{text}"' if needs_quotes else text


def quote_percent(value: Quotable) -> str:
    """For a file that Python's ConfigParser reads: ``%`` is its interpolation and doubles itself there."""
    return reveal_text(value).replace("%", "%%")


def quote_paste(value: Quotable) -> str:
    """For Swift's own reading of paste files, which interpolates only where ``%(`` stands (NicerInterpolation)."""
    text = reveal_text(value)
    return quote_percent(text) if "%(" in text else text


def quote_url(value: Quotable) -> str:
    """For the user or password part of a URL: everything but letters, digits, ``_.-~``."""
    return quote(reveal_text(value), safe="")


def quote_ini_url(value: Quotable) -> str:
    """For a URL part inside an oslo.config file; percent signs are plain to oslo."""
    return quote_ini(quote_url(value))


def quote_sql(value: Quotable) -> str:
    """For MariaDB: a string literal, single quotes and backslashes escaped."""
    text = reveal_text(value).replace("\\", "\\\\").replace("'", "''")
    return f"'{text}'"


def quote_cnf(value: Quotable) -> str:
    """For an option file of MariaDB's client: in double quotes, in which a backslash escapes (my_default.c)."""
    return '"' + reveal_text(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote_sh(value: Quotable) -> str:
    """For POSIX sh: one word."""
    return shlex.quote(reveal_text(value))


def quote_sh_inner(value: Quotable) -> str:
    """For POSIX sh, between double quotes that stand there already."""
    return re.sub(r'([\\$`"])', r"\\\1", reveal_text(value))


def quote_ovs(value: Quotable) -> str:
    """For ovs-vsctl and ovn-sbctl, between double quotes that stand there already: JSON's escapes (ovsdb/lex)."""
    return json.dumps(reveal_text(value), ensure_ascii=False)[1:-1]


# What systemd reads in a command line: quotes, escapes, specifiers, variables (systemd.service(5)).
_UNIT = {"\\": "\\\\", "'": "\\'", '"': '\\"', "%": "%%", "$": "$$", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote_unit_inner(value: Quotable) -> str:
    """For a command line of a systemd unit (ExecStart=), between quotes that stand there already."""
    return "".join(_UNIT.get(character, character) for character in reveal_text(value))


def quote_unit(value: Quotable) -> str:
    """For a command line of a systemd unit (ExecStart=): one word."""
    text = reveal_text(value)
    return text if re.fullmatch(r"[A-Za-z0-9_@+=:,./-]+", text) else f"'{quote_unit_inner(text)}'"


def quote_unit_text(value: Quotable) -> str:
    """For a line of a systemd unit that is not split into words (Description=, What=): ``%`` begins a specifier."""
    return " ".join(quote_percent(value).splitlines())


def quote_py(value: Quotable) -> str:
    """For Python source: a literal that Python 2.7 and 3 read alike."""
    if isinstance(value, Secret):
        return json.dumps(value.reveal())
    return repr(value) if isinstance(value, (bool, int, float)) else json.dumps(value)


def quote_yaml(value: Quotable) -> str:
    """For YAML: a double-quoted scalar (JSON strings are YAML)."""
    return json.dumps(reveal_text(value))


_USERINFO = re.compile(r"(\w+://[^:/@\s]*:)[^@\s]+(@)")
_SECRET_WORDS = r"(?:passw(?:or)?d|(?<![a-z])pass(?:phrase)?(?![a-z])|_pw|secret|token|credential|kek|_key|hash_)"
_SECRET_ASSIGNMENT = re.compile(rf"^([+\- ]?\s*[\w.\-\"']*{_SECRET_WORDS}[\w.\-\"']*\s*[=:]\s*).+$", re.IGNORECASE)


def is_secret_option_name(name: str) -> bool:
    """Whether an option's name says that its value is a secret."""
    return bool(re.search(_SECRET_WORDS, name, re.IGNORECASE))


def _compile_alternatives(texts: Iterable[str]) -> Optional[Pattern[str]]:
    """A pattern of these texts, longest first. Of letters and digits alone, one counts as a whole word only."""
    patterns = [
        rf"(?<![\w.\-/]){text}(?![\w.\-/])" if re.fullmatch(r"\w+", text) else re.escape(text)
        for text in sorted(texts, key=len, reverse=True)
    ]
    return re.compile("|".join(patterns)) if patterns else None


class Masker:
    """Replaces secrets in text that people will see: logs, diffs, output of the host.

    Known values are replaced in every quoted form; besides, the values of keys that name
    a secret and the password part of URLs are hidden, since a file on the host may hold
    an older secret that this run does not know.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        forms = {
            form
            for secret in secrets
            if len(secret.reveal()) >= 4
            for quote_function in (
                reveal_text,
                quote_ini,
                quote_percent,
                quote_url,
                quote_ini_url,
                quote_sql,
                quote_sh,
                quote_py,
                quote_yaml,
            )
            for form in (quote_function(secret),)
        }
        self._known_pattern = _compile_alternatives(forms)
        # A plain word as a password ("packstack") stands in paths and names anyway.
        self._distinctive_pattern = _compile_alternatives({form for form in forms if not re.fullmatch("[a-z]+", form)})

    def __call__(self, text: str) -> str:
        """The text with every known secret replaced by ``***``."""
        return self._known_pattern.sub(MASK, text) if self._known_pattern else text

    def mask_lines(self, text: str) -> str:
        """As a call, and besides line by line by key name and URL, for diffs and logs."""
        masked_lines = []
        for line in self(text).split("\n"):
            line = _USERINFO.sub(rf"\1{MASK}\2", line)
            masked_lines.append(_SECRET_ASSIGNMENT.sub(rf"\1{MASK}", line))
        return "\n".join(masked_lines)

    def contains_secret(self, text: str) -> bool:
        """Whether a known secret stands in the text; for the rule that no argv holds one."""
        return bool(self._distinctive_pattern and self._distinctive_pattern.search(text))
