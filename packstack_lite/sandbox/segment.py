"""Several hosts on one segment: their names and records. Pure.

The first host bears the segment's name, the others a number after it. They share the management network, the keys and
a second network for tunnels, where this machine has no address.
"""

from __future__ import annotations

import dataclasses
from typing import List, Sequence

from packstack_lite.errors import UsageError
from packstack_lite.sandbox.model import Record

# More have no place in a machine's memory, and with it an interface's name stays below 16 characters.
MAX_NODES = 20


def node_names(name: str, node_count: int) -> List[str]:
    """NAME, NAME-2, NAME-3 and so on; NAME alone without a number of hosts. UsageFault for a number that cannot be."""
    if not 0 <= node_count <= MAX_NODES:
        raise UsageError(f"a segment of {node_count} hosts cannot be", hint=f"--hosts takes 1 to {MAX_NODES}")
    return [name, *(f"{name}-{member}" for member in range(2, node_count + 1))]


def validate_names(name: str, node_count: int, records: Sequence[Record]) -> None:
    """UsageFault where a name of the segment's hosts is taken by a host that is not one of them."""
    names = node_names(name, node_count)
    for record in records if node_count else ():
        if record.name in names and record.segment != name:
            owner = f"belongs to the segment {record.segment!r}" if record.segment else "was made without --hosts"
            raise UsageError(
                f"the sandbox {record.name!r} {owner}",
                hint=f"choose another name, or: packstack-lite sandbox down {record.name}",
            )


def missing_records(first: Record, node_count: int, existing: Sequence[Record]) -> List[Record]:
    """The records still to be made; ``first`` is what the one of NAME would be, with the segment's number."""
    names = {record.name for record in existing}
    if not node_count:
        return [] if first.name in names else [first]
    all_records = [
        dataclasses.replace(first, name=name, segment=first.name, member=member)
        for member, name in enumerate(node_names(first.name, node_count), 1)
    ]
    return [record for record in all_records if record.name not in names]
