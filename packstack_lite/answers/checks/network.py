"""Check the network answers together, without connecting to a node.

Used by ``validation``. Errors are what Neutron would refuse; warnings are networks that lead nowhere and answers
without effect.
"""

from __future__ import annotations

from typing import Iterator, List, Sequence, Tuple

from packstack_lite.answers.l2_agents import (
    INTERFACE_MAPPINGS,
    L2_AGENT,
    MECHANISM_DRIVERS,
    METERING_AGENT,
    SRIOV_MAPPINGS,
    TENANT_TYPES,
    TUNNEL_TYPES,
    TYPE_DRIVERS,
    VLAN_RANGES,
    VPNAAS,
    agent_parameter,
    counterparts,
)
from packstack_lite.answers.parameter_table import PARAMETERS, PARAMETERS_BY_NAME
from packstack_lite.answers.resolved_answers import Answers

_FLAT_NETWORKS = "CONFIG_NEUTRON_ML2_FLAT_NETWORKS"
_EXTERNAL_BRIDGE = "CONFIG_NEUTRON_L3_EXT_BRIDGE"
_VNI_RANGES = "CONFIG_NEUTRON_ML2_VNI_RANGES"
_TUNNEL_RANGES = "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES"
# Ranges of IDs, each with the smallest and largest ID of its header field.
_ID_LIMITS = {_VNI_RANGES: (1, 2**24 - 1), _TUNNEL_RANGES: (1, 2**32 - 1)}
_VLAN_LIMITS = (1, 4094)
# The ID ranges of a network type; Neutron cannot create networks without IDs.
_ID_RANGES_BY_TYPE = {"vxlan": _VNI_RANGES, "geneve": _VNI_RANGES, "gre": _TUNNEL_RANGES}
# The mechanism drivers that packstack-lite deploys.
_SUPPORTED_DRIVERS = ("ovn", "openvswitch", "linuxbridge", "l2population", "sriovnicswitch")
# Packstack's values for: routers use the bridge of the physical network.
_NO_EXTERNAL_BRIDGE = ("", "provider")


def find_errors(answers: Answers) -> Iterator[str]:
    """Yield an error, with parameter and origin, for network answers that conflict."""
    for rule in (
        _check_tenant_types,
        _check_ids_present,
        _check_id_ranges,
        _check_vlan_ranges,
        _check_mechanism_drivers,
        _check_mappings,
        _check_bridge_interfaces,
        _check_bridges_as_interfaces,
        _check_external_network,
    ):
        yield from rule(answers)


def find_warnings(answers: Answers) -> Iterator[str]:
    """Yield a warning for network answers that work together, but are rarely intended."""
    for rule in (
        _warn_missing_ids,
        _check_reachability,
        _check_tunnel_interface,
        _check_unused_agent_answers,
        _check_router_features,
        _check_sriov,
    ):
        yield from rule(answers)


def _check_tenant_types(answers: Answers) -> Iterator[str]:
    """Check that the agent and the type drivers support the tenant network types."""
    tenant_types, label, agent = answers[TENANT_TYPES], answers.origin_label(TENANT_TYPES), answers[L2_AGENT]
    for kind in tenant_types:
        if kind not in answers[TYPE_DRIVERS]:
            type_drivers = f"{answers.name_with_origin(TYPE_DRIVERS)}={answers.text(TYPE_DRIVERS)}"
            yield f"{label}: {kind} is not among {type_drivers}; add it there"
    supported_tunnels = TUNNEL_TYPES[agent]
    for kind in tenant_types:
        if kind in TUNNEL_TYPES["openvswitch"] and kind not in supported_tunnels:
            yield f"{label}: {agent} does not support {kind}; use {' or '.join(supported_tunnels)}"


def _check_ids_present(answers: Answers) -> Iterator[str]:
    """Report tenant network types without IDs, if Neutron has no other type to take."""
    tenant_types = answers[TENANT_TYPES]
    types_without_ids = list(_find_types_without_ids(answers))
    if types_without_ids and len(types_without_ids) == len(tenant_types):
        for kind, parameter, form in types_without_ids:
            ids = f"{'ranges' if kind == 'vlan' else 'IDs'} in {answers.name_with_origin(parameter)}"
            yield f"{answers.origin_label(TENANT_TYPES)}: {kind} needs {ids}, {form}"


