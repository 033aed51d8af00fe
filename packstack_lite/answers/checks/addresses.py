"""Check the addresses of the nodes, the floating range and its pools together.

Used by ``validation``.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any, Dict, Iterator, List, Tuple

from packstack_lite.answers.parameter_table import ADDRESS_DEFAULT, PARAMETERS
from packstack_lite.answers.resolved_answers import CONTROLLER_HOST, Answers
from packstack_lite.ip_addresses import LOOPBACK_NAMES, is_reachable_by_others

_FLOATING_RANGE = "CONFIG_PROVISION_DEMO_FLOATRANGE"
_ALLOCATION_POOLS = "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"
_PRIVATE_RANGE = "CONFIG_PROVISION_DEMO_PRIVATE_RANGE"
_NAME_SERVERS = "CONFIG_NEUTRON_DNS_SERVERS"


def find_errors(answers: Answers) -> Iterator[str]:
    """Yield an error, with parameter and origin, for addresses that conflict."""
    yield from _check_private_range(answers)
    yield from _check_floating_range(answers)
    yield from _check_name_servers(answers)
    yield from _check_ip_versions(answers)


def find_warnings(answers: Answers) -> Iterator[str]:
    """Yield a warning for addresses that work together, but are rarely intended."""
    yield from _check_host_formats(answers)
    yield from _check_controller_address(answers)
    yield from _check_storage_host(answers)


def _check_storage_host(answers: Answers) -> Iterator[str]:
    """Warn if CONFIG_STORAGE_HOST is ignored for lack of CONFIG_UNSUPPORTED=y.

    Packstack ignores it too.
    """
    name, controller = "CONFIG_STORAGE_HOST", answers[CONTROLLER_HOST]
    has_own_host = answers[name] not in ("", *LOOPBACK_NAMES, controller)
    if answers["CONFIG_CINDER_INSTALL"] and has_own_host and not answers["CONFIG_UNSUPPORTED"]:
        label = answers.origin_label(name)
        yield f"{label}: is ignored without CONFIG_UNSUPPORTED=y: volumes are on the controller, {controller}"


def _check_private_range(answers: Answers) -> Iterator[str]:
    """Check the demo's private network, if the demo is requested."""
    if not answers["CONFIG_PROVISION_DEMO"]:
        return
    network, label = ipaddress.ip_network(answers[_PRIVATE_RANGE], strict=False), answers.origin_label(_PRIVATE_RANGE)
    if network.version != 4:
        yield f"{label}: {network} is not an IPv4 network"
    elif network.prefixlen > 28:
        yield f"{label}: {network} has no room for a router, a metadata port and instances; use a /28 or larger"


def _check_name_servers(answers: Answers) -> Iterator[str]:
    """Check that each name server is an address that instances can reach."""
    label = answers.origin_label(_NAME_SERVERS)
    for server in answers[_NAME_SERVERS]:
        if not _ip_version(server):
            yield f"{label}: {server} is a name; instances get name servers by address"
        elif not is_reachable_by_others(server):
            yield f"{label}: {server} is not the address of a server that instances can reach"


def _check_floating_range(answers: Answers) -> Iterator[str]:
    """Check the network of the floating addresses, if the demo is requested."""
    if not answers["CONFIG_PROVISION_DEMO"]:
        return
    network, label = ipaddress.ip_network(answers[_FLOATING_RANGE], strict=False), answers.origin_label(_FLOATING_RANGE)
    if network.version != 4:
        yield f"{label}: {network} is not an IPv4 network; floating addresses are IPv4 only"
    elif network.prefixlen > 30:
        yield f"{label}: {network} has no room for a gateway and an address; use a /30 or larger"
    else:
        private_network = ipaddress.ip_network(answers[_PRIVATE_RANGE], strict=False)
        # A router cannot connect two networks that overlap.
        if network.overlaps(private_network):
            private_range = answers.name_with_origin(_PRIVATE_RANGE)
            yield f"{label}: {network} overlaps {private_network}, the demo's private network ({private_range})"
        yield from _check_pools(answers, network)


def _check_pools(answers: Answers, network: Any) -> Iterator[str]:
    """Check each allocation pool: within the floating network, without its gateway."""
    label, floating_range = answers.origin_label(_ALLOCATION_POOLS), answers.name_with_origin(_FLOATING_RANGE)
    try:
        pools = _parse_pools(answers[_ALLOCATION_POOLS])
    except (ValueError, KeyError, RecursionError):
        yield f'{label}: is not a JSON list such as ["start=A,end=B"]'
        return
    for start, end in pools:
        if start not in network or end not in network or start > end:
            yield f"{label}: {start} to {end} is not a range within {network}, the {floating_range}"
            continue
        if start <= network[1] <= end:
            yield f"{label}: {start} to {end} contains the gateway {network[1]}"
        for edge in (network[0], network[-1]):
            if start <= edge <= end:
                yield f"{label}: {start} to {end} contains {edge}, which no host of {network} can have"
    for first, second in _find_overlaps([pool for pool in pools if pool[0].version == pool[1].version]):
        yield f"{label}: {first[0]} to {first[1]} and {second[0]} to {second[1]} overlap"


