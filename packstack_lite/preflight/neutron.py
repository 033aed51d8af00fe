"""Checks of what switches packets: it is what it was, there are packages for it, and the cards that it gives away."""

from __future__ import annotations

from typing import Tuple

from packstack_lite.answers import l2_agents
from packstack_lite.preflight.check import CheckContext, Findings, error, warning


def check_l2_agent_unchanged(context: CheckContext) -> Findings:
    """What switches packets is what it was: ports, routers and addresses of a living cloud do not move over."""
    agent, deployed_mechanisms = str(context.answers.get(l2_agents.L2_AGENT) or ""), context.facts.cloud.ml2_mechanisms
    if deployed_mechanisms and agent not in deployed_mechanisms:
        yield error(
            f"this cloud's networks were made with {','.join(deployed_mechanisms)}; CONFIG_NEUTRON_L2_AGENT={agent} would leave"
            " every network, router and instance port without a connection",
            f"set CONFIG_NEUTRON_L2_AGENT={_first_agent(deployed_mechanisms)}, or deploy {agent} on a fresh host",
        )


def _first_agent(mechanisms: Tuple[str, ...]) -> str:
    return next((name for name in mechanisms if name in ("ovn", "openvswitch", "linuxbridge")), mechanisms[0])


def check_driver_packages(context: CheckContext) -> Findings:
    """The release has packages for what the network's answers ask for."""
    if context.profile is None:
        return
    for choice, alternative in l2_agents.find_unpackaged_answers(context.answers, context.profile.packages):
        yield error(f"{choice}: {context.profile.title} is without", f"set {alternative}")


def check_sriov_vfs(context: CheckContext) -> Findings:
    """The network cards that instances get parts of (SR-IOV) are there and have been divided."""
    if "sriovnicswitch" not in (context.answers.get(l2_agents.MECHANISM_DRIVERS) or ()):
        return
    interface_names = {interface.name for interface in context.facts.network.interfaces}
    for pair in context.answers.get(l2_agents.SRIOV_MAPPINGS) or ():
        interface = str(pair).partition(":")[2]
        vfs = context.facts.network.sriov_vfs.get(interface)
        if interface not in interface_names:
            yield error(
                f"there is no interface {interface} ({l2_agents.SRIOV_MAPPINGS})",
                "ip -brief link shows those that there are",
            )
        elif vfs is None:
            yield error(
                f"{interface} cannot be divided: it has no SR-IOV, or that is switched off in the machine's firmware",
                f"take another card in {l2_agents.SRIOV_MAPPINGS}, or leave sriovnicswitch out of {l2_agents.MECHANISM_DRIVERS}",
            )
        elif not vfs:
            yield warning(
                f"{interface} has no functions yet that instances could get",
                f"echo 4 > /sys/class/net/{interface}/device/sriov_numvfs, and the same at each boot",
            )
