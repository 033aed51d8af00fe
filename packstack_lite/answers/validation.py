"""Faults that only show when answers are seen together."""

from __future__ import annotations

import ipaddress
import json
from typing import Any, List, Mapping, Tuple

# What this release deploys. A service beyond it that is switched on is told, never dropped in silence.
DEPLOYED = frozenset({"MARIADB", "GLANCE", "NOVA", "NEUTRON", "HORIZON", "CLIENT"})


def check(answers: Any) -> Tuple[List[str], List[str]]:
    """Faults and warnings; each names the parameter and where its answer stands."""
    faults: List[str] = []
    warnings: List[str] = []
    for rule in (_needed, _agent, _types, _ranges, _pools, _hosts):
        faults += rule(answers)
    warnings += _not_deployed(answers)
    return faults, warnings


def _at(answers: Any, name: str) -> str:
    return f"{answers.origin(name)}: {name}"


def _needed(answers: Any) -> List[str]:
    names = ["CONFIG_NEUTRON_INSTALL", "CONFIG_MARIADB_INSTALL", "CONFIG_NOVA_INSTALL", "CONFIG_GLANCE_INSTALL"]
    return [
        f"{_at(answers, name)}: must be y: the cloud does not work without it" for name in names if not answers[name]
    ]


def _agent(answers: Any) -> List[str]:
    agent = answers["CONFIG_NEUTRON_L2_AGENT"]
    if agent == "openvswitch":
        return []
    return [f"{_at(answers, 'CONFIG_NEUTRON_L2_AGENT')}: {agent} is not deployed by this release; say openvswitch"]


def _types(answers: Any) -> List[str]:
    drivers = answers["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"]
    tenant = answers["CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"]
    place = _at(answers, "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES")
    faults = [f"{place}: {kind} is not among CONFIG_NEUTRON_ML2_TYPE_DRIVERS" for kind in tenant if kind not in drivers]
    if "geneve" in tenant and answers["CONFIG_NEUTRON_L2_AGENT"] == "openvswitch":
        faults.append(f"{place}: geneve needs OVN; say vxlan with openvswitch")
    if "vlan" in tenant and not answers["CONFIG_NEUTRON_ML2_VLAN_RANGES"]:
        faults.append(f"{place}: vlan needs ranges in CONFIG_NEUTRON_ML2_VLAN_RANGES")
    return faults


def _ranges(answers: Any) -> List[str]:
    faults = []
    for name in ("CONFIG_NEUTRON_ML2_VNI_RANGES", "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES"):
        for span in answers[name]:
            first, _, last = span.partition(":")
            if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
                faults.append(f"{_at(answers, name)}: {span!r} is not FIRST:LAST")
    for mapping in answers["CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS"]:
        if mapping.count(":") != 1:
            faults.append(f"{_at(answers, 'CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS')}: {mapping!r} is not PHYSNET:BRIDGE")
    return faults


def _pools(answers: Any) -> List[str]:
    if not answers["CONFIG_PROVISION_DEMO"]:
        return []
    network = ipaddress.ip_network(answers["CONFIG_PROVISION_DEMO_FLOATRANGE"], strict=False)
    place = _at(answers, "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS")
    try:
        pools = [pool(text) for text in json.loads(answers["CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"] or "[]")]
    except (ValueError, TypeError, KeyError, AttributeError):
        return [f'{place}: is not a JSON list such as ["start=A,end=B"]']
    faults = []
    for start, end in pools:
        if start not in network or end not in network or start > end:
            faults.append(f"{place}: {start} to {end} is not a span of {network}, the CONFIG_PROVISION_DEMO_FLOATRANGE")
        elif start <= network[1] <= end:
            faults.append(f"{place}: {start} to {end} holds the gateway {network[1]}")
    return faults


def pool(text: str) -> Tuple[Any, Any]:
    """``start=A,end=B`` as two addresses."""
    pair = dict(part.strip().split("=", 1) for part in text.split(","))
    return ipaddress.ip_address(pair["start"]), ipaddress.ip_address(pair["end"])


def _hosts(answers: Any) -> List[str]:
    controller = answers["CONFIG_CONTROLLER_HOST"]
    faults = []
    for name in ("CONFIG_COMPUTE_HOSTS", "CONFIG_NETWORK_HOSTS"):
        others = [host for host in answers[name] if host != controller]
        if others:
            faults.append(
                f"{_at(answers, name)}: {', '.join(others)}: this release deploys on one host,"
                f" the controller {controller}"
            )
    return faults


def _not_deployed(answers: Mapping[str, Any]) -> List[str]:
    wanted = [
        name[len("CONFIG_") : -len("_INSTALL")]
        for name, value in answers.items()
        if name.startswith("CONFIG_") and name.endswith("_INSTALL") and value is True and name.count("_") == 2
    ]
    return [
        f"CONFIG_{service}_INSTALL=y: {service.capitalize()} is not deployed by this release, everything else is;"
        " say n to silence this"
        for service in wanted
        if service not in DEPLOYED
    ]
