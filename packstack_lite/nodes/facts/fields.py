"""Declare a fact: a dataclass field with its KEY in the output and its parser.

Each subject (``system``, ``hardware``, ...) is a dataclass of such fields, in one module with the script that prints
their KEY=VALUE lines. ``gather.parse_facts`` fills the dataclasses from their fields, so a fact cannot lack a parser.
"""

from __future__ import annotations

from dataclasses import MISSING, field, fields
from ipaddress import IPv4Network, ip_address, ip_interface
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple, Type, TypeVar

from packstack_lite.remote.command import Reply

Values = Sequence[str]
"""The values of the lines with one KEY, in their order; empty without such a line."""

T = TypeVar("T")

# A shell function for the scripts. It prints nothing for an empty value.
SAY_FUNCTION = r"""
say() { [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"; }
"""


def fact(key: str, parse: Callable[[Values], T], default: Any = MISSING) -> T:
    """Declare a dataclass field that is parsed from the lines ``key=VALUE``.

    ``parse`` takes the values in the order of the lines; several facts may share a key. Without ``default``, the
    default is what ``parse`` makes of no lines: the fact of a node that has no such thing.
    """
    metadata = {"key": key, "parse": parse}
    if default is MISSING:
        return field(default_factory=lambda: parse(()), metadata=metadata)
    made: T = field(default=default, metadata=metadata)
    return made


def parse_fields(subject: Type[T], values_by_key: Mapping[str, Values]) -> T:
    """Make a subject of facts from the values of its keys.

    Raises ValueError for values that make no sense.
    """
    parsed = {
        declared.name: declared.metadata["parse"](values_by_key.get(declared.metadata["key"], ()))
        for declared in fields(subject)  # type: ignore[arg-type]
    }
    return subject(**parsed)


def parse_key_values(replies: Sequence[Reply]) -> Dict[str, List[str]]:
    """Collect the values of KEY=VALUE lines by key, in the order of the lines."""
    values_by_key: Dict[str, List[str]] = {}
    for line in (line for reply in replies for line in reply.out.splitlines()):
        key, _, value = line.partition("=")
        values_by_key.setdefault(key, []).append(value)
    return values_by_key


def first_text(values: Values) -> str:
    """Return the first value; "" if there is none."""
    return values[0] if values else ""


def texts(values: Values) -> Tuple[str, ...]:
    """Return all values."""
    return tuple(values)


def unique_texts(values: Values) -> Tuple[str, ...]:
    """Return each value once, in the order of the lines."""
    return tuple(dict.fromkeys(values))


def is_present(values: Values) -> bool:
    """Return whether there is a line with the key."""
    return bool(values)


def number(values: Values) -> int:
    """Return the first value as a number, 0 if it is none."""
    return parse_number(first_text(values))


def parse_number(text: str) -> int:
    """Parse digits; anything else is 0."""
    # "\u00b2" is a digit to isdigit, but not to int.
    return int(text) if text.isascii() and text.isdigit() else 0


def ip_addresses(values: Values) -> Tuple[str, ...]:
    """Return the values, all of them IP addresses. Raises ValueError."""
    for value in values:
        ip_address(value)
    return tuple(values)


def first_ip_address(values: Values) -> str:
    """Return the first value, an IP address; "" if there is none. Raises ValueError."""
    return "".join(ip_addresses(values[:1]))


def interface_addresses(values: Values) -> Tuple[str, ...]:
    """Return the values, all of them ADDRESS/LENGTH or ADDRESS. Raises ValueError."""
    for value in values:
        ip_interface(value)
    return tuple(values)


def unique_networks(values: Values) -> Tuple[str, ...]:
    """Return each value once, all of them IPv4 networks. Raises ValueError."""
    for value in values:
        IPv4Network(value, strict=False)
    return unique_texts(values)


def named_texts(values: Values) -> Dict[str, str]:
    """Split values that begin with a name and a space, by that name.

    Raises ValueError without a space.
    """
    return dict(value.split(" ", 1) for value in values)
