"""Addresses seen together: the floating range with its pools, and the hosts of the cloud."""

from __future__ import annotations

import ipaddress
import json
from typing import Any, Dict, Iterator, List, Tuple

from packstack_lite.answers.checks.origins import name_with_origin, origin_label
from packstack_lite.answers.parameter_table import ADDRESS_DEFAULT, PARAMETERS

_FLOATING_RANGE = "CONFIG_PROVISION_DEMO_FLOATRANGE"
_ALLOCATION_POOLS = "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"
# The demo's own network, as Packstack makes it; a router cannot join it to a network that overlaps.
_DEMO_NETWORK = ipaddress.ip_network("10.0.0.0/24")
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


def find_errors(answers: Any) -> Iterator[str]:
    """What cannot work; each names its parameters and where their answers stand."""
    yield from _check_floating_range(answers)
    yield from _check_ip_versions(answers)


def find_warnings(answers: Any) -> Iterator[str]:
    """What may be meant, but seldom is."""
    yield from _check_host_formats(answers)
    yield from _check_controller_address(answers)
    yield from _check_storage_host(answers)


def _check_storage_host(answers: Any) -> Iterator[str]:
    """As with Packstack, a storage host counts for those only who say that they want what is not supported."""
    name, controller = "CONFIG_STORAGE_HOST", answers["CONFIG_CONTROLLER_HOST"]
    has_own_host = answers[name] not in (*_LOOPBACK, controller)
    if answers["CONFIG_CINDER_INSTALL"] and has_own_host and not answers["CONFIG_UNSUPPORTED"]:
        yield f"{origin_label(answers, name)}: volumes stay on the controller, {controller}, without CONFIG_UNSUPPORTED=y"


def _check_floating_range(answers: Any) -> Iterator[str]:
    if not answers["CONFIG_PROVISION_DEMO"]:
        return
    network = ipaddress.ip_network(answers[_FLOATING_RANGE], strict=False)
    if network.version != 4:
        yield f"{origin_label(answers, _FLOATING_RANGE)}: {network} is not an IPv4 network; floating addresses are IPv4 only"
    elif network.prefixlen > 30:
        yield f"{origin_label(answers, _FLOATING_RANGE)}: {network} has no room for a gateway and an address; take a /30 or larger"
    else:
        if network.overlaps(_DEMO_NETWORK):
            yield f"{origin_label(answers, _FLOATING_RANGE)}: {network} overlaps {_DEMO_NETWORK}, the demo's private network"
        yield from _check_pools(answers, network)


def _check_pools(answers: Any, network: Any) -> Iterator[str]:
    label = origin_label(answers, _ALLOCATION_POOLS)
    try:
        pools = _parse_pools(answers[_ALLOCATION_POOLS])
    except (ValueError, KeyError, RecursionError):
        yield f'{label}: is not a JSON list such as ["start=A,end=B"]'
        return
    for start, end in pools:
        if start not in network or end not in network or start > end:
            yield f"{label}: {start} to {end} is not a span of {network}, the {name_with_origin(answers, _FLOATING_RANGE)}"
            continue
        if start <= network[1] <= end:
            yield f"{label}: {start} to {end} holds the gateway {network[1]}"
        for edge in (network[0], network[-1]):
            if start <= edge <= end:
                yield f"{label}: {start} to {end} holds {edge}, which no host of {network} can have"
    for first, second in _find_overlaps([span for span in pools if span[0].version == span[1].version]):
        yield f"{label}: {first[0]} to {first[1]} and {second[0]} to {second[1]} overlap"


def _find_overlaps(spans: List[Tuple[Any, Any]]) -> Iterator[Tuple[Any, Any]]:
    """Each span that begins before an earlier one ends, behind the one that reaches furthest: as many as spans."""
    furthest = None
    for span in sorted(spans, key=lambda span: (span[0].version, span[0], span[1])):
        if furthest and furthest[0].version == span[0].version and span[0] <= furthest[1]:
            yield furthest, span
            furthest = max(furthest, span, key=lambda span: span[1])
        else:
            furthest = span


def _parse_pools(text: str) -> List[Tuple[Any, Any]]:
    pools = json.loads(text or "[]")
    if not isinstance(pools, list) or not all(isinstance(item, str) for item in pools):
        raise ValueError("not a list of strings")
    return [parse_pool(item) for item in pools]


def parse_pool(text: str) -> Tuple[Any, Any]:
    """``start=A,end=B`` as two addresses; raises ValueError or KeyError when it is something else."""
    pair = dict(_split_pair(part) for part in text.split(","))
    return ipaddress.ip_address(pair["start"]), ipaddress.ip_address(pair["end"])


def _split_pair(part: str) -> Tuple[str, str]:
    key, _, address = part.strip().partition("=")
    return key.strip(), address.strip()


def _check_controller_address(answers: Any) -> Iterator[str]:
    """The controller's address within what is given out: sooner or later somebody else has it too."""
    controller = answers["CONFIG_CONTROLLER_HOST"]
    if not answers["CONFIG_PROVISION_DEMO"] or any(_check_floating_range(answers)) or _ip_version(controller) != 4:
        return
    network = ipaddress.ip_network(answers[_FLOATING_RANGE], strict=False)
    pools = _parse_pools(answers[_ALLOCATION_POOLS])
    if any(start <= ipaddress.ip_address(controller) <= end for start, end in pools or [(network[0], network[-1])]):
        name = _ALLOCATION_POOLS if pools else _FLOATING_RANGE
        yield f"{origin_label(answers, name)}: {controller}, the controller, would be given out as a floating address too"


def _check_ip_versions(answers: Any) -> Iterator[str]:
    """Packstack refuses hosts of both IP versions: one side cannot reach the other."""
    versions: Dict[int, List[str]] = {}
    for name, host in _node_addresses(answers):
        versions.setdefault(_ip_version(host), []).append(f"{origin_label(answers, name)}={host}")
    if versions.get(4) and versions.get(6):
        minority, majority = sorted((versions[4], versions[6]), key=len)
        yield f"{', '.join(minority)}: another IP version than {majority[0]}; use one for all hosts"


def _check_host_formats(answers: Any) -> Iterator[str]:
    """Names beside addresses (Packstack: Inconsistent host format): one host under two names counts as two."""
    node_addresses = list(_node_addresses(answers))
    names = [f"{origin_label(answers, name)}={host}" for name, host in node_addresses if not _ip_version(host)]
    addresses = [f"{origin_label(answers, name)}={host}" for name, host in node_addresses if _ip_version(host)]
    if names and addresses:
        yield f"{', '.join(names)}: a name, but {', '.join(addresses)}: write either names or addresses everywhere"


def _node_addresses(answers: Any) -> Iterator[Tuple[str, str]]:
    """The hosts of the cloud, each with its parameter; the loopback is whatever the host is."""
    for parameter in PARAMETERS:
        if (
            parameter.kind in ("host", "hosts")
            and parameter.default == ADDRESS_DEFAULT
            and answers.applies(parameter.name)
        ):
            value = answers[parameter.name]
            for host in (value,) if isinstance(value, str) else value:
                if host not in _LOOPBACK:
                    yield parameter.name, host


def _ip_version(host: str) -> int:
    """4 or 6; 0 for a name."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return 0
