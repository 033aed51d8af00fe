"""What switches packets, and the answers that come once for each way to do it."""

from __future__ import annotations

from typing import Any, Mapping

AGENT = "CONFIG_NEUTRON_L2_AGENT"
# The middle of the names of the answers that come once for each agent.
COPIES: Mapping[str, str] = {"openvswitch": "OVS", "ovn": "OVN"}


def parameter(answers: Mapping[str, Any], what: str) -> str:
    """The parameter of this meaning, such as ``BRIDGE_MAPPINGS``, for the chosen agent; "" for one that has none."""
    copy = COPIES.get(str(answers.get(AGENT, "")), "")
    return f"CONFIG_NEUTRON_{copy}_{what}" if copy else ""