def _warn_missing_ids(answers: Answers) -> Iterator[str]:
    """Warn about a tenant network type without IDs: Neutron takes the next one.

    Neutron tries the types in turn (TypeManager, ``_allocate_tenant_net_segment``).
    """
    for kind, parameter, form in _find_types_without_ids(answers):
        name = answers.name_with_origin(parameter)
        yield f"{answers.origin_label(TENANT_TYPES)}: {kind} is not used without {name}, {form}"


def _find_types_without_ids(answers: Answers) -> Iterator[Tuple[str, str, str]]:
    """Yield (type, parameter, form of its ranges) for tenant types without IDs."""
    for kind in answers[TENANT_TYPES]:
        name = _ID_RANGES_BY_TYPE.get(kind, "")
        if kind == "vlan" and not any(":" in vlan_range for vlan_range in answers[VLAN_RANGES]):
            yield kind, VLAN_RANGES, "PHYSNET:FIRST:LAST"
        elif kind in answers[TYPE_DRIVERS] and name and not answers[name]:
            yield kind, name, "FIRST:LAST"


def _check_id_ranges(answers: Answers) -> Iterator[str]:
    """Check that VNI and tunnel ID ranges are FIRST:LAST within their limits."""
    for name, (minimum, maximum) in _ID_LIMITS.items():
        for id_range in answers[name]:
            first, _, last = (end.strip() for end in id_range.partition(":"))
            if not (first.isdecimal() and last.isdecimal() and minimum <= int(first) <= int(last) <= maximum):
                yield f"{answers.origin_label(name)}: {id_range!r} is not FIRST:LAST within {minimum} to {maximum}"


def _check_vlan_ranges(answers: Answers) -> Iterator[str]:
    """Check the limits of VLAN ranges, and that their networks are mapped."""
    (minimum, maximum), label = _VLAN_LIMITS, answers.origin_label(VLAN_RANGES)
    mappings = agent_parameter(answers, "BRIDGE_MAPPINGS")
    mapped_networks = {
        network for network, _ in [*_split_pairs(answers, mappings), *_split_pairs(answers, SRIOV_MAPPINGS)]
    }
    for vlan_range in answers[VLAN_RANGES]:
        network, *ends = vlan_range.split(":")
        bounds = [int(bound) for bound in ends]
        if bounds and not minimum <= bounds[0] <= bounds[1] <= maximum:
            yield f"{label}: {vlan_range!r} is not PHYSNET:FIRST:LAST within {minimum} to {maximum}"
        if mappings and "vlan" in answers[TENANT_TYPES] and network not in mapped_networks:
            yield f"{label}: {network} is not in {_list_mapped_networks(answers, mappings)}"


def _check_mechanism_drivers(answers: Answers) -> Iterator[str]:
    """Check that the mechanism drivers are supported and include the agent's."""
    agent, drivers, label = answers[L2_AGENT], answers[MECHANISM_DRIVERS], answers.origin_label(MECHANISM_DRIVERS)
    for driver in drivers:
        if driver not in _SUPPORTED_DRIVERS:
            yield f"{label}: {driver} is not deployed by this release; remove it"
    if agent not in drivers:
        yield (
            f"{label}: {','.join(drivers) or 'the empty list'} does not contain {agent},"
            f" the {answers.name_with_origin(L2_AGENT)}: no port would be connected"
        )


def _check_mappings(answers: Answers) -> Iterator[str]:
    """Report networks, bridges and interfaces that are mapped twice.

    Neutron's agents would not start: ``parse_mappings`` in neutron_lib. The SR-IOV agent lets a network have several
    interfaces, OVN a bridge several networks.
    """
    bridge_mappings, is_ovn = agent_parameter(answers, "BRIDGE_MAPPINGS"), answers[L2_AGENT] == "ovn"
    for name, noun, index, is_unique in (
        (bridge_mappings, "network", 0, True),
        (bridge_mappings, "bridge", 1, not is_ovn),
        (INTERFACE_MAPPINGS, "network", 0, answers[L2_AGENT] == "linuxbridge"),
        (INTERFACE_MAPPINGS, "interface", 1, answers[L2_AGENT] == "linuxbridge"),
        (SRIOV_MAPPINGS, "interface", 1, "sriovnicswitch" in answers[MECHANISM_DRIVERS]),
    ):
        if name and is_unique:
            for duplicate in _find_duplicates([pair[index] for pair in _split_pairs(answers, name)]):
                yield f"{answers.origin_label(name)}: the {noun} {duplicate} is mapped twice"


