"""Look up the parameters and packages that depend on the chosen L2 agent.

Used by the checks of answers, by ``preflight`` and by ``services.networking``.
"""

from __future__ import annotations

from typing import Any, Container, Iterator, List, Mapping, Tuple

L2_AGENT = "CONFIG_NEUTRON_L2_AGENT"
METERING_AGENT, VPNAAS = "CONFIG_NEUTRON_METERING_AGENT_INSTALL", "CONFIG_NEUTRON_VPNAAS"
MECHANISM_DRIVERS = "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"
TYPE_DRIVERS, TENANT_TYPES = "CONFIG_NEUTRON_ML2_TYPE_DRIVERS", "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"
INTERFACE_MAPPINGS = "CONFIG_NEUTRON_LB_INTERFACE_MAPPINGS"
VLAN_RANGES = "CONFIG_NEUTRON_ML2_VLAN_RANGES"
SRIOV_MAPPINGS = "CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS"
# The tunnels that each agent sets up (Train to Epoxy: TUNNEL_NETWORK_TYPES of Neutron's Open vSwitch agent; the
# linuxbridge agent has VXLAN only; OVN's tunnels are Geneve here, ovn-encap-type).
TUNNEL_TYPES: Mapping[str, Tuple[str, ...]] = {
    "openvswitch": ("gre", "vxlan", "geneve"),
    "linuxbridge": ("vxlan",),
    "ovn": ("geneve",),
}
# Some parameters exist once per agent: CONFIG_NEUTRON_OVS_..., CONFIG_NEUTRON_OVN_...
AGENT_NAME_PARTS: Mapping[str, str] = {"openvswitch": "OVS", "ovn": "OVN"}
# The Open vSwitch parameters that apply to Linux bridges too, as with Packstack.
_SHARED_WITH_LINUXBRIDGE = ("EXTERNAL_PHYSNET", "TUNNEL_IF", "VXLAN_UDP_PORT")


def agent_parameter(answers: Mapping[str, Any], suffix: str) -> str:
    """Return the chosen agent's parameter with a suffix such as ``BRIDGE_MAPPINGS``.

    "" if the agent has none.
    """
    agent = str(answers.get(L2_AGENT, ""))
    name_part = (
        AGENT_NAME_PARTS["openvswitch"]
        if agent == "linuxbridge" and suffix in _SHARED_WITH_LINUXBRIDGE
        else AGENT_NAME_PARTS.get(agent, "")
    )
    return f"CONFIG_NEUTRON_{name_part}_{suffix}" if name_part else ""


def counterparts(answers: Mapping[str, Any], name: str) -> List[str]:
    """Return the chosen agent's names for a parameter of another agent.

    An example is ``CONFIG_NEUTRON_OVN_TUNNEL_IF``. Not all of the names exist. Empty for any other parameter, and for
    an agent without parameters of its own.
    """
    own = AGENT_NAME_PARTS.get(str(answers.get(L2_AGENT, "")))
    others = [f"NEUTRON_{part}_" for part in AGENT_NAME_PARTS.values() if own and part != own]
    return [name.replace(other, f"NEUTRON_{own}_") for other in others if other in name]


def router_feature_is_enabled(answers: Mapping[str, Any], name: str) -> bool:
    """Return whether a feature of routers (metering, VPN) is wanted and possible.

    Both work in routers that are network namespaces; OVN implements routers as flows.
    """
    return bool(answers.get(name)) and answers.get(L2_AGENT) != "ovn"


def requested_package_groups(answers: Mapping[str, Any]) -> Iterator[Tuple[str, str, str]]:
    """Yield (group, answer, alternative) for optional package groups that are needed.

    The answer requests the group, the alternative would not; both are texts for a message.
    """
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
    """Yield (answer, alternative) for answers whose packages a release lacks.

    ``package_groups`` are those of the release's profile. Both are texts for a message, such as
    ``CONFIG_NEUTRON_METERING_AGENT_INSTALL=y`` and ``...=n``.
    """
    for group, requested_answer, alternative in requested_package_groups(answers):
        if group not in package_groups:
            yield requested_answer, alternative