def _find_overlaps(ranges: List[Tuple[Any, Any]]) -> Iterator[Tuple[Any, Any]]:
    """Yield each range that overlaps an earlier one, with that earlier range.

    Yields at most one pair per range, so that thousands of equal ranges do not give millions of pairs.
    """
    last_ending = None
    for current in sorted(ranges, key=lambda pool: (pool[0].version, pool[0], pool[1])):
        if last_ending and last_ending[0].version == current[0].version and current[0] <= last_ending[1]:
            yield last_ending, current
            last_ending = max(last_ending, current, key=lambda pool: pool[1])
        else:
            last_ending = current


def _parse_pools(text: str) -> List[Tuple[Any, Any]]:
    """Parse the JSON list of pools into pairs of addresses.

    Raises ValueError, KeyError or RecursionError.
    """
    pools = json.loads(text or "[]")
    if not isinstance(pools, list) or not all(isinstance(item, str) for item in pools):
        raise ValueError("not a list of strings")
    return [parse_pool(item) for item in pools]


def parse_pool(text: str) -> Tuple[Any, Any]:
    """Parse ``start=A,end=B`` into two addresses. Raises ValueError or KeyError."""
    pair = dict(_split_pair(part) for part in text.split(","))
    return ipaddress.ip_address(pair["start"]), ipaddress.ip_address(pair["end"])


def _split_pair(part: str) -> Tuple[str, str]:
    """Split ``key=value`` and strip both parts."""
    key, _, address = part.strip().partition("=")
    return key.strip(), address.strip()


def _check_controller_address(answers: Answers) -> Iterator[str]:
    """Warn if Neutron could assign the controller's address to an instance."""
    controller = answers[CONTROLLER_HOST]
    if not answers["CONFIG_PROVISION_DEMO"] or any(_check_floating_range(answers)) or _ip_version(controller) != 4:
        return
    network = ipaddress.ip_network(answers[_FLOATING_RANGE], strict=False)
    pools = _parse_pools(answers[_ALLOCATION_POOLS])
    if any(start <= ipaddress.ip_address(controller) <= end for start, end in pools or [(network[0], network[-1])]):
        name = _ALLOCATION_POOLS if pools else _FLOATING_RANGE
        label = answers.origin_label(name)
        yield f"{label}: {controller}, the controller, could also be assigned as a floating address"


def _check_ip_versions(answers: Answers) -> Iterator[str]:
    """Report nodes of both IP versions, which cannot reach each other.

    Packstack refuses them too.
    """
    versions: Dict[int, List[str]] = {}
    for name, host in _node_addresses(answers):
        versions.setdefault(_ip_version(host), []).append(f"{answers.origin_label(name)}={host}")
    if versions.get(4) and versions.get(6):
        minority, majority = sorted((versions[4], versions[6]), key=len)
        yield f"{', '.join(minority)}: uses another IP version than {majority[0]}; use one version for all hosts"


def _check_host_formats(answers: Answers) -> Iterator[str]:
    """Warn about names mixed with addresses: one node given as both is taken for two.

    Packstack: "Inconsistent host format".
    """
    node_addresses = list(_node_addresses(answers))
    names = [f"{answers.origin_label(name)}={host}" for name, host in node_addresses if not _ip_version(host)]
    addresses = [f"{answers.origin_label(name)}={host}" for name, host in node_addresses if _ip_version(host)]
    if names and addresses:
        yield (
            f"{', '.join(names)}: is a name, but {', '.join(addresses)} is an address; use only names or only addresses"
        )


def _node_addresses(answers: Answers) -> Iterator[Tuple[str, str]]:
    """Yield the nodes of the cloud as (parameter, host), without loopback addresses."""
    for parameter in PARAMETERS:
        if (
            parameter.kind in ("host", "hosts")
            and parameter.default == ADDRESS_DEFAULT
            and answers.applies(parameter.name)
        ):
            value = answers[parameter.name]
            for host in (value,) if isinstance(value, str) else value:
                if host not in ("", *LOOPBACK_NAMES):
                    yield parameter.name, host


def _ip_version(host: str) -> int:
    """Return 4 or 6; 0 for a name."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return 0
