"""Addresses seen together: the floating range with its pools, and the hosts of the cloud."""

from __future__ import annotations

import ipaddress
import json
from typing import Any, Dict, Iterator, List, Tuple

from packstack_lite.answers.places import also, at
from packstack_lite.answers.table import ADDRESS, TABLE

_RANGE = "CONFIG_PROVISION_DEMO_FLOATRANGE"
_POOLS = "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"
# The demo's own network, as Packstack makes it; a router cannot join it to a network that overlaps.
_PRIVATE = ipaddress.ip_network("10.0.0.0/24")
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


def faults(answers: Any) -> Iterator[str]:
    """What cannot work; each names its parameters and where their answers stand."""
    yield from _floating(answers)
    yield from _families(answers)


def doubts(answers: Any) -> Iterator[str]:
    """What may be meant, but seldom is."""
    yield from _formats(answers)
    yield from _taken(answers)
    yield from _storage(answers)


def _storage(answers: Any) -> Iterator[str]:
    """As with Packstack, a storage host counts for those only who say that they want what is not supported."""
    name, controller = "CONFIG_STORAGE_HOST", answers["CONFIG_CONTROLLER_HOST"]
    apart = answers[name] not in (*_LOOPBACK, controller)
    if answers["CONFIG_CINDER_INSTALL"] and apart and not answers["CONFIG_UNSUPPORTED"]:
        yield f"{at(answers, name)}: volumes stay on the controller, {controller}, without CONFIG_UNSUPPORTED=y"


def _floating(answers: Any) -> Iterator[str]:
    if not answers["CONFIG_PROVISION_DEMO"]:
        return
    network = ipaddress.ip_network(answers[_RANGE], strict=False)
    if network.version != 4:
        yield f"{at(answers, _RANGE)}: {network} is not an IPv4 network; floating addresses are IPv4 only"
    elif network.prefixlen > 30:
        yield f"{at(answers, _RANGE)}: {network} has no room for a gateway and an address; take a /30 or larger"
    else:
        if network.overlaps(_PRIVATE):
            yield f"{at(answers, _RANGE)}: {network} overlaps {_PRIVATE}, the demo's private network"
        yield from _pools(answers, network)


def _pools(answers: Any, network: Any) -> Iterator[str]:
    place = at(answers, _POOLS)
    try:
        pools = _pools_of(answers[_POOLS])
    except (ValueError, KeyError, RecursionError):
        yield f'{place}: is not a JSON list such as ["start=A,end=B"]'
        return
    for start, end in pools:
        if start not in network or end not in network or start > end:
            yield f"{place}: {start} to {end} is not a span of {network}, the {also(answers, _RANGE)}"
            continue
        if start <= network[1] <= end:
            yield f"{place}: {start} to {end} holds the gateway {network[1]}"
        for edge in (network[0], network[-1]):
            if start <= edge <= end:
                yield f"{place}: {start} to {end} holds {edge}, which no host of {network} can have"
    for one, other in _overlaps([span for span in pools if span[0].version == span[1].version]):
        yield f"{place}: {one[0]} to {one[1]} and {other[0]} to {other[1]} overlap"


def _overlaps(spans: List[Tuple[Any, Any]]) -> Iterator[Tuple[Any, Any]]:
    """Each span that begins before an earlier one ends, behind the one that reaches furthest: as many as spans."""
    furthest = None
    for span in sorted(spans, key=lambda span: (span[0].version, span[0], span[1])):
        if furthest and furthest[0].version == span[0].version and span[0] <= furthest[1]:
            yield furthest, span
            furthest = max(furthest, span, key=lambda span: span[1])
        else:
            furthest = span


def _pools_of(text: str) -> List[Tuple[Any, Any]]:
    pools = json.loads(text or "[]")
    if not isinstance(pools, list) or not all(isinstance(item, str) for item in pools):
        raise ValueError("not a list of strings")
    return [pool(item) for item in pools]


def pool(text: str) -> Tuple[Any, Any]:
    """``start=A,end=B`` as two addresses; raises ValueError or KeyError when it is something else."""
    pair = dict(_pair(part) for part in text.split(","))
    return ipaddress.ip_address(pair["start"]), ipaddress.ip_address(pair["end"])


def _pair(part: str) -> Tuple[str, str]:
    word, _, address = part.strip().partition("=")
    return word.strip(), address.strip()


def _taken(answers: Any) -> Iterator[str]:
    """The controller's address within what is given out: sooner or later somebody else has it too."""
    controller = answers["CONFIG_CONTROLLER_HOST"]
    if not answers["CONFIG_PROVISION_DEMO"] or any(_floating(answers)) or _version(controller) != 4:
        return
    network = ipaddress.ip_network(answers[_RANGE], strict=False)
    pools = _pools_of(answers[_POOLS])
    if any(start <= ipaddress.ip_address(controller) <= end for start, end in pools or [(network[0], network[-1])]):
        name = _POOLS if pools else _RANGE
        yield f"{at(answers, name)}: {controller}, the controller, would be given out as a floating address too"


def _families(answers: Any) -> Iterator[str]:
    """Packstack refuses hosts of both IP versions: one side cannot reach the other."""
    versions: Dict[int, List[str]] = {}
    for name, host in _hosts(answers):
        versions.setdefault(_version(host), []).append(f"{at(answers, name)}={host}")
    if versions.get(4) and versions.get(6):
        few, many = sorted((versions[4], versions[6]), key=len)
        yield f"{', '.join(few)}: another IP version than {many[0]}; use one for all hosts"


def _formats(answers: Any) -> Iterator[str]:
    """Names beside addresses (Packstack: Inconsistent host format): one host under two names counts as two."""
    found = list(_hosts(answers))
    names = [f"{at(answers, name)}={host}" for name, host in found if not _version(host)]
    addresses = [f"{at(answers, name)}={host}" for name, host in found if _version(host)]
    if names and addresses:
        yield f"{', '.join(names)}: a name, but {', '.join(addresses)}: write either names or addresses everywhere"


def _hosts(answers: Any) -> Iterator[Tuple[str, str]]:
    """The hosts of the cloud, each with its parameter; the loopback is whatever the host is."""
    for parameter in TABLE:
        if parameter.kind in ("host", "hosts") and parameter.default == ADDRESS and answers.counts(parameter.name):
            value = answers[parameter.name]
            for host in (value,) if isinstance(value, str) else value:
                if host not in _LOOPBACK:
                    yield parameter.name, host


def _version(host: str) -> int:
    """4 or 6; 0 for a name."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return 0
