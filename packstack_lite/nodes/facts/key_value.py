"""What a host tells: KEY=VALUE lines, a key as often as there is something to say."""

from __future__ import annotations

from typing import Dict, List, Sequence

from packstack_lite.remote.command import Reply

# The words of POSIX sh that such a script speaks in; nothing is said of what is not there.
SAY_FUNCTION = r"""
say() { [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"; }
"""


def parse_key_values(replies: Sequence[Reply]) -> Dict[str, List[str]]:
    """The values by key, in the order in which they were told."""
    values_by_key: Dict[str, List[str]] = {}
    for line in "".join(reply.out for reply in replies).splitlines():
        key, _, value = line.partition("=")
        values_by_key.setdefault(key, []).append(value)
    return values_by_key


def split_named_values(lines: Sequence[str]) -> Dict[str, str]:
    """Values that begin with a name, by that name."""
    return dict(line.split(" ", 1) for line in lines)
