"""Replies in records: a line per resource, fields between tabs."""

from __future__ import annotations

from typing import Dict, List

from packstack_lite.remote.command import Reply


def records(reply: Reply, fields: int) -> Dict[str, List[str]]:
    """The lines of a reply by their first field; ValueError when one is not as it should be."""
    if not reply.ok:
        raise ValueError(f"exit {reply.code}: {reply.err.strip() or reply.out.strip()}")
    found = {}
    for line in reply.out.splitlines():
        key, *rest = line.split("\t")
        if len(rest) != fields:
            raise ValueError(f"not {fields} fields: {line!r}")
        found[key] = rest
    return found
