"""Which characters a name may hold, by what it names; used by the parameter table (``grammar:``).

A name lands in shell scripts, systemd units, URLs and command lines, so its grammar is that of its strictest reader. No
name begins with ``-``: programs read such a word as an option.
"""

from __future__ import annotations

from typing import Dict, Tuple

# Name -> regular expression, and the same in words, as they follow "is not".
_GRAMMARS: Dict[str, Tuple[str, str]] = {
    # dev_valid_name() in the kernel, without what a shell or systemd reads.
    "interface": (
        r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}",
        "an interface name (letters, digits, _ . @ -; 15 at most, the first a letter, a digit or _)",
    ),
    # Neutron's column has 64 characters; "," and ":" part its mappings.
    "physnet": (
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}",
        "a physical network (letters, digits, _ . -; 64 at most, the first a letter, a digit or _)",
    ),
    # lvm(8), "VALID NAMES".
    "volume group": (
        r"[A-Za-z0-9_][A-Za-z0-9_+.-]{0,126}",
        "a volume group's name (letters, digits, _ + . -; 127 at most, the first a letter, a digit or _)",
    ),
    # oslo.messaging does not quote a "/" for kombu; Keystone, MariaDB and RabbitMQ take more than this.
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
    "path": (r"/[A-Za-z0-9_./:+@=~-]+", "a path from / on (letters, digits, / and _ . : + @ = ~ -)"),
    "device": (
        r"/dev/[A-Za-z0-9_./:+@=~-]+",
        "a device such as /dev/vdb (letters, digits, / and _ . : + @ = ~ -)",
    ),
    # With yum's variables.
    "repository": (
        r"(https?|ftp|file)://[A-Za-z0-9_./:~@%?&=+!*${}\[\]-]+",
        "a repository's address (http://, https://, ftp:// or file://)",
    ),
    # PyMySQL sends a password as Latin-1, MariaDB's client as UTF-8.
    "database password": (r"[ -~]*", "of ASCII characters alone (the services and MariaDB encode others differently)"),
}


def grammar(name: str) -> Tuple[str, str]:
    """A grammar's pattern and words; ``PHYSNET:BRIDGE`` and the like join two. Raises KeyError for an unknown one."""
    if ":" not in name:
        return _GRAMMARS[name]
    parts = [(part, *_GRAMMARS[part.lower()]) for part in name.split(":")]
    told = " and ".join(f"{part} is {words}" for part, _, words in parts)
    return ":".join(pattern for _, pattern, _ in parts), f"{name}, where {told}"


_GRAMMARS["bridge"] = _GRAMMARS["interface"]
