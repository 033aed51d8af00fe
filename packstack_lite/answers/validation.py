"""Faults that only show when answers are seen together."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any, Iterator, List, Tuple

from packstack_lite.answers.table import BY_NAME, TABLE, Parameter

_SWITCH = re.compile(r"CONFIG_([A-Z]+)_INSTALL")
_ONE_HOST = ("CONFIG_COMPUTE_HOSTS", "CONFIG_NETWORK_HOSTS")
_SERVERS = ("CONFIG_MARIADB_HOST", "CONFIG_AMQP_HOST")
# Each kind of id with the smallest and the largest that its header field can hold.
_IDS = {"CONFIG_NEUTRON_ML2_VNI_RANGES": (1, 2**24 - 1), "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES": (1, 2**32 - 1)}
_VLANS = (1, 4094)


def check(answers: Any) -> Tuple[List[str], List[str]]:
    """Faults and warnings; each names the parameter and where its answer stands."""
    faults: List[str] = []
    for rule in (_needed, _storage, _agent, _types, _ranges, _vlans, _external, _floating, _hosts):
        faults += rule(answers)
    return faults, [*_switches(answers), *_not_built(answers), *_servers(answers)]


def _at(answers: Any, name: str) -> str:
    return f"{answers.origin(name)}: {name}"


def _needed(answers: Any) -> Iterator[str]:
    for service in ("NEUTRON", "MARIADB", "NOVA", "GLANCE"):
        name = f"CONFIG_{service}_INSTALL"
        if not answers[name]:
            yield f"{_at(answers, name)}: must be y: the cloud does not work without it"


def _storage(answers: Any) -> Iterator[str]:
    """Where things are kept, seen together."""
    if answers["CONFIG_SWIFT_INSTALL"]:
        yield from _copies(answers)
    elif answers["CONFIG_GLANCE_BACKEND"] == "swift":
        yield f"{_at(answers, 'CONFIG_GLANCE_BACKEND')}: swift needs CONFIG_SWIFT_INSTALL=y"
    if not answers["CONFIG_CINDER_INSTALL"]:
        return
    name = "CONFIG_CINDER_VOLUME_ENCRYPTION"
    if answers[name] and not answers["CONFIG_BARBICAN_INSTALL"]:
        yield f"{_at(answers, name)}: y needs CONFIG_BARBICAN_INSTALL=y, as the keys are kept there"
    name = "CONFIG_CINDER_BACKEND"
    built = BY_NAME[name].built or ()
    if not set(answers[name]) & set(built):
        yield f"{_at(answers, name)}: none of them is deployed by this release; say one of {', '.join(built)}"


def _copies(answers: Any) -> Iterator[str]:
    devices = max(1, len(answers["CONFIG_SWIFT_STORAGES"]))
    zones, replicas = answers["CONFIG_SWIFT_STORAGE_ZONES"], answers["CONFIG_SWIFT_STORAGE_REPLICAS"]
    if not 1 <= zones <= devices:
        yield f"{_at(answers, 'CONFIG_SWIFT_STORAGE_ZONES')}: {zones} is not within 1 and the devices, {devices}"
    elif not 1 <= replicas <= zones:
        yield f"{_at(answers, 'CONFIG_SWIFT_STORAGE_REPLICAS')}: {replicas} is not within 1 and the zones, {zones}"


def _agent(answers: Any) -> Iterator[str]:
    agent = answers["CONFIG_NEUTRON_L2_AGENT"]
    if agent != "openvswitch":
        yield f"{_at(answers, 'CONFIG_NEUTRON_L2_AGENT')}: {agent} is not deployed by this release; say openvswitch"


def _types(answers: Any) -> Iterator[str]:
    drivers = answers["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"]
    tenant = answers["CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"]
    place = _at(answers, "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES")
    for kind in tenant:
        if kind not in drivers:
            yield f"{place}: {kind} is not among CONFIG_NEUTRON_ML2_TYPE_DRIVERS"
    if "geneve" in tenant and answers["CONFIG_NEUTRON_L2_AGENT"] == "openvswitch":
        yield f"{place}: geneve needs OVN; say vxlan with openvswitch"
    if "vlan" in tenant and not answers["CONFIG_NEUTRON_ML2_VLAN_RANGES"]:
        yield f"{place}: vlan needs ranges in CONFIG_NEUTRON_ML2_VLAN_RANGES"


def _ranges(answers: Any) -> Iterator[str]:
    for name, (least, most) in _IDS.items():
        for span in answers[name]:
            first, _, last = span.partition(":")
            if not (first.isdecimal() and last.isdecimal() and least <= int(first) <= int(last) <= most):
                yield f"{_at(answers, name)}: {span!r} is not FIRST:LAST within {least} to {most}"


def _vlans(answers: Any) -> Iterator[str]:
    name, (least, most) = "CONFIG_NEUTRON_ML2_VLAN_RANGES", _VLANS
    for span in answers[name]:
        bounds = [int(bound) for bound in span.split(":")[1:]]
        if bounds and not least <= bounds[0] <= bounds[1] <= most:
            yield f"{_at(answers, name)}: {span!r} is not PHYSNET:FIRST:LAST within {least} to {most}"


def _external(answers: Any) -> Iterator[str]:
    name, mappings = "CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET", "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS"
    network = answers[name]
    if answers["CONFIG_PROVISION_DEMO"] and answers.counts(name) and network:
        known = [mapping.split(":")[0] for mapping in answers[mappings]]
        if network not in known:
            yield f"{_at(answers, name)}: {network} is not in {mappings} ({', '.join(known) or 'empty'})"


def _floating(answers: Any) -> Iterator[str]:
    name = "CONFIG_PROVISION_DEMO_FLOATRANGE"
    if not answers["CONFIG_PROVISION_DEMO"]:
        return
    network = ipaddress.ip_network(answers[name], strict=False)
    if network.version != 4:
        yield f"{_at(answers, name)}: {network} is not an IPv4 network; floating addresses are IPv4 only"
    elif network.prefixlen > 30:
        yield f"{_at(answers, name)}: {network} has no room for a gateway and an address; take a /30 or larger"
    else:
        yield from _pools(answers, network)


def _pools(answers: Any, network: Any) -> Iterator[str]:
    place = _at(answers, "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS")
    try:
        pools = _pools_of(answers["CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"])
    except (ValueError, KeyError):
        yield f'{place}: is not a JSON list such as ["start=A,end=B"]'
        return
    for start, end in pools:
        if start not in network or end not in network or start > end:
            yield f"{place}: {start} to {end} is not a span of {network}, the CONFIG_PROVISION_DEMO_FLOATRANGE"
        elif start <= network[1] <= end:
            yield f"{place}: {start} to {end} holds the gateway {network[1]}"


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


def _hosts(answers: Any) -> Iterator[str]:
    controller = answers["CONFIG_CONTROLLER_HOST"]
    if controller in answers["EXCLUDE_SERVERS"]:
        yield f"{_at(answers, 'EXCLUDE_SERVERS')}: {controller} is the controller, and nothing would be deployed"
    for name in _ONE_HOST:
        others = [host for host in answers[name] if host != controller]
        if others:
            yield (
                f"{_at(answers, name)}: {', '.join(others)}: this release deploys on one host,"
                f" the controller {controller}"
            )


def _servers(answers: Any) -> Iterator[str]:
    controller = answers["CONFIG_CONTROLLER_HOST"]
    for name in _SERVERS:
        if answers[name] != controller:
            yield f"{_at(answers, name)}: {answers[name]} is not used: this release puts it on {controller}"


def _unbuilt(answers: Any) -> Iterator[Parameter]:
    """What was asked for and is not carried out yet: the table says what is."""
    for parameter in TABLE:
        if parameter.built is None or _carried_out(parameter, answers):
            continue
        if answers[parameter.name] not in (False, (), "") and answers.counts(parameter.name):
            yield parameter


def _carried_out(parameter: Parameter, answers: Any) -> bool:
    built = parameter.built or ()
    if parameter.kind == "list" and answers[parameter.name]:
        return set(answers[parameter.name]) <= set(built)
    return answers.text(parameter.name) in built


def _switches(answers: Any) -> Iterator[str]:
    for parameter in _unbuilt(answers):
        service = _SWITCH.fullmatch(parameter.name)
        if service:
            yield (
                f"{_at(answers, parameter.name)}=y: {service.group(1).capitalize()} is not deployed by this release,"
                " everything else is; say n to silence this"
            )


def _not_built(answers: Any) -> Iterator[str]:
    told = [
        f"{_at(answers, parameter.name)}={answers.text(parameter.name)}"
        for parameter in _unbuilt(answers)
        if not _SWITCH.fullmatch(parameter.name)
    ]
    if told:
        yield f"not carried out by this release: {'; '.join(told)}"
