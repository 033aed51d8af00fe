"""Network answers seen together: what Neutron would refuse, and what would lead nowhere. No host is asked."""

from __future__ import annotations

from typing import Any, Iterator, List, Sequence, Tuple

from packstack_lite.answers.checks.origins import name_with_origin, origin_label
from packstack_lite.answers.l2_agents import AGENT_NAME_PARTS, METERING_AGENT, SRIOV_MAPPINGS, VPNAAS, agent_parameter
from packstack_lite.answers.l2_agents import L2_AGENT as _AGENT
from packstack_lite.answers.l2_agents import MECHANISM_DRIVERS as _MECHANISMS
from packstack_lite.answers.parameter_table import PARAMETERS, PARAMETERS_BY_NAME

_TYPE_DRIVERS = "CONFIG_NEUTRON_ML2_TYPE_DRIVERS"
_TENANT_TYPES = "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"
_VLAN_RANGES = "CONFIG_NEUTRON_ML2_VLAN_RANGES"
_FLAT_NETWORKS = "CONFIG_NEUTRON_ML2_FLAT_NETWORKS"
_EXTERNAL_BRIDGE = "CONFIG_NEUTRON_L3_EXT_BRIDGE"
_VNI_RANGES = "CONFIG_NEUTRON_ML2_VNI_RANGES"
_TUNNEL_RANGES = "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES"
# Each kind of id with the smallest and the largest that its header field can hold.
_ID_LIMITS = {_VNI_RANGES: (1, 2**24 - 1), _TUNNEL_RANGES: (1, 2**32 - 1)}
_VLAN_LIMITS = (1, 4094)
# Where a kind of network takes its ids from: without ids none can be made.
_ID_RANGES_BY_TYPE = {"vxlan": _VNI_RANGES, "geneve": _VNI_RANGES, "gre": _TUNNEL_RANGES}
# The drivers whose agents, or whose work in the server, this tool sets up.
_SUPPORTED_DRIVERS = ("ovn", "openvswitch", "linuxbridge", "l2population", "sriovnicswitch")
# Packstack's words for: routers reach the outside by the physical network's own bridge.
_NO_EXTERNAL_BRIDGE = ("", "provider")


def find_errors(answers: Any) -> Iterator[str]:
    """What cannot work; each names its parameters and where their answers stand."""
    for rule in (
        _check_tenant_types,
        _check_ids_present,
        _check_id_ranges,
        _check_vlan_ranges,
        _check_mechanism_drivers,
        _check_bridge_mappings,
        _check_bridge_interfaces,
        _check_external_network,
    ):
        yield from rule(answers)


def find_warnings(answers: Any) -> Iterator[str]:
    """What may be meant, but seldom is."""
    for rule in (
        _check_reachability,
        _check_tunnel_interface,
        _check_unused_agent_answers,
        _check_router_features,
        _check_sriov,
    ):
        yield from rule(answers)


def _check_tenant_types(answers: Any) -> Iterator[str]:
    tenant, label = answers[_TENANT_TYPES], origin_label(answers, _TENANT_TYPES)
    for kind in tenant:
        if kind not in answers[_TYPE_DRIVERS]:
            yield f"{label}: {kind} is not among {name_with_origin(answers, _TYPE_DRIVERS)}"
    if "geneve" in tenant and answers[_AGENT] != "ovn":
        yield f"{label}: geneve needs OVN; say vxlan with {answers[_AGENT]}"
    if "gre" in tenant and answers[_AGENT] == "ovn":
        yield f"{label}: gre is nothing that OVN can make; say geneve with ovn"
    if "gre" in tenant and answers[_AGENT] == "linuxbridge":
        yield f"{label}: gre is nothing that linuxbridge can make; say vxlan with linuxbridge"
    if "vlan" in tenant and not any(":" in vlan_range for vlan_range in answers[_VLAN_RANGES]):
        yield f"{label}: vlan needs ranges in {name_with_origin(answers, _VLAN_RANGES)}, PHYSNET:FIRST:LAST"


def _check_ids_present(answers: Any) -> Iterator[str]:
    for kind in answers[_TENANT_TYPES]:
        name = _ID_RANGES_BY_TYPE.get(kind, "")
        if kind in answers[_TYPE_DRIVERS] and name and not answers[name]:
            yield f"{origin_label(answers, _TENANT_TYPES)}: {kind} needs ids in {name_with_origin(answers, name)}, FIRST:LAST"


def _check_id_ranges(answers: Any) -> Iterator[str]:
    for name, (minimum, maximum) in _ID_LIMITS.items():
        for id_range in answers[name]:
            first, _, last = id_range.partition(":")
            if not (first.isdecimal() and last.isdecimal() and minimum <= int(first) <= int(last) <= maximum):
                yield f"{origin_label(answers, name)}: {id_range!r} is not FIRST:LAST within {minimum} to {maximum}"


