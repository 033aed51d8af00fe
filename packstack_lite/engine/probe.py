"""Reading the state of many resources in one flight."""

from __future__ import annotations

from typing import Dict, List, Sequence, Type

from packstack_lite.errors import PackstackLiteError
from packstack_lite.remote.command import Connection, Reply
from packstack_lite.resources.base import Observed, Probe, Resource


def group_by_kind(resources: Sequence[Resource]) -> Dict[Type[Resource], List[Resource]]:
    """Resources grouped by their kind, kinds in order of first appearance."""
    groups: Dict[Type[Resource], List[Resource]] = {}
    for resource in resources:
        groups.setdefault(type(resource), []).append(resource)
    return groups


def collect_probes(resources: Sequence[Resource]) -> List[Probe]:
    """Every command that is needed to see these resources."""
    return [probe for kind, kind_resources in group_by_kind(resources).items() for probe in kind.probe(kind_resources)]


def probe_resources(connection: Connection, resources: Sequence[Resource]) -> Dict[str, Observed]:
    """The seen state of each resource, by id; one flight, none when there is nothing to see."""
    probes = collect_probes(resources)
    if not probes:
        return {}
    observed: Dict[str, Observed] = {}
    for probe, reply in zip(probes, connection.run([probe.command for probe in probes])):
        observed.update(_parse(connection, probe, reply))
    return observed


def _parse(connection: Connection, probe: Probe, reply: Reply) -> Dict[str, Observed]:
    try:
        return probe.parse(reply)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise PackstackLiteError(
            f"{connection.name}: cannot make sense of what '{probe.command.description or 'a look'}' printed: {error}",
            "run again with --debug and attach the run log to a bug report",
        ) from error
