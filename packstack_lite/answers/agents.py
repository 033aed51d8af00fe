"""What switches packets, the answers that come once for each way to do it, and what a release may be without."""

from __future__ import annotations

from typing import Any, Container, Iterator, Mapping, Tuple

AGENT = "CONFIG_NEUTRON_L2_AGENT"
METERING, VPN = "CONFIG_NEUTRON_METERING_AGENT_INSTALL", "CONFIG_NEUTRON_VPNAAS"
MECHANISMS, SRIOV = "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS", "CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS"
# The middle of the names of the answers that come once for each agent.
COPIES: Mapping[str, str] = {"openvswitch": "OVS", "ovn": "OVN"}
# What of Open vSwitch's answers counts for Linux bridges too, as with Packstack.
_SHARED = ("EXTERNAL_PHYSNET", "TUNNEL_IF", "VXLAN_UDP_PORT")


def parameter(answers: Mapping[str, Any], what: str) -> str:
    """The parameter of this meaning, such as ``BRIDGE_MAPPINGS``, for the chosen agent; "" for one that has none."""
    agent = str(answers.get(AGENT, ""))
    copy = COPIES["openvswitch"] if agent == "linuxbridge" and what in _SHARED else COPIES.get(agent, "")
    return f"CONFIG_NEUTRON_{copy}_{what}" if copy else ""


def routed(answers: Mapping[str, Any], name: str) -> bool:
    """Whether a y/n answer for what works in routers counts: OVN's are flows, in which nothing of the sort can."""
    return bool(answers.get(name)) and answers.get(AGENT) != "ovn"


def groups(answers: Mapping[str, Any]) -> Iterator[Tuple[str, str, str]]:
    """The groups of packages of a profile that answers ask for beyond every cloud's, each with the answer and what to
    say instead of it."""
    agent = str(answers.get(AGENT, ""))
    if agent in ("openvswitch", "linuxbridge"):
        yield f"neutron-{agent}", f"{AGENT}={agent}", f"{AGENT}=ovn and {MECHANISMS}=ovn"
    if routed(answers, METERING):
        yield "neutron-metering", f"{METERING}=y", f"{METERING}=n"
    if routed(answers, VPN):
        yield "neutron-vpnaas", f"{VPN}=y", f"{VPN}=n"
    if "sriovnicswitch" in (answers.get(MECHANISMS) or ()):
        yield "neutron-sriov", f"{MECHANISMS} with sriovnicswitch", f"{MECHANISMS} without it"


def lacking(answers: Mapping[str, Any], packages: Container[str]) -> Iterator[Tuple[str, str]]:
    """What answers ask for and a release has no packages for: the answer, and what to say instead."""
    for group, asked, instead in groups(answers):
        if group not in packages:
            yield asked, instead
