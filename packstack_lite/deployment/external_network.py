"""Parse the external network that ``smoke`` is to make for its test.

Used by ``cli.smoke``; scripts call it for ``Deployment.smoke``.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend
from packstack_lite.smoke import ExternalNetwork

_EXAMPLE = recommend("smoke", "--external-range", "198.18.9.0/24", "--external-pool", "198.18.9.100-198.18.9.120")


def parse_external_network(
    cidr: Optional[str], pool: Optional[str], gateway: Optional[str] = None
) -> Optional[ExternalNetwork]:
    """Return the network of these options, None without a range.

    ``pool`` is FIRST-LAST. ``gateway`` is the first address of the range, unless given. Raises UsageError.
    """
    if not cidr:
        if pool or gateway:
            raise UsageError("--external-pool and --external-gateway need --external-range", _EXAMPLE)
        return None
    if not pool:
        raise UsageError("--external-range needs --external-pool: addresses of it that nobody uses", _EXAMPLE)
    network = _parse_range(cidr)
    ends = re.fullmatch(r"\s*(?:start=)?([\d.]+)\s*[-,]\s*(?:end=)?([\d.]+)\s*", pool)
    if not ends:
        raise UsageError(f"--external-pool: {pool!r} is not FIRST-LAST", _EXAMPLE)
    first, last = (_parse_address("--external-pool", text, network) for text in ends.groups())
    if last < first:
        raise UsageError(f"--external-pool: {last} comes before {first}", f"--external-pool {last}-{first}")
    router = _parse_address("--external-gateway", gateway, network) if gateway else next(network.hosts())
    if first <= router <= last:
        raise UsageError(
            f"--external-pool {first}-{last} holds the gateway {router}",
            "leave it out of the pool, or name another one",
        )
    return ExternalNetwork(str(network), str(first), str(last), str(router))


def _parse_range(cidr: str) -> IPv4Network:
    """Parse --external-range. Raises UsageError for what is not an IPv4 network."""
    try:
        network = IPv4Network(cidr)
    except ValueError as error:
        raise UsageError(f"--external-range: {error}", _EXAMPLE) from error
    if network.prefixlen > 30:
        raise UsageError(f"--external-range: {network} has no room for a gateway and a pool", _EXAMPLE)
    return network


def _parse_address(option: str, text: str, network: IPv4Network) -> IPv4Address:
    """Parse an address of the network. Raises UsageError, which names the option."""
    try:
        address = IPv4Address(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", _EXAMPLE) from error
    if address not in network or address in (network.network_address, network.broadcast_address):
        raise UsageError(f"{option}: {address} is no host's address in {network}", f"choose one of {network}")
    return address
