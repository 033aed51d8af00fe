"""Several hosts on one segment: their names and records. Pure.

The first host bears the segment's name, the others a number after it. They share the management network, the keys and
a second network for tunnels, where this machine has no address.
"""

from __future__ import annotations

import dataclasses
from typing import List, Sequence

from packstack_lite.errors import UsageFault
from packstack_lite.sandbox.model import Record

# More have no place in a machine's memory, and with it an interface's name stays below 16 characters.
MOST = 20


def host_names(name: str, hosts: int) -> List[str]:
    """NAME, NAME-2, NAME-3 and so on; NAME alone without a number of hosts. UsageFault for a number that cannot be."""
    if not 0 <= hosts <= MOST:
        raise UsageFault(f"a segment of {hosts} hosts cannot be", hint=f"--hosts takes 1 to {MOST}")
    return [name, *(f"{name}-{member}" for member in range(2, hosts + 1))]


def check(name: str, hosts: int, records: Sequence[Record]) -> None:
    """UsageFault where a name of the segment's hosts is taken by a host that is not one of them."""
    wanted = host_names(name, hosts)
    for record in records if hosts else ():
        if record.name in wanted and record.segment != name:
            whose = f"belongs to the segment {record.segment!r}" if record.segment else "was made without --hosts"
            raise UsageFault(
                f"the sandbox {record.name!r} {whose}",
                hint=f"choose another name, or: packstack-lite sandbox down {record.name}",
            )


def missing(first: Record, hosts: int, known: Sequence[Record]) -> List[Record]:
    """The records still to be made; ``first`` is what the one of NAME would be, with the segment's number."""
    names = {record.name for record in known}
    if not hosts:
        return [] if first.name in names else [first]
    every = [
        dataclasses.replace(first, name=name, segment=first.name, member=member)
        for member, name in enumerate(host_names(first.name, hosts), 1)
    ]
    return [record for record in every if record.name not in names]