def _check_bridge_interfaces(answers: Answers) -> Iterator[str]:
    """Report interfaces in two bridges, and bridges that are their own interface."""
    name = agent_parameter(answers, "BRIDGE_IFACES")
    pairs = _split_pairs(answers, name)
    for duplicate in _find_duplicates([interface for _, interface in dict.fromkeys(pairs)]):
        yield f"{answers.origin_label(name)}: the interface {duplicate} can be in only one bridge"
    for bridge, interface in pairs:
        if bridge == interface:
            yield f"{answers.origin_label(name)}: the bridge {bridge} cannot be its own interface"


def _check_bridges_as_interfaces(answers: Answers) -> Iterator[str]:
    """Report bridges given as interfaces, and the reverse."""
    mappings, name = agent_parameter(answers, "BRIDGE_MAPPINGS"), agent_parameter(answers, "BRIDGE_IFACES")
    networks, pairs = dict(_split_pairs(answers, mappings)), _split_pairs(answers, name)
    bridges = {*networks.values(), answers[_EXTERNAL_BRIDGE], *(bridge for bridge, _ in pairs)} - {*_NO_EXTERNAL_BRIDGE}
    for bridge, interface in pairs:
        if interface in bridges and interface != bridge:
            reason = f"; {bridge} is a physical network" if bridge in networks else ""
            yield f"{answers.origin_label(name)}: {interface} is a bridge, not an interface{reason}: BRIDGE:INTERFACE"
    for parameter in (INTERFACE_MAPPINGS, SRIOV_MAPPINGS):
        for _, interface in _split_pairs(answers, parameter) if answers.applies(parameter) else ():
            if interface in bridges:
                yield f"{answers.origin_label(parameter)}: {interface} is a bridge, not an interface"
    on_compute = agent_parameter(answers, "BRIDGES_COMPUTE")
    for bridge in answers[on_compute] if on_compute and name else ():
        if bridge in {interface for _, interface in pairs} - bridges:
            yield f"{answers.origin_label(on_compute)}: {bridge} is an interface in {name}, not a bridge"


def _check_external_network(answers: Answers) -> Iterator[str]:
    """Check the demo's external network, a flat network on EXTERNAL_PHYSNET."""
    name, mappings = agent_parameter(answers, "EXTERNAL_PHYSNET"), agent_parameter(answers, "BRIDGE_MAPPINGS")
    network = answers[name] if name else ""
    if not network or not answers["CONFIG_PROVISION_DEMO"]:
        return
    bridge_by_network = dict(_split_pairs(answers, mappings))
    if mappings and network not in bridge_by_network:
        yield f"{answers.origin_label(name)}: {network} is not in {_list_mapped_networks(answers, mappings)}"
    elif (
        mappings
        and answers["CONFIG_PROVISION_OVS_BRIDGE"]
        and answers[_EXTERNAL_BRIDGE] not in (*_NO_EXTERNAL_BRIDGE, bridge_by_network[network])
    ):
        external_bridge = answers.name_with_origin(_EXTERNAL_BRIDGE)
        yield (
            f"{answers.origin_label(mappings)}: {network} is mapped to {bridge_by_network[network]}, but the gateway"
            f" of the floating addresses is on {answers[_EXTERNAL_BRIDGE]}, the {external_bridge}"
        )
    if "flat" not in answers[TYPE_DRIVERS]:
        yield f"{answers.origin_label(TYPE_DRIVERS)}: does not contain flat, the type of the demo's external network"
    if not {"*", network} & set(answers[_FLAT_NETWORKS]):
        yield (
            f"{answers.origin_label(_FLAT_NETWORKS)}: does not contain {network}, the {answers.name_with_origin(name)}"
            " of the demo's external network"
        )


def _check_reachability(answers: Answers) -> Iterator[str]:
    """Warn about networks without an interface and bridges without a network."""
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
                f"{answers.origin_label(mappings)}: {network}:{bridge} has no interface in"
                f" {answers.name_with_origin(name)}: {network} does not leave the node"
            )
    for bridge in sorted(
        bridges_with_interface - mapped_bridges - {answers.get(agent_parameter(answers, "TUNNEL_IF"))}
    ):
        label = answers.origin_label(name)
        yield f"{label}: {bridge} is not in {answers.name_with_origin(mappings)}: no network uses it"
    if answers[_FLAT_NETWORKS] != ("*",) and mappings:
        bridge_by_network = dict(_split_pairs(answers, mappings))
        for network in answers[_FLAT_NETWORKS]:
            if network not in ("*", *bridge_by_network):
                label = answers.origin_label(_FLAT_NETWORKS)
                yield f"{label}: {network} is not in {_list_mapped_networks(answers, mappings)}"


