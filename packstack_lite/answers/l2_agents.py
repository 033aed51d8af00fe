"""What switches packets, the answers that come once for each way to do it, and what a release may be without."""

from __future__ import annotations

from typing import Any, Container, Iterator, Mapping, Tuple

L2_AGENT = "CONFIG_NEUTRON_L2_AGENT"
METERING_AGENT, VPNAAS = "CONFIG_NEUTRON_METERING_AGENT_INSTALL", "CONFIG_NEUTRON_VPNAAS"
MECHANISM_DRIVERS, SRIOV_MAPPINGS = (
    "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS",
    "CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS",
)
# The middle of the names of the answers that come once for each agent.
AGENT_NAME_PARTS: Mapping[str, str] = {"openvswitch": "OVS", "ovn": "OVN"}
# What of Open vSwitch's answers counts for Linux bridges too, as with Packstack.
_SHARED_WITH_LINUXBRIDGE = ("EXTERNAL_PHYSNET", "TUNNEL_IF", "VXLAN_UDP_PORT")


def agent_parameter(answers: Mapping[str, Any], suffix: str) -> str:
    """The parameter of this meaning, such as ``BRIDGE_MAPPINGS``, for the chosen agent; "" for one that has none."""
    agent = str(answers.get(L2_AGENT, ""))
    name_part = (
        AGENT_NAME_PARTS["openvswitch"]
        if agent == "linuxbridge" and suffix in _SHARED_WITH_LINUXBRIDGE
        else AGENT_NAME_PARTS.get(agent, "")
    )
    return f"CONFIG_NEUTRON_{name_part}_{suffix}" if name_part else ""


def router_feature_is_enabled(answers: Mapping[str, Any], name: str) -> bool:
    """Whether a y/n answer for what works in routers counts: OVN's are flows, in which nothing of the sort can."""
    return bool(answers.get(name)) and answers.get(L2_AGENT) != "ovn"


def requested_package_groups(answers: Mapping[str, Any]) -> Iterator[Tuple[str, str, str]]:
    """The groups of packages of a profile that answers ask for beyond every cloud's, each with the answer and what to
    say instead of it."""
    agent = str(answers.get(L2_AGENT, ""))
    if agent in ("openvswitch", "linuxbridge"):
        yield f"neutron-{agent}", f"{L2_AGENT}={agent}", f"{L2_AGENT}=ovn and {MECHANISM_DRIVERS}=ovn"
    if router_feature_is_enabled(answers, METERING_AGENT):
        yield "neutron-metering", f"{METERING_AGENT}=y", f"{METERING_AGENT}=n"
    if router_feature_is_enabled(answers, VPNAAS):
        yield "neutron-vpnaas", f"{VPNAAS}=y", f"{VPNAAS}=n"
    if "sriovnicswitch" in (answers.get(MECHANISM_DRIVERS) or ()):
        yield "neutron-sriov", f"{MECHANISM_DRIVERS} with sriovnicswitch", f"{MECHANISM_DRIVERS} without it"


def find_unpackaged_answers(answers: Mapping[str, Any], package_groups: Container[str]) -> Iterator[Tuple[str, str]]:
    """What answers ask for and a release has no packages for: the answer, and what to say instead."""
    for group, requested_answer, alternative in requested_package_groups(answers):
        if group not in package_groups:
            yield requested_answer, alternative
