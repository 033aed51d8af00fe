"""What a host tells: KEY=VALUE lines, a key as often as there is something to say."""

from __future__ import annotations

from typing import Dict, List, Sequence

from packstack_lite.remote.command import Reply

# The words of POSIX sh that such a script speaks in; nothing is said of what is not there.
SAY = r"""
say() { [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"; }
"""


def told(replies: Sequence[Reply]) -> Dict[str, List[str]]:
    """The values by key, in the order in which they were told."""
    found: Dict[str, List[str]] = {}
    for line in "".join(reply.out for reply in replies).splitlines():
        key, _, value = line.partition("=")
        found.setdefault(key, []).append(value)
    return found


def pairs(lines: Sequence[str]) -> Dict[str, str]:
    """Values that begin with a name, by that name."""
    return dict(line.split(" ", 1) for line in lines)
