"""Derive defaults from other answers: the L2 agent, the image store.

Used by ``resolver``.
"""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

from packstack_lite.answers.l2_agents import L2_AGENT, MECHANISM_DRIVERS

SWIFT_INSTALL, GLANCE_BACKEND = "CONFIG_SWIFT_INSTALL", "CONFIG_GLANCE_BACKEND"
_TUNNEL_TYPES = {"openvswitch": "vxlan", "linuxbridge": "vxlan", "ovn": "geneve"}
_DEFAULTS_BY_AGENT: Mapping[str, Mapping[str, str]] = {
    MECHANISM_DRIVERS: {agent: agent for agent in _TUNNEL_TYPES},
    "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": {agent: f"{kind},flat" for agent, kind in _TUNNEL_TYPES.items()},
    "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": _TUNNEL_TYPES,
}


def derive_default(name: str, given_texts: Mapping[str, str], agent: str) -> Optional[Tuple[str, str]]:
    """Return the default that other answers imply, and the parameter implying it.

    None if no answer implies one. ``given_texts`` are the answers that somebody gave, ``agent`` is the L2 agent.
    """
    if name == SWIFT_INSTALL and given_texts.get(GLANCE_BACKEND) == "swift":
        return "y", GLANCE_BACKEND
    text = _DEFAULTS_BY_AGENT.get(name, {}).get(agent)
    return (text, L2_AGENT) if text else None


def required_mechanism_driver(name: str, text: str, agent: str) -> str:
    """Return the driver that must replace the given mechanism drivers.

    "" if they may stay. Packstack also replaces them, without a warning, for openvswitch and ovn (neutron_350.py,
    initSequences).
    """
    drivers = [driver.strip() for driver in text.split(",")]
    agent_is_missing = name == MECHANISM_DRIVERS and agent in ("openvswitch", "ovn") and agent not in drivers
    return agent if agent_is_missing else ""
