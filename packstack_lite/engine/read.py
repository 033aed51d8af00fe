"""Reading the state of many resources in one flight."""

from __future__ import annotations

from typing import Dict, List, Sequence, Type

from packstack_lite.errors import PackstackLiteError
from packstack_lite.remote.command import Host, Reply
from packstack_lite.resources.base import Look, Resource, Seen


def by_kind(resources: Sequence[Resource]) -> Dict[Type[Resource], List[Resource]]:
    """Resources grouped by their kind, kinds in order of first appearance."""
    groups: Dict[Type[Resource], List[Resource]] = {}
    for resource in resources:
        groups.setdefault(type(resource), []).append(resource)
    return groups


def looks(resources: Sequence[Resource]) -> List[Look]:
    """Every command that is needed to see these resources."""
    return [look for kind, group in by_kind(resources).items() for look in kind.look(group)]


def read(host: Host, resources: Sequence[Resource]) -> Dict[str, Seen]:
    """The seen state of each resource, by id; one flight, none when there is nothing to see."""
    wanted = looks(resources)
    if not wanted:
        return {}
    seen: Dict[str, Seen] = {}
    for look, reply in zip(wanted, host.run([look.command for look in wanted])):
        seen.update(_parse(host, look, reply))
    return seen


def _parse(host: Host, look: Look, reply: Reply) -> Dict[str, Seen]:
    try:
        return look.parse(reply)
    except ValueError as error:
        raise PackstackLiteError(
            f"{host.name}: cannot make sense of what '{look.command.says or 'a look'}' printed: {error}",
            "run again with --debug and attach the run log to a bug report",
        ) from error
