"""Checks of what instances get from their node: name servers, a private network."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_interface
from typing import Iterator, Tuple

from packstack_lite.answers import l2_agents
from packstack_lite.ip_addresses import is_reachable_by_others
from packstack_lite.nodes.facts.resolvers import usable_resolvers
from packstack_lite.preflight.check import CheckContext, Findings, warning

NAME_SERVERS = "CONFIG_NEUTRON_DNS_SERVERS"
PRIVATE_RANGE = "CONFIG_PROVISION_DEMO_PRIVATE_RANGE"


def check_name_servers(context: CheckContext) -> Findings:
    """Check that the node knows a name server that instances can use too.

    Neutron's server announces them with OVN, the DHCP agents of network nodes otherwise.
    """
    resolvers, upstream_resolvers = context.facts.network.resolvers, context.facts.network.upstream_resolvers
    announcing_role = "controller" if context.answers.get(l2_agents.L2_AGENT) == "ovn" else "network"
    if context.answers.get(NAME_SERVERS) or not context.has_role(announcing_role):
        return
    if not usable_resolvers(resolvers, upstream_resolvers):
        reason = (
            f"/etc/resolv.conf has only {', '.join(resolvers)}, which the node alone can use, and no other is known"
            if resolvers
            else "/etc/resolv.conf has none"
        )
        yield warning(f"instances get no name server: {reason}", f"set {NAME_SERVERS}=ADDRESS")


def check_private_range(context: CheckContext) -> Findings:
    """Check that the demo's private network is not one that the node uses.

    Instances would look for the node, its name servers or the hosts behind a route in their own network.
    """
    answer = str(context.answers.get(PRIVATE_RANGE) or "")
    if not answer or not context.answers.get("CONFIG_PROVISION_DEMO"):
        return
    private_range = IPv4Network(answer, strict=False)
    for used_network, user in _used_networks(context):
        if used_network.overlaps(private_range):
            yield warning(
                f"{PRIVATE_RANGE} {private_range}, the demo's private network, overlaps {used_network} ({user}):"
                " its instances cannot talk to that",
                _suggest_range(context, private_range),
            )
            return


def _suggest_range(context: CheckContext, private_range: IPv4Network) -> str:
    """Return what to answer; once the network exists, it cannot be changed."""
    if context.facts.cloud.deployed_by_us:
        return "create a network with another range; the demo's stays as it is"
    used_networks = [network for network, _ in _used_networks(context)]
    float_range = str(context.answers.get("CONFIG_PROVISION_DEMO_FLOATRANGE") or "")
    if float_range:
        used_networks.append(IPv4Network(float_range, strict=False))
    free_range = next((one for one in _candidates() if not any(one.overlaps(used) for used in used_networks)), None)
    return f"set {PRIVATE_RANGE}={free_range or 'a free network'}"


def _candidates() -> Iterator[IPv4Network]:
    """Yield /24 networks for private use (RFC 1918), from rarely used parts of them."""
    for first, second in ((10, 137), (172, 29), (192, 168)):
        for third in range(100, 228):
            yield IPv4Network(f"{first}.{second}.{third}.0/24")


def _used_networks(context: CheckContext) -> Iterator[Tuple[IPv4Network, str]]:
    """Yield the IPv4 networks that the node uses, each with what uses it."""
    network = context.facts.network
    for interface in network.interfaces:
        for address in (ip_interface(text) for text in interface.addresses):
            if address.version == 4 and not address.is_loopback:
                yield address.network, interface.name
    for server in (*network.resolvers, *network.upstream_resolvers):
        if is_reachable_by_others(server) and ip_address(server).version == 4:
            yield IPv4Network(server), "a name server"
    for route in context.facts.network.routes:
        yield IPv4Network(route, strict=False), "a route"
