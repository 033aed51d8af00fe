"""Replies in records: a line per resource, fields between tabs."""

from __future__ import annotations

from typing import Dict, List

from packstack_lite.remote.command import Reply


def parse_tsv(reply: Reply, field_count: int) -> Dict[str, List[str]]:
    """The lines of a reply by their first field; ValueError when one is not as it should be."""
    if not reply.ok:
        raise ValueError(f"exit {reply.code}: {reply.err.strip() or reply.out.strip()}")
    rows = {}
    for line in reply.out.splitlines():
        key, *values = line.split("\t")
        if len(values) != field_count:
            raise ValueError(f"not {field_count} fields: {line!r}")
        rows[key] = values
    return rows