def _check_tunnel_interface(answers: Answers) -> Iterator[str]:
    """Warn about a tunnel interface that is unused or a port of a bridge."""
    name, bridges = agent_parameter(answers, "TUNNEL_IF"), agent_parameter(answers, "BRIDGE_IFACES")
    tunnel_interface = answers[name] if name else ""
    if not tunnel_interface:
        return
    if not set(_ID_RANGES_BY_TYPE) & {*answers[TENANT_TYPES], *answers[TYPE_DRIVERS]}:
        types = answers.name_with_origin(TYPE_DRIVERS)
        yield f"{answers.origin_label(name)}: {tunnel_interface} is not used: no type of {types} is a tunnel"
    pairs = _split_pairs(answers, bridges)
    if tunnel_interface == answers[_EXTERNAL_BRIDGE] and tunnel_interface not in dict(pairs):
        label = answers.origin_label(name)
        yield f"{label}: {tunnel_interface} is a bridge without an interface in {answers.name_with_origin(bridges)}"
    for bridge, interface in pairs:
        if interface == tunnel_interface:
            label = answers.origin_label(name)
            yield (
                f"{label}: {answers.name_with_origin(bridges)} puts {tunnel_interface} into {bridge};"
                f" use {bridge} for tunnels"
            )


def _check_router_features(answers: Answers) -> Iterator[str]:
    """Warn about metering and VPN with OVN, which cannot have them."""
    for name in (METERING_AGENT, VPNAAS):
        if answers[name] and answers[L2_AGENT] == "ovn":
            yield (
                f"{answers.origin_label(name)}=y: is not used with {answers.name_with_origin(L2_AGENT)}=ovn: it works"
                " in routers that are network namespaces, and OVN implements routers as flows"
            )


def _check_sriov(answers: Answers) -> Iterator[str]:
    """Warn about SR-IOV network cards without their driver, and the reverse."""
    if "sriovnicswitch" in answers[MECHANISM_DRIVERS] and not answers[SRIOV_MAPPINGS]:
        label, mappings = answers.origin_label(MECHANISM_DRIVERS), answers.name_with_origin(SRIOV_MAPPINGS)
        yield f"{label}: sriovnicswitch connects nothing without network cards in {mappings}"
    if answers[SRIOV_MAPPINGS] and "sriovnicswitch" not in answers[MECHANISM_DRIVERS]:
        drivers = answers.name_with_origin(MECHANISM_DRIVERS)
        yield f"{answers.origin_label(SRIOV_MAPPINGS)}: is not used without sriovnicswitch in {drivers}"


def _check_unused_agent_answers(answers: Answers) -> Iterator[str]:
    """Warn about an answer for an agent that is not deployed.

    Only if the chosen agent's own parameter has its default: then the answer is probably meant for it.
    """
    for parameter in PARAMETERS:
        for counterpart in counterparts(answers, parameter.name):
            if counterpart not in PARAMETERS_BY_NAME:
                continue
            if answers.is_customized(parameter.name) and not answers.is_customized(counterpart):
                yield (
                    f"{answers.origin_label(parameter.name)}: is not used with"
                    f" {answers.name_with_origin(L2_AGENT)}={answers[L2_AGENT]}; that agent uses {counterpart},"
                    f" which is {answers.text(counterpart) or 'empty'}"
                )


def _split_pairs(answers: Answers, name: str) -> List[Tuple[str, str]]:
    """Split the items of a mapping (``KEY:VALUE``) at their first colon.

    The name "" has no items.
    """
    pairs: List[Tuple[str, str]] = [tuple(pair.split(":", 1)) for pair in answers[name]] if name else []
    return pairs


def _list_mapped_networks(answers: Answers, mappings: str) -> str:
    """Return "PARAMETER: NETWORK, ..." for the networks of a mapping parameter."""
    networks = ", ".join(network for network, _ in _split_pairs(answers, mappings)) or "empty"
    return f"{answers.name_with_origin(mappings)}: {networks}"


def _find_duplicates(words: Sequence[str]) -> List[str]:
    """Return the words that occur more than once, sorted."""
    return sorted({word for word in words if words.count(word) > 1})
