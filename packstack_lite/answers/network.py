"""Network answers seen together: what Neutron would refuse, and what would lead nowhere. No host is asked."""

from __future__ import annotations

from typing import Any, Iterator, List, Sequence, Tuple

from packstack_lite.answers.agents import AGENT as _AGENT
from packstack_lite.answers.agents import COPIES, METERING, SRIOV, VPN, parameter
from packstack_lite.answers.agents import MECHANISMS as _MECHANISMS
from packstack_lite.answers.places import also, at
from packstack_lite.answers.table import BY_NAME, TABLE

_DRIVERS = "CONFIG_NEUTRON_ML2_TYPE_DRIVERS"
_TENANT = "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"
_VLAN_RANGES = "CONFIG_NEUTRON_ML2_VLAN_RANGES"
_FLAT = "CONFIG_NEUTRON_ML2_FLAT_NETWORKS"
_BRIDGE = "CONFIG_NEUTRON_L3_EXT_BRIDGE"
_VNI_RANGES = "CONFIG_NEUTRON_ML2_VNI_RANGES"
_TUNNEL_RANGES = "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES"
# Each kind of id with the smallest and the largest that its header field can hold.
_IDS = {_VNI_RANGES: (1, 2**24 - 1), _TUNNEL_RANGES: (1, 2**32 - 1)}
_VLANS = (1, 4094)
# Where a kind of network takes its ids from: without ids none can be made.
_IDS_OF = {"vxlan": _VNI_RANGES, "geneve": _VNI_RANGES, "gre": _TUNNEL_RANGES}
# The drivers whose agents, or whose work in the server, this tool sets up.
_DRIVEN = ("ovn", "openvswitch", "linuxbridge", "l2population", "sriovnicswitch")
# Packstack's words for: routers reach the outside by the physical network's own bridge.
_NO_BRIDGE = ("", "provider")


def faults(answers: Any) -> Iterator[str]:
    """What cannot work; each names its parameters and where their answers stand."""
    for rule in (_types, _ids, _ranges, _vlans, _mechanisms, _mappings, _interfaces, _external):
        yield from rule(answers)


def doubts(answers: Any) -> Iterator[str]:
    """What may be meant, but seldom is."""
    for rule in (_unreached, _tunnels, _copies, _routers, _functions):
        yield from rule(answers)


def _types(answers: Any) -> Iterator[str]:
    tenant, place = answers[_TENANT], at(answers, _TENANT)
    for kind in tenant:
        if kind not in answers[_DRIVERS]:
            yield f"{place}: {kind} is not among {also(answers, _DRIVERS)}"
    if "geneve" in tenant and answers[_AGENT] != "ovn":
        yield f"{place}: geneve needs OVN; say vxlan with {answers[_AGENT]}"
    if "gre" in tenant and answers[_AGENT] == "ovn":
        yield f"{place}: gre is nothing that OVN can make; say geneve with ovn"
    if "gre" in tenant and answers[_AGENT] == "linuxbridge":
        yield f"{place}: gre is nothing that linuxbridge can make; say vxlan with linuxbridge"
    if "vlan" in tenant and not any(":" in span for span in answers[_VLAN_RANGES]):
        yield f"{place}: vlan needs ranges in {also(answers, _VLAN_RANGES)}, PHYSNET:FIRST:LAST"


def _ids(answers: Any) -> Iterator[str]:
    for kind in answers[_TENANT]:
        name = _IDS_OF.get(kind, "")
        if kind in answers[_DRIVERS] and name and not answers[name]:
            yield f"{at(answers, _TENANT)}: {kind} needs ids in {also(answers, name)}, FIRST:LAST"


def _ranges(answers: Any) -> Iterator[str]:
    for name, (least, most) in _IDS.items():
        for span in answers[name]:
            first, _, last = span.partition(":")
            if not (first.isdecimal() and last.isdecimal() and least <= int(first) <= int(last) <= most):
                yield f"{at(answers, name)}: {span!r} is not FIRST:LAST within {least} to {most}"


def _vlans(answers: Any) -> Iterator[str]:
    least, most = _VLANS
    mappings = parameter(answers, "BRIDGE_MAPPINGS")
    for span in answers[_VLAN_RANGES]:
        network, *ends = span.split(":")
        bounds = [int(bound) for bound in ends]
        if bounds and not least <= bounds[0] <= bounds[1] <= most:
            yield f"{at(answers, _VLAN_RANGES)}: {span!r} is not PHYSNET:FIRST:LAST within {least} to {most}"
        if mappings and "vlan" in answers[_TENANT] and network not in dict(_pairs(answers, mappings)):
            yield f"{at(answers, _VLAN_RANGES)}: {network} is not in {_known(answers, mappings)}"


def _mechanisms(answers: Any) -> Iterator[str]:
    agent = answers[_AGENT]
    for driver in answers[_MECHANISMS]:
        if driver not in _DRIVEN:
            yield f"{at(answers, _MECHANISMS)}: {driver} is not deployed by this release; leave it out"
    if "sriovnicswitch" in answers[_MECHANISMS] and not answers[SRIOV]:
        yield f"{at(answers, _MECHANISMS)}: sriovnicswitch needs the network cards in {also(answers, SRIOV)}"
    if agent not in answers[_MECHANISMS]:
        told = f"{at(answers, _MECHANISMS)}: {','.join(answers[_MECHANISMS]) or 'empty'}"
        yield f"{told} is without {agent}, the {also(answers, _AGENT)}: no port would ever be connected"


