"""Define the type of secrets, quote values for file formats, and mask secrets.

Used by every package. A ``Secret`` prints as ``***``. Its value is available only from ``reveal()`` and from the
``quote_*`` functions, each of which serves one format. Templates use the same functions as filters:
``{{ pw | ini }}``.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Iterable, List, Optional, Pattern, Tuple, Union
from urllib.parse import quote

MASK = "***"


class Secret:
    """A password, key or token that prints as ``***``.

    ``json.dumps`` refuses it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself, to be written to its destination at once."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Return the mask, so that an f-string shows no secret."""
        return MASK

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a Secret of the same value."""
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        """Return a hash of the value, so that equal secrets are one key."""
        return hash(("Secret", self._value))

    def __bool__(self) -> bool:
        """Return whether the value is not empty."""
        return bool(self._value)


Quotable = Union[str, int, float, bool, Secret]


def reveal_text(value: Quotable) -> str:
    """Return the value as text, revealed and unquoted.

    For payloads that no parser reads.
    """
    return value.reveal() if isinstance(value, Secret) else str(value)


def quote_ini(value: Quotable) -> str:
    """Quote a value for an oslo.config file.

    ``$`` starts an interpolation there and is doubled. oslo strips white space around a value and one pair of
    matching quotes. A value that starts or ends with white space, or that starts and ends with the same quote, is
    therefore put in quotes (source: oslo_config.iniparser and oslo_config.types.String).
    """
    text = reveal_text(value).replace("$", "$$")
    needs_quotes = text != text.strip() or (len(text) > 1 and text[0] == text[-1] and text[0] in "\"'")
    return f'"{text}"' if needs_quotes else text


def quote_percent(value: Quotable) -> str:
    """Quote a value for Python's ConfigParser.

    ``%`` starts an interpolation there and is doubled.
    """
    return reveal_text(value).replace("%", "%%")


def quote_paste(value: Quotable) -> str:
    """Quote a value for Swift's paste files.

    They interpolate only values that contain ``%(``. Source: Swift's class NicerInterpolation.
    """
    text = reveal_text(value)
    return quote_percent(text) if "%(" in text else text


def quote_url(value: Quotable) -> str:
    """Percent-encode a user name or password for a URL.

    Only letters, digits and ``_.-~`` stay as they are.
    """
    # An argument that is not UTF-8 has halves of surrogate pairs.
    return quote(reveal_text(value), safe="", errors="surrogatepass")


def quote_ini_url(value: Quotable) -> str:
    """Percent-encode a part of a URL in an oslo.config file.

    ``%`` has no meaning there.
    """
    return quote_ini(quote_url(value))


def quote_sql(value: Quotable) -> str:
    """Quote a value as a string literal of MariaDB's SQL.

    Single quotes and backslashes are escaped.
    """
    text = reveal_text(value).replace("\\", "\\\\").replace("'", "''")
    return f"'{text}'"


def quote_cnf(value: Quotable) -> str:
    """Quote a value for an option file of MariaDB's client.

    Double quotes, within which a backslash escapes (my_default.c).
    """
    return '"' + reveal_text(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote_sh(value: Quotable) -> str:
    """Quote a value as one word of POSIX sh."""
    return shlex.quote(reveal_text(value))


def quote_sh_inner(value: Quotable) -> str:
    """Escape a value for POSIX sh, between double quotes that the caller writes."""
    return re.sub(r'([\\$`"])', r"\\\1", reveal_text(value))


def quote_ovs(value: Quotable) -> str:
    """Escape a value for ovs-vsctl and ovn-sbctl, between double quotes.

    The caller writes the quotes. Both read JSON's escapes (ovsdb/lex).
    """
    return json.dumps(reveal_text(value), ensure_ascii=False)[1:-1]


# What systemd interprets in a command line: quotes, escapes, specifiers, variables (systemd.service(5)).
_UNIT = {"\\": "\\\\", "'": "\\'", '"': '\\"', "%": "%%", "$": "$$", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote_unit_inner(value: Quotable) -> str:
    """Escape a value for a systemd command line (ExecStart=), between quotes.

    The caller writes the quotes.
    """
    return "".join(_UNIT.get(character, character) for character in reveal_text(value))


def quote_unit(value: Quotable) -> str:
    """Quote a value as one word of a systemd command line (ExecStart=)."""
    text = reveal_text(value)
    return text if re.fullmatch(r"[A-Za-z0-9_@+=:,./-]+", text) else f"'{quote_unit_inner(text)}'"


def quote_unit_text(value: Quotable) -> str:
    """Escape a value for a systemd setting that is one text (Description=, What=).

    ``%`` starts a specifier and is doubled; line breaks become spaces.
    """
    return " ".join(quote_percent(value).splitlines())


def quote_py(value: Quotable) -> str:
    """Return a literal that Python 2.7 and Python 3 read alike."""
    if isinstance(value, Secret):
        return json.dumps(value.reveal())
    return repr(value) if isinstance(value, (bool, int, float)) else json.dumps(value)


def quote_yaml(value: Quotable) -> str:
    """Quote a value as a double-quoted YAML scalar (every JSON string is one)."""
    return json.dumps(reveal_text(value))


# Each scan ends at the next ":" or "/", and a name at its "=": a text of a megabyte takes no quadratic time.
_USERINFO = re.compile(r"://[^:/]*:(?=.)", re.DOTALL)
_ASSIGNMENT = re.compile(r"[+\- ]?\s*([\w.\-\"']+)\s*[=:]\s*")
_SECRET_WORDS = r"(?:passw(?:or)?d|(?<![a-z])pass(?:phrase)?(?![a-z])|_pw|secret|token|credential|kek|_key|hash_)"


def is_secret_option_name(name: str) -> bool:
    """Return whether the name of an option tells that its value is a secret."""
    return bool(re.search(_SECRET_WORDS, name, re.IGNORECASE))


def split_url_passwords(line: str) -> List[Tuple[str, str]]:
    """Split a line into pairs of text and the password that follows it, or "".

    Passwords are those of SCHEME://USER:PASSWORD@HOST. The pairs, joined, are the line.
    """
    *parts, rest = line.split("@")
    pairs: List[Tuple[str, str]] = []
    for part in parts:
        word = "" if not part or part[-1].isspace() else part.split()[-1]
        userinfo = _USERINFO.search(word)
        length = len(word) - userinfo.end() if userinfo else 0
        pairs += [(part[: len(part) - length], part[len(part) - length :]), ("@", "")]
    return [*pairs, (rest, "")]


def _mask_url_passwords(line: str) -> str:
    """Replace the passwords in the URLs of a line with ``***``."""
    return "".join(text + (MASK if password else "") for text, password in split_url_passwords(line))


def _mask_assignment(line: str) -> str:
    """Replace the value of NAME=VALUE or NAME: VALUE if the name tells of a secret."""
    assignment = _ASSIGNMENT.match(line)
    is_secret = assignment and assignment.end() < len(line) and is_secret_option_name(assignment.group(1))
    return line[: assignment.end()] + MASK if assignment and is_secret else line


def _compile_alternatives(texts: Iterable[str]) -> Optional[Pattern[str]]:
    """Compile one pattern that matches any of these texts; None without texts.

    Longer texts are tried first. A text of letters and digits alone matches only as a whole word.
    """
    patterns = [
        rf"(?<![\w.\-/]){text}(?![\w.\-/])" if re.fullmatch(r"\w+", text) else re.escape(text)
        for text in sorted(texts, key=len, reverse=True)
    ]
    return re.compile("|".join(patterns)) if patterns else None


# The forms in which a secret reaches files, scripts and logs.
_MASKED_FORMS = (
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


class Masker:
    """Replace secrets in text that people see: logs, diffs, output of a node.

    Known secrets are replaced in every quoted form. ``mask_lines`` also hides the values of keys that are named like
    a secret and the passwords in URLs: a file on a node may hold an older secret, unknown to this run.
    Secrets of fewer than four characters are not masked.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        forms = {
            quote_function(secret)
            for secret in secrets
            if len(secret.reveal()) >= 4
            for quote_function in _MASKED_FORMS
        }
        self._known_pattern = _compile_alternatives(forms)
        # A password that is a plain word ("packstack") also occurs in paths and names.
        self._distinctive_pattern = _compile_alternatives({form for form in forms if not re.fullmatch("[a-z]+", form)})

    def __call__(self, text: str) -> str:
        """Replace every known secret in the text with ``***``."""
        return self._known_pattern.sub(MASK, text) if self._known_pattern else text

    def mask_lines(self, text: str) -> str:
        """Mask known secrets, values of keys named like a secret, and passwords in URLs."""
        return "\n".join(_mask_assignment(_mask_url_passwords(line)) for line in self(text).split("\n"))

    def contains_secret(self, text: str) -> bool:
        """Return whether the text contains a known secret, for the rule that no argv does."""
        return bool(self._distinctive_pattern and self._distinctive_pattern.search(text))