def _check_vlan_ranges(answers: Any) -> Iterator[str]:
    minimum, maximum = _VLAN_LIMITS
    mappings = agent_parameter(answers, "BRIDGE_MAPPINGS")
    for vlan_range in answers[_VLAN_RANGES]:
        network, *ends = vlan_range.split(":")
        bounds = [int(bound) for bound in ends]
        if bounds and not minimum <= bounds[0] <= bounds[1] <= maximum:
            yield f"{origin_label(answers, _VLAN_RANGES)}: {vlan_range!r} is not PHYSNET:FIRST:LAST within {minimum} to {maximum}"
        if mappings and "vlan" in answers[_TENANT_TYPES] and network not in dict(_split_pairs(answers, mappings)):
            yield f"{origin_label(answers, _VLAN_RANGES)}: {network} is not in {_list_mapped_networks(answers, mappings)}"


def _check_mechanism_drivers(answers: Any) -> Iterator[str]:
    agent = answers[_AGENT]
    for driver in answers[_MECHANISMS]:
        if driver not in _SUPPORTED_DRIVERS:
            yield f"{origin_label(answers, _MECHANISMS)}: {driver} is not deployed by this release; leave it out"
    if "sriovnicswitch" in answers[_MECHANISMS] and not answers[SRIOV_MAPPINGS]:
        yield f"{origin_label(answers, _MECHANISMS)}: sriovnicswitch needs the network cards in {name_with_origin(answers, SRIOV_MAPPINGS)}"
    if agent not in answers[_MECHANISMS]:
        message = f"{origin_label(answers, _MECHANISMS)}: {','.join(answers[_MECHANISMS]) or 'empty'}"
        yield f"{message} is without {agent}, the {name_with_origin(answers, _AGENT)}: no port would ever be connected"


def _check_bridge_mappings(answers: Any) -> Iterator[str]:
    """Neutron's agents refuse to start when a network or a bridge is there twice (neutron_lib's parse_mappings)."""
    name = agent_parameter(answers, "BRIDGE_MAPPINGS")
    for noun, index in (("network", 0), ("bridge", 1)):
        for duplicate in _find_duplicates([pair[index] for pair in _split_pairs(answers, name)]):
            yield f"{origin_label(answers, name)}: the {noun} {duplicate} is there twice"


def _check_bridge_interfaces(answers: Any) -> Iterator[str]:
    name = agent_parameter(answers, "BRIDGE_IFACES")
    pairs = _split_pairs(answers, name)
    for duplicate in _find_duplicates([interface for _, interface in dict.fromkeys(pairs)]):
        yield f"{origin_label(answers, name)}: the interface {duplicate} can be in one bridge only"
    for bridge, interface in pairs:
        if bridge == interface:
            yield f"{origin_label(answers, name)}: the bridge {bridge} cannot be put into itself"


def _check_external_network(answers: Any) -> Iterator[str]:
    """The demo's external network is flat, on the physical network that these answers name."""
    name, mappings = agent_parameter(answers, "EXTERNAL_PHYSNET"), agent_parameter(answers, "BRIDGE_MAPPINGS")
    network = answers[name] if name else ""
    if not network or not answers["CONFIG_PROVISION_DEMO"]:
        return
    bridge_by_network = dict(_split_pairs(answers, mappings))
    if mappings and network not in bridge_by_network:
        yield f"{origin_label(answers, name)}: {network} is not in {_list_mapped_networks(answers, mappings)}"
    elif (
        mappings
        and answers["CONFIG_PROVISION_OVS_BRIDGE"]
        and answers[_EXTERNAL_BRIDGE] not in (*_NO_EXTERNAL_BRIDGE, bridge_by_network[network])
    ):
        yield (
            f"{origin_label(answers, mappings)}: {network} leads to {bridge_by_network[network]}, but the gateway of the floating addresses"
            f" stands on {answers[_EXTERNAL_BRIDGE]}, the {name_with_origin(answers, _EXTERNAL_BRIDGE)}"
        )
    if "flat" not in answers[_TYPE_DRIVERS]:
        yield f"{origin_label(answers, _TYPE_DRIVERS)}: is without flat, which the demo's external network is"
    if not {"*", network} & set(answers[_FLAT_NETWORKS]):
        yield f"{origin_label(answers, _FLAT_NETWORKS)}: is without {network}, the {name_with_origin(answers, name)} of the demo's flat network"


