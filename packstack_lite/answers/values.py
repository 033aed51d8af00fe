"""Parse the text of an answer into its typed value, or say why it is invalid.

Used by ``resolver``.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from functools import lru_cache
from typing import Any, Callable, Dict, Pattern, Sequence, Tuple

from packstack_lite.answers.parameter_table import PUPPET_FACT, Parameter
from packstack_lite.secret import Secret, reveal_text

_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
# Packstack's words for the few booleans that it rewrites in the user's file ("True").
_BOOLEAN_WORDS = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}


# In characters. A thousand hosts fit, and no check of a list of this length takes long.
MAX_ANSWER_LENGTH = 20_000
# No number in OpenStack's configuration has more digits.
_MAX_DIGITS = 18
# In characters; a message shows no more of an invalid answer.
_MAX_QUOTED_LENGTH = 60


class UnwritableError(ValueError):
    """An answer that no answer file can contain.

    It is an error even where the parameter does not apply.
    """


# What people write for "no answer"; Python 2's ConfigParser reads "" as empty, other programs write the rest.
_NOTHING = ("", '""', "''", "[]")
_NO_WORDS = ("none", "null")


def is_given(text: str, is_secret: bool = False, choices: Sequence[str] = ()) -> bool:
    """Return whether a text is an answer, and not one of the ways to write none.

    A secret may be any word but an empty one; ``none`` is an answer where it is a choice.
    """
    if is_secret:
        return text not in _NOTHING[:3]
    return text not in _NOTHING and (text.lower() not in _NO_WORDS or text in choices)


def given_text(parameter: Parameter, text: str) -> str:
    """Return the text of an answer, "" if it stands for none.

    A default such as the JSON list [] stays.
    """
    return text if text == parameter.default or is_given(text, parameter.is_secret, parameter.choices) else ""


def parse_value(parameter: Parameter, text: str) -> Any:
    """Return the typed value.

    Raises ValueError with the reason, which never contains a secret. An empty answer is "", (), Secret("") or, for
    y/n, False, as with Packstack.
    """
    _check_writable(text)
    if not text:
        if parameter.required:
            raise ValueError("must not be empty")
        return _EMPTY_VALUES.get(parameter.kind, "")
    if parameter.has_fact_default and PUPPET_FACT.fullmatch(text):
        return text
    _check_choices(parameter, text)
    if parameter.accepts_boolean_words:
        return _parse_boolean_word(text)
    value = _PARSERS[parameter.kind](text)
    _check_pattern(parameter, value)
    return value


def is_valid(parameter: Parameter, text: str) -> bool:
    """Return whether the text is a valid answer to the parameter."""
    try:
        parse_value(parameter, text)
    except ValueError:
        return False
    return True


def empty_value(parameter: Parameter) -> Any:
    """Return the typed value of an empty answer."""
    return _EMPTY_VALUES.get(parameter.kind, "")


def _check_writable(text: str) -> None:
    """Raise UnwritableError if a line of an answer file cannot contain the text.

    Packstack's parser drops white space at both ends.
    """
    if len(text) > MAX_ANSWER_LENGTH:
        raise UnwritableError(f"has {len(text)} characters; the maximum is {MAX_ANSWER_LENGTH}")
    if not text.isprintable():
        raise UnwritableError("contains a character that cannot be printed, such as a tab or a line break")
    if text != text.strip():
        raise UnwritableError("begins or ends with a space, which an answer file cannot contain")


def _check_choices(parameter: Parameter, text: str) -> None:
    """Raise ValueError unless the answer, or each word of it, is a valid choice."""
    if not parameter.choices:
        return
    words = split_list(text) if parameter.kind in ("list", "password") else (text,)
    invalid_words = [word for word in words if word not in parameter.choices]
    if invalid_words:
        subject = "contains a word that" if parameter.is_secret else _quote_value(invalid_words[0])
        raise ValueError(f"{subject} is not one of {', '.join(parameter.choices)}")


def _check_pattern(parameter: Parameter, value: Any) -> None:
    """Check that the value, or each of its items, matches the parameter's pattern.

    Without a pattern everything does. Raises ValueError, whose message does not show a secret.
    """
    items: Sequence[Any] = value if isinstance(value, tuple) else (value,)
    invalid_items = [
        text
        for text in map(reveal_text, items)
        if parameter.pattern and not _compile_pattern(parameter.pattern).fullmatch(text)
    ]
    if invalid_items:
        subject = "" if parameter.is_secret else f"{_quote_value(invalid_items[0])} "
        raise ValueError(f"{subject}is not {parameter.pattern_description}")


@lru_cache(maxsize=None)
def _compile_pattern(pattern: str) -> Pattern[str]:
    """Compile a parameter's pattern, once.

    With those of libraries there are more than the 512 that ``re`` remembers.
    """
    return re.compile(pattern, re.ASCII)


def _quote_value(text: str) -> str:
    """Quote an invalid answer for an error message, cut to 60 characters."""
    return repr(text if len(text) <= _MAX_QUOTED_LENGTH else f"{text[:_MAX_QUOTED_LENGTH]}...")


def _parse_boolean(text: str) -> bool:
    """Return True for ``y`` and False for ``n``. Raises ValueError for other texts."""
    if text not in ("y", "n"):
        raise ValueError(f"{_quote_value(text)} is neither y nor n")
    return text == "y"


def _parse_boolean_word(text: str) -> bool:
    """Return whether a word means yes: y, n or one of Packstack's words, in any case.

    Raises ValueError for other words.
    """
    if text.lower() not in _BOOLEAN_WORDS:
        raise ValueError(f"{_quote_value(text)} is neither y nor n")
    return _BOOLEAN_WORDS[text.lower()]


def _parse_integer(text: str) -> int:
    """Parse a whole number with an optional sign."""
    if not re.fullmatch(rf"[+-]?[0-9]{{1,{_MAX_DIGITS}}}", text):
        raise ValueError(f"{_quote_value(text)} is not a whole number")
    return int(text)


def _parse_float(text: str) -> float:
    """Parse a decimal number without a sign."""
    if not re.fullmatch(rf"[0-9]{{1,{_MAX_DIGITS}}}(\.[0-9]{{0,{_MAX_DIGITS}}})?", text):
        raise ValueError(f"{_quote_value(text)} is not a number")
    return float(text)


def _parse_port(text: str) -> int:
    """Return the port, 1 to 65535. Raises ValueError for anything else."""
    port = _parse_integer(text)
    if not 0 < port < 65536:
        raise ValueError(f"{_quote_value(text)} is not a port (1 to 65535)")
    return port


def _parse_fernet_key(text: str) -> Secret:
    """Parse a Fernet key in either alphabet of base64.

    openssl writes one, Fernet reads the other.
    """
    try:
        size = len(base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("is not base64; generate a key with: openssl rand -base64 32") from None
    if size != 32:
        raise ValueError(f"has {size} bytes, not 32; generate a key with: openssl rand -base64 32")
    return Secret(text.translate(str.maketrans("+/", "-_")))


def _parse_address(text: str) -> Any:
    """Parse an address.

    Raises ValueError for a zone (``fe80::1%anything``), which Python 3.9 and later accept.
    """
    if "%" in text:
        raise ValueError("addresses with a zone are not supported")
    return ipaddress.ip_address(text.strip("[]"))


def _parse_cidr(text: str) -> str:
    """Check a network such as 198.18.2.0/24 and return the text as it is.

    Host bits may be set.
    """
    try:
        _parse_address(text.partition("/")[0])
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{_quote_value(text)} is not a network such as 198.18.2.0/24") from None
    return text


def _parse_ip(text: str) -> str:
    """Parse an address and return its canonical form."""
    try:
        return str(_parse_address(text))
    except ValueError:
        raise ValueError(f"{_quote_value(text)} is not an address") from None


def _parse_host(text: str) -> str:
    """Check a host name or address; brackets around IPv6 are removed."""
    try:
        _parse_address(text)
    except ValueError:
        if not _HOST_NAME.fullmatch(text) or re.fullmatch(r"[\d.]+", text):
            raise ValueError(f"{_quote_value(text)} is neither an address nor a host name") from None
    return text.strip("[]")


def split_list(text: str) -> Tuple[str, ...]:
    """Split a comma separated answer into its items, without spaces and empty items."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _parse_hosts(text: str) -> Tuple[str, ...]:
    """Check each host of a comma separated list."""
    return tuple(_parse_host(word) for word in split_list(text))


_EMPTY_VALUES: Dict[str, Any] = {"list": (), "hosts": (), "password": Secret(""), "key": Secret(""), "boolean": False}
_PARSERS: Dict[str, Callable[[str], Any]] = {
    "string": str,
    "boolean": _parse_boolean,
    "integer": _parse_integer,
    "float": _parse_float,
    "port": _parse_port,
    "cidr": _parse_cidr,
    "ip": _parse_ip,
    "password": Secret,
    "key": _parse_fernet_key,
    "host": _parse_host,
    "hosts": _parse_hosts,
    "list": split_list,
}
