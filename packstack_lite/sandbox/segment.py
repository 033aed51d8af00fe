"""Names and records of the nodes of a segment. Pure.

A segment is several sandboxes that are made together (``--hosts``).

The first node has the segment's name, the others NAME-2, NAME-3 and so on. They share the management network, the SSH
key and a second network for tunnels, where this machine has no address.
"""

from __future__ import annotations

import dataclasses
from typing import List, Sequence

from packstack_lite.counts import format_count
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend
from packstack_lite.sandbox.model import Record

# Memory is the limit in practice; two digits also keep interface names below 16 characters.
MAX_NODES = 20


def node_names(name: str, node_count: int) -> List[str]:
    """Return the names of a segment's nodes.

    It is NAME alone where ``node_count`` is 0, which means no segment.

    Raises UsageError for a count out of range.
    """
    if not 0 <= node_count <= MAX_NODES:
        count = format_count(node_count, "node")
        raise UsageError(f"a segment of {count} is not possible", hint=f"--hosts takes 1 to {MAX_NODES}")
    return [name, *(f"{name}-{member}" for member in range(2, node_count + 1))]


def validate_names(name: str, node_count: int, records: Sequence[Record]) -> None:
    """Check that the names of a segment's nodes are free.

    Raises UsageError where a sandbox outside the segment has one of them.
    """
    names = node_names(name, node_count)
    for record in records if node_count else ():
        if record.name in names and record.segment != name:
            owner = f"belongs to the segment {record.segment!r}" if record.segment else "was made without --hosts"
            raise UsageError(
                f"the sandbox {record.name!r} {owner}",
                hint=f"choose another name, or: {recommend('sandbox', 'down', record.name)}",
            )


def missing_records(first: Record, node_count: int, existing: Sequence[Record]) -> List[Record]:
    """Return records for the nodes that a segment still lacks.

    ``first`` is the record of its first node, which has the segment's number.
    """
    names = {record.name for record in existing}
    if not node_count:
        return [] if first.name in names else [first]
    all_records = [
        dataclasses.replace(first, name=name, segment=first.name, member=member)
        for member, name in enumerate(node_names(first.name, node_count), 1)
    ]
    return [record for record in all_records if record.name not in names]
