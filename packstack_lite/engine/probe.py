"""Read the states of many resources in one round trip.

Used by plan, apply and verify.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Type

from packstack_lite.errors import PackstackLiteError
from packstack_lite.remote.command import Command, Connection, Reply
from packstack_lite.resources.base import Observed, Probe, Resource, State


def group_by_kind(resources: Sequence[Resource]) -> Dict[Type[Resource], List[Resource]]:
    """Group resources by their class, in order of first appearance."""
    groups: Dict[Type[Resource], List[Resource]] = {}
    for resource in resources:
        groups.setdefault(type(resource), []).append(resource)
    return groups


def collect_probes(resources: Sequence[Resource]) -> List[Probe[State]]:
    """Return the probes that read the states of all resources, kind by kind."""
    return [probe for kind, kind_resources in group_by_kind(resources).items() for probe in kind.probe(kind_resources)]


def probe_resources(connection: Connection, resources: Sequence[Resource]) -> Dict[str, Observed[State]]:
    """Probe the resources in one round trip; return their observed states by id.

    Raises PackstackLiteError when a reply cannot be parsed.
    """
    probes = collect_probes(resources)
    if not probes:
        return {}
    observed: Dict[str, Observed[State]] = {}
    for probe, reply in zip(probes, connection.run([probe.command for probe in probes])):
        observed.update(_parse_reply(connection, probe, reply))
    return observed


def _parse_reply(connection: Connection, probe: Probe[State], reply: Reply) -> Mapping[str, Observed[State]]:
    """Parse a probe's reply. Raises PackstackLiteError with the node and the command."""
    try:
        return probe.parse(reply)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise unreadable_reply_error(connection, probe.command, error) from error


def unreadable_reply_error(connection: Connection, command: Command, error: Exception) -> PackstackLiteError:
    """Return the error for a reply of the node that cannot be parsed."""
    return PackstackLiteError(
        f"{connection.name}: cannot parse the reply to '{command.description or 'a probe'}': {error}",
        "run again with --debug and attach the run log to a bug report",
    )
