"""What follows from an answer for others: naming another L2 agent, or a store for images, is enough."""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

AGENT = "CONFIG_NEUTRON_L2_AGENT"
SWIFT, IMAGES = "CONFIG_SWIFT_INSTALL", "CONFIG_GLANCE_BACKEND"
MECHANISMS = "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"
_TUNNELS = {"openvswitch": "vxlan", "linuxbridge": "vxlan", "ovn": "geneve"}
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    MECHANISMS: {agent: agent for agent in _TUNNELS},
    "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": {agent: f"{kind},flat" for agent, kind in _TUNNELS.items()},
    "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": _TUNNELS,
}


def default(name: str, given: Mapping[str, str], agent: str) -> Optional[Tuple[str, str]]:
    """The default of a parameter beside these answers, and the parameter that decides; None where none has a say."""
    if name == SWIFT and given.get(IMAGES) == "swift":
        return "y", IMAGES
    text = _DEFAULTS.get(name, {}).get(agent)
    return (text, AGENT) if text else None


def mechanism(name: str, text: str, agent: str) -> str:
    """The driver that has to stand in for the mechanism drivers given; "" when they may stay.

    Packstack does so too, without a word, for openvswitch and ovn (neutron_350.py, initSequences).
    """
    words = [word.strip() for word in text.split(",")]
    wrong = name == MECHANISMS and agent in ("openvswitch", "ovn") and agent not in words
    return agent if wrong else ""