def _check_reachability(answers: Any) -> Iterator[str]:
    mappings, name = agent_parameter(answers, "BRIDGE_MAPPINGS"), agent_parameter(answers, "BRIDGE_IFACES")
    external = agent_parameter(answers, "EXTERNAL_PHYSNET")
    bridges_with_interface = {bridge for bridge, _ in _split_pairs(answers, name)}
    mapped_bridges = {bridge for _, bridge in _split_pairs(answers, mappings)}
    for network, bridge in _split_pairs(answers, mappings):
        if (
            bridge not in bridges_with_interface
            and bridge != answers[_EXTERNAL_BRIDGE]
            and network != answers[external]
        ):
            yield (
                f"{origin_label(answers, mappings)}: {network}:{bridge} has no interface in {name_with_origin(answers, name)}:"
                f" {network} ends on this host"
            )
    for bridge in sorted(
        bridges_with_interface - mapped_bridges - {answers.get(agent_parameter(answers, "TUNNEL_IF"))}
    ):
        yield f"{origin_label(answers, name)}: {bridge} is not in {name_with_origin(answers, mappings)}: no network leads to it"
    if answers[_FLAT_NETWORKS] != ("*",) and mappings:
        bridge_by_network = dict(_split_pairs(answers, mappings))
        for network in answers[_FLAT_NETWORKS]:
            if network not in ("*", *bridge_by_network):
                yield f"{origin_label(answers, _FLAT_NETWORKS)}: {network} is not in {_list_mapped_networks(answers, mappings)}"


def _check_tunnel_interface(answers: Any) -> Iterator[str]:
    name, bridges = agent_parameter(answers, "TUNNEL_IF"), agent_parameter(answers, "BRIDGE_IFACES")
    tunnel_interface = answers[name] if name else ""
    if not tunnel_interface:
        return
    if not set(_ID_RANGES_BY_TYPE) & {*answers[_TENANT_TYPES], *answers[_TYPE_DRIVERS]}:
        yield f"{origin_label(answers, name)}: {tunnel_interface} is not used: no network of {name_with_origin(answers, _TYPE_DRIVERS)} is a tunnel"
    for bridge, interface in _split_pairs(answers, bridges):
        if interface == tunnel_interface:
            label = name_with_origin(answers, bridges)
            yield f"{origin_label(answers, name)}: {tunnel_interface} is put into {bridge} by {label}; say {bridge} for tunnels"


def _check_router_features(answers: Any) -> Iterator[str]:
    for name in (METERING_AGENT, VPNAAS):
        if answers[name] and answers[_AGENT] == "ovn":
            yield (
                f"{origin_label(answers, name)}=y: is not used with {name_with_origin(answers, _AGENT)}=ovn: it works in routers that are"
                " network namespaces, and OVN's are flows"
            )


def _check_sriov(answers: Any) -> Iterator[str]:
    """Network cards that give parts of themselves to instances (SR-IOV)."""
    if answers[SRIOV_MAPPINGS] and "sriovnicswitch" not in answers[_MECHANISMS]:
        yield f"{origin_label(answers, SRIOV_MAPPINGS)}: is not used without sriovnicswitch in {name_with_origin(answers, _MECHANISMS)}"


def _check_unused_agent_answers(answers: Any) -> Iterator[str]:
    """An answer for the agent that is not deployed, beside an untouched one for the agent that is."""
    agent_name_part = AGENT_NAME_PARTS.get(answers[_AGENT], "")
    for parameter in PARAMETERS if agent_name_part else ():
        for name_part in AGENT_NAME_PARTS.values():
            counterpart = parameter.name.replace(f"NEUTRON_{name_part}_", f"NEUTRON_{agent_name_part}_")
            if name_part == agent_name_part or counterpart == parameter.name or counterpart not in PARAMETERS_BY_NAME:
                continue
            if answers.is_customized(parameter.name) and not answers.is_customized(counterpart):
                yield (
                    f"{origin_label(answers, parameter.name)}: is not used with {name_with_origin(answers, _AGENT)}={answers[_AGENT]};"
                    f" there it is {counterpart}, which is {answers.text(counterpart) or 'empty'}"
                )


def _split_pairs(answers: Any, name: str) -> List[Tuple[str, str]]:
    pairs: List[Tuple[str, str]] = [tuple(pair.split(":", 1)) for pair in answers[name]] if name else []
    return pairs


def _list_mapped_networks(answers: Any, mappings: str) -> str:
    return f"{name_with_origin(answers, mappings)}: {', '.join(network for network, _ in _split_pairs(answers, mappings)) or 'empty'}"


def _find_duplicates(words: Sequence[str]) -> List[str]:
    return sorted({word for word in words if words.count(word) > 1})