def _mappings(answers: Any) -> Iterator[str]:
    """Neutron's agents refuse to start when a network or a bridge is there twice (neutron_lib's parse_mappings)."""
    name = parameter(answers, "BRIDGE_MAPPINGS")
    for what, found in (("network", 0), ("bridge", 1)):
        for twice in _repeated([pair[found] for pair in _pairs(answers, name)]):
            yield f"{at(answers, name)}: the {what} {twice} is there twice"


def _interfaces(answers: Any) -> Iterator[str]:
    name = parameter(answers, "BRIDGE_IFACES")
    pairs = _pairs(answers, name)
    for twice in _repeated([interface for _, interface in dict.fromkeys(pairs)]):
        yield f"{at(answers, name)}: the interface {twice} can be in one bridge only"
    for bridge, interface in pairs:
        if bridge == interface:
            yield f"{at(answers, name)}: the bridge {bridge} cannot be put into itself"


def _external(answers: Any) -> Iterator[str]:
    """The demo's external network is flat, on the physical network that these answers name."""
    name, mappings = parameter(answers, "EXTERNAL_PHYSNET"), parameter(answers, "BRIDGE_MAPPINGS")
    network = answers[name] if name else ""
    if not network or not answers["CONFIG_PROVISION_DEMO"]:
        return
    known = dict(_pairs(answers, mappings))
    if mappings and network not in known:
        yield f"{at(answers, name)}: {network} is not in {_known(answers, mappings)}"
    elif mappings and answers["CONFIG_PROVISION_OVS_BRIDGE"] and answers[_BRIDGE] not in (*_NO_BRIDGE, known[network]):
        yield (
            f"{at(answers, mappings)}: {network} leads to {known[network]}, but the gateway of the floating addresses"
            f" stands on {answers[_BRIDGE]}, the {also(answers, _BRIDGE)}"
        )
    if "flat" not in answers[_DRIVERS]:
        yield f"{at(answers, _DRIVERS)}: is without flat, which the demo's external network is"
    if not {"*", network} & set(answers[_FLAT]):
        yield f"{at(answers, _FLAT)}: is without {network}, the {also(answers, name)} of the demo's flat network"


def _unreached(answers: Any) -> Iterator[str]:
    mappings, name = parameter(answers, "BRIDGE_MAPPINGS"), parameter(answers, "BRIDGE_IFACES")
    external = parameter(answers, "EXTERNAL_PHYSNET")
    with_interface = {bridge for bridge, _ in _pairs(answers, name)}
    mapped = {bridge for _, bridge in _pairs(answers, mappings)}
    for network, bridge in _pairs(answers, mappings):
        if bridge not in with_interface and bridge != answers[_BRIDGE] and network != answers[external]:
            yield (
                f"{at(answers, mappings)}: {network}:{bridge} has no interface in {also(answers, name)}:"
                f" {network} ends on this host"
            )
    for bridge in sorted(with_interface - mapped):
        yield f"{at(answers, name)}: {bridge} is not in {also(answers, mappings)}: no network leads to it"
    if answers[_FLAT] != ("*",) and mappings:
        known = dict(_pairs(answers, mappings))
        for network in answers[_FLAT]:
            if network not in ("*", *known):
                yield f"{at(answers, _FLAT)}: {network} is not in {_known(answers, mappings)}"


def _tunnels(answers: Any) -> Iterator[str]:
    name, bridges = parameter(answers, "TUNNEL_IF"), parameter(answers, "BRIDGE_IFACES")
    card = answers[name] if name else ""
    if not card:
        return
    if not set(_IDS_OF) & {*answers[_TENANT], *answers[_DRIVERS]}:
        yield f"{at(answers, name)}: {card} is not used: no network of {also(answers, _DRIVERS)} is a tunnel"
    for bridge, interface in _pairs(answers, bridges):
        if interface == card:
            place = also(answers, bridges)
            yield f"{at(answers, name)}: {card} is put into {bridge} by {place}; say {bridge} for tunnels"


def _routers(answers: Any) -> Iterator[str]:
    for name in (METERING, VPN):
        if answers[name] and answers[_AGENT] == "ovn":
            yield (
                f"{at(answers, name)}=y: is not used with {also(answers, _AGENT)}=ovn: it works in routers that are"
                " network namespaces, and OVN's are flows"
            )


def _functions(answers: Any) -> Iterator[str]:
    """Network cards that give parts of themselves to instances (SR-IOV)."""
    if answers[SRIOV] and "sriovnicswitch" not in answers[_MECHANISMS]:
        yield f"{at(answers, SRIOV)}: is not used without sriovnicswitch in {also(answers, _MECHANISMS)}"


def _copies(answers: Any) -> Iterator[str]:
    """An answer for the agent that is not deployed, beside an untouched one for the agent that is."""
    agent = COPIES.get(answers[_AGENT], "")
    for one in TABLE if agent else ():
        for copy in COPIES.values():
            twin = one.name.replace(f"NEUTRON_{copy}_", f"NEUTRON_{agent}_")
            if copy == agent or twin == one.name or twin not in BY_NAME:
                continue
            if answers.differs(one.name) and not answers.differs(twin):
                yield (
                    f"{at(answers, one.name)}: is not used with {also(answers, _AGENT)}={answers[_AGENT]};"
                    f" there it is {twin}, which is {answers.text(twin) or 'empty'}"
                )


def _pairs(answers: Any, name: str) -> List[Tuple[str, str]]:
    pairs: List[Tuple[str, str]] = [tuple(pair.split(":", 1)) for pair in answers[name]] if name else []
    return pairs


def _known(answers: Any, mappings: str) -> str:
    return f"{also(answers, mappings)}: {', '.join(network for network, _ in _pairs(answers, mappings)) or 'empty'}"


def _repeated(words: Sequence[str]) -> List[str]:
    return sorted({word for word in words if words.count(word) > 1})
