"""Derive defaults from other answers: L2 agent, network types, image store.

Used by ``resolver``.
"""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

from packstack_lite.answers.l2_agents import L2_AGENT, MECHANISM_DRIVERS, TENANT_TYPES, TUNNEL_TYPES, TYPE_DRIVERS
from packstack_lite.answers.network_rewrites import has_vlan_ranges
from packstack_lite.answers.values import split_list

SWIFT_INSTALL, GLANCE_BACKEND = "CONFIG_SWIFT_INSTALL", "CONFIG_GLANCE_BACKEND"
_DEFAULT_TUNNEL = {"openvswitch": "vxlan", "linuxbridge": "vxlan", "ovn": "geneve"}


def derive_default(name: str, given_texts: Mapping[str, str], agent: str) -> Optional[Tuple[str, str]]:
    """Return the default that other answers imply, and the parameter implying it.

    None if no answer implies one. ``given_texts`` are the answers that somebody gave, ``agent`` is the L2 agent.
    """
    if name == SWIFT_INSTALL and given_texts.get(GLANCE_BACKEND) == "swift":
        return "y", GLANCE_BACKEND
    if agent not in _DEFAULT_TUNNEL:
        return None
    if name == MECHANISM_DRIVERS:
        return agent, L2_AGENT
    if name == TYPE_DRIVERS:
        return _derive_type_drivers(given_texts, agent)
    return _derive_tenant_type(given_texts, agent) if name == TENANT_TYPES else None


def _derive_type_drivers(given_texts: Mapping[str, str], agent: str) -> Tuple[str, str]:
    """Return the agent's tunnel, flat and the given types of projects' networks."""
    defaults = (_DEFAULT_TUNNEL[agent], "flat")
    tenant_types = [kind for kind in split_list(given_texts.get(TENANT_TYPES, "")) if kind not in defaults]
    return ",".join((*defaults, *tenant_types)), TENANT_TYPES if tenant_types else L2_AGENT


def _derive_tenant_type(given_texts: Mapping[str, str], agent: str) -> Tuple[str, str]:
    """Return the agent's usual tunnel, or the first given type that projects can use."""
    usual_type = _DEFAULT_TUNNEL[agent]
    type_drivers = split_list(given_texts.get(TYPE_DRIVERS, usual_type))
    usable_types = [
        kind
        for kind in type_drivers
        if kind in TUNNEL_TYPES[agent] or (kind == "vlan" and has_vlan_ranges(given_texts))
    ]
    if usual_type in type_drivers or not usable_types:
        return usual_type, L2_AGENT
    return usable_types[0], TYPE_DRIVERS
