"""Define the characters that names may contain, by kind of name.

Used by the parameter table (``grammar:``). Names are written into shell scripts, systemd units, URLs and command
lines, so each grammar is that of the strictest reader. No name begins with ``-``: programs read such a word as an
option.
"""

from __future__ import annotations

from typing import Dict, Tuple

# Kind of name -> regular expression, and its description for a message ("... is not DESCRIPTION").
_GRAMMARS: Dict[str, Tuple[str, str]] = {
    # dev_valid_name() in the kernel, without the characters that a shell or systemd interprets.
    "interface": (
        r"(?!\d+\.\d+\.\d+\.\d+(?:$|:))[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}",
        "an interface name (letters, digits, _ . @ -; 15 at most, the first a letter, a digit or _; no address)",
    ),
    # Neutron's column has 64 characters; "," and ":" separate its mappings.
    "physnet": (
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}",
        "a physical network (letters, digits, _ . -; 64 at most, the first a letter, a digit or _)",
    ),
    # lvm(8), "VALID NAMES".
    "volume group": (
        r"[A-Za-z0-9_][A-Za-z0-9_+.-]{0,126}",
        "a volume group's name (letters, digits, _ + . -; 127 at most, the first a letter, a digit or _)",
    ),
    # oslo.messaging does not quote a "/" for kombu; Keystone, MariaDB and RabbitMQ accept more than this.
    "account": (
        r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,79}",
        "a name (letters, digits, _ . @ + -; 80 at most, the first a letter, a digit or _)",
    ),
    # useradd(8).
    "login": (
        r"[A-Za-z_][A-Za-z0-9_.-]{0,31}",
        "a login name (letters, digits, _ . -; 32 at most, the first a letter or _)",
    ),
    # A "/" breaks every page of Horizon.
    "region": (
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}",
        "a region's name (letters, digits, _ . -; 255 at most, the first a letter, a digit or _)",
    ),
    "word": (r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "a word (letters, digits, _ . -; the first a letter, a digit or _)"),
    "path": (r"/[A-Za-z0-9_./:+@=~-]+", "an absolute path (letters, digits, / and _ . : + @ = ~ -)"),
    "device": (
        r"/dev/[A-Za-z0-9_./:+@=~-]+",
        "a device such as /dev/vdb (letters, digits, / and _ . : + @ = ~ -)",
    ),
    # May contain yum's variables ($releasever).
    "repository": (
        r"(https?|ftp|file)://[A-Za-z0-9_./:~@%?&=+!*${}\[\]-]+",
        "the URL of a repository (http://, https://, ftp:// or file://)",
    ),
    # Services read their files in the encoding of their locale, which is ASCII where a unit has none (CPython 3.6).
    "password": (r"[ -~]*", "made of ASCII characters only (not every service reads others)"),
    # PyMySQL sends a password as Latin-1, MariaDB's client as UTF-8.
    "database password": (
        r"[ -~]*",
        "made of ASCII characters only (the services and MariaDB encode others differently)",
    ),
}
_GRAMMARS["bridge"] = _GRAMMARS["interface"]


def grammar(name: str) -> Tuple[str, str]:
    """Return a grammar's regular expression and description.

    Raises KeyError for an unknown kind. A name such as ``PHYSNET:BRIDGE`` joins the grammars of its parts with a
    colon.
    """
    if ":" not in name:
        return _GRAMMARS[name]
    parts = [(part, *_GRAMMARS[part.lower()]) for part in name.split(":")]
    descriptions = " and ".join(f"{part} is {description}" for part, _, description in parts)
    return ":".join(pattern for _, pattern, _ in parts), f"{name}, where {descriptions}"
