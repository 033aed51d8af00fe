"""Resources of the firewall: public ports, internal ports, floating addresses.

Public ports are opened in the firewall that the node has. Without one, a port filter of ours lets only the cloud's own
nodes reach the internal ports (docs/decisions/0015). Used by ``host_setup.system``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import List, Sequence, Tuple

from packstack_lite.host_setup import repositories
from packstack_lite.resources import (
    Absent,
    AllowedPeer,
    FirewalldForward,
    FirewalldPorts,
    IptablesPorts,
    Nat,
    OnlyAllowedPeers,
    Packages,
    PortFilter,
    allowed_peers,
)
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services.networking import openvswitch
from packstack_lite.services.registry import internal_ports, public_ports


def declare(context: NodeContext, services: List[str]) -> List[Resource]:
    """Declare firewall resources for the ports of ``services``.

    With firewalld or iptables in force: the public ports, the other nodes' addresses and, for floating addresses,
    forwarding. Else the port filter of the internal ports. With CONFIG_FIREWALL=n neither.
    """
    ports, nat_rules = public_ports(services, context.answers), openvswitch.nat_rules(context)
    if context.manages_firewalld:
        interface = context.facts.network.default_interface
        opened = FirewalldPorts(ports=ports, interface=interface, phase=Phase.PLATFORM, tags=make_tags("host"))
        peers = [
            replace(opened, ports=(), peers=peer_addresses, attributed_to=name)
            for name, peer_addresses in _peer_addresses(context)
        ]
        return [*_without_port_filter(context), opened, *peers, *[_forward_rule(nat, opened.id) for nat in nat_rules]]
    if context.facts.security.firewall == "iptables" and context.is_enabled("CONFIG_FIREWALL"):
        networks = tuple(nat.source_cidr for nat in nat_rules)
        opened_by_rules = IptablesPorts(
            ports=ports, forwarded_networks=networks, phase=Phase.PLATFORM, tags=make_tags("host")
        )
        others = [
            replace(opened_by_rules, ports=(), forwarded_networks=(), peers=peer_addresses, attributed_to=name)
            for name, peer_addresses in _peer_addresses(context)
        ]
        return [*_without_port_filter(context), opened_by_rules, *others]
    closed_ports = internal_ports(services)
    return (
        _declare_port_filter(context, closed_ports)
        if closed_ports and uses_port_filter(context)
        else _without_port_filter(context)
    )


def uses_port_filter(context: NodeContext) -> bool:
    """Return whether the answers allow our port filter and the kernel supports it."""
    is_supported = context.profile.command("port-filter") != "nft" or context.facts.security.nft_support != "no"
    return is_supported and context.is_enabled("CONFIG_FIREWALL")


def _declare_port_filter(context: NodeContext, closed_ports: Sequence[str]) -> List[Resource]:
    """Declare the port filter's script and unit, and the peers that it lets in.

    It is in force before the first package of a service is installed. Its own program may be a package.
    """
    script = context.render_file(
        "host",
        "port-filter",
        mode=0o755,
        phase=Phase.PREPARE,
        tool=context.profile.command("port-filter"),
        ports=closed_ports,
        peers=allowed_peers.PEERS_DIR,
    )
    unit = context.render_file("host", "port-filter-unit", phase=Phase.PREPARE, script=script.path)
    peers = [
        AllowedPeer(peer_addresses, script.path, attributed_to=name, phase=Phase.PREPARE, tags=make_tags("host"))
        for name, peer_addresses in _peer_addresses(context)
    ]
    tool = _declare_tool(context)
    port_filter = _port_filter_unit(context, files=(script, unit), needs=(tool.id,))
    # Peers come before the port filter, which would shut them out for a moment.
    port_filter = replace(port_filter, needs=(*port_filter.needs, *(allowed_peer.id for allowed_peer in peers)))
    # A node that could not be reached may have addresses that we do not know.
    all_known = all(node.hostname for node in context.other_nodes)
    return [
        tool,
        script,
        unit,
        *peers,
        port_filter,
        *([_only_peers(context.peer_addresses, port_filter)] if all_known else []),
    ]


def _declare_tool(context: NodeContext) -> Packages:
    """Declare the package of the port filter's program.

    Most systems have it from the start.
    """
    return Packages(
        names=context.profile.packages_for("port-filter"),
        manager=context.profile.package_manager,
        repository_pattern=repositories.allowed_repositories(context),
        batch="port-filter",
        phase=Phase.PREPARE,
        tags=make_tags("host"),
        needs=repositories.prepared_resource_ids(context),
    )


def _only_peers(peers: Tuple[str, ...], port_filter: PortFilter) -> OnlyAllowedPeers:
    """Declare that the port filter lets no other peers in than these."""
    return OnlyAllowedPeers(
        peers, port_filter.script, phase=Phase.PREPARE, tags=make_tags("host"), needs=(port_filter.id,)
    )


def _peer_addresses(context: NodeContext) -> List[Tuple[str, Tuple[str, ...]]]:
    """Return (name, addresses) of each other node of the cloud.

    They stay apart, so that a change is attributed to the node that is added and not to this one.
    """
    return [(node.name, node.addresses) for node in context.other_nodes if node.addresses]


def _port_filter_unit(
    context: NodeContext, files: Tuple[Resource, ...] = (), needs: Tuple[str, ...] = (), is_wanted: bool = True
) -> PortFilter:
    """Declare the unit of the port filter, running or, unless ``is_wanted``, stopped."""
    return PortFilter(
        unit=f"{context.profile.unit('port-filter')}.service",
        script=context.profile.path("port-filter"),
        files=files,
        enabled=is_wanted,
        phase=Phase.PREPARE,
        tags=make_tags("host"),
        needs=(*needs, *(file.id for file in files)),
    )


def _without_port_filter(context: NodeContext) -> List[Resource]:
    """Declare that the node has no port filter: one of an earlier run is removed.

    The rules are removed first, because the files are what removes them.
    """
    port_filter = _port_filter_unit(context, is_wanted=False)
    return [
        port_filter,
        _only_peers((), port_filter),
        *[_absent_file(context.profile.path(name), port_filter.id) for name in ("port-filter", "port-filter-unit")],
    ]


def _absent_file(path: str, port_filter_id: str) -> Absent:
    """Declare that a file of ours is absent, after the port filter has stopped."""
    return Absent(path, created_by_us=True, phase=Phase.PREPARE, tags=make_tags("host"), needs=(port_filter_id,))


def _forward_rule(nat: Nat, ports_id: str) -> Resource:
    """Declare firewalld's forwarding of the floating range, after the ports.

    Opening the ports may reload firewalld.
    """
    return FirewalldForward(
        source_cidr=nat.source_cidr, bridge=nat.bridge, phase=Phase.PLATFORM, tags=make_tags("host"), needs=(ports_id,)
    )
