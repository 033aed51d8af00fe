"""Checks of Neutron's answers: L2 agent, packages of drivers, SR-IOV cards."""

from __future__ import annotations

from typing import Tuple

from packstack_lite.answers import l2_agents
from packstack_lite.preflight import node_commands
from packstack_lite.preflight.check import CheckContext, Findings, error, list_interfaces, warning


def check_l2_agent_unchanged(context: CheckContext) -> Findings:
    """Check that an existing cloud keeps its L2 agent.

    Ports, routers and addresses do not move from one agent (ovn, openvswitch, linuxbridge) to another.
    """
    agent, deployed_mechanisms = str(context.answers.get(l2_agents.L2_AGENT) or ""), context.facts.cloud.ml2_mechanisms
    if deployed_mechanisms and agent not in deployed_mechanisms:
        yield error(
            f"this cloud's networks were made with {','.join(deployed_mechanisms)};"
            f" CONFIG_NEUTRON_L2_AGENT={agent} would leave every network, router and instance port unconnected",
            f"set CONFIG_NEUTRON_L2_AGENT={_first_agent(deployed_mechanisms)}, or deploy {agent} on a fresh node",
        )


def _first_agent(mechanisms: Tuple[str, ...]) -> str:
    """Return the first of the ML2 drivers that is an L2 agent, else the first driver."""
    return next((name for name in mechanisms if name in ("ovn", "openvswitch", "linuxbridge")), mechanisms[0])


def check_driver_packages(context: CheckContext) -> Findings:
    """Check that the release has packages for the requested network drivers."""
    if context.profile is None:
        return
    for choice, alternative in l2_agents.find_unpackaged_answers(context.answers, context.profile.packages):
        yield error(f"{choice}: {context.profile.title} has no packages for it", f"set {alternative}")


def check_sriov_vfs(context: CheckContext) -> Findings:
    """Check that the network cards for SR-IOV exist and have virtual functions."""
    if "sriovnicswitch" not in (context.answers.get(l2_agents.MECHANISM_DRIVERS) or ()):
        return
    interface_names = {interface.name for interface in context.facts.network.interfaces}
    for pair in context.answers.get(l2_agents.SRIOV_MAPPINGS) or ():
        interface = str(pair).partition(":")[2]
        vfs = context.facts.network.sriov_vfs.get(interface)
        if interface not in interface_names:
            yield error(
                f"there is no interface {interface} ({l2_agents.SRIOV_MAPPINGS})",
                list_interfaces(context),
            )
        elif vfs is None:
            yield error(
                f"{interface} has no SR-IOV, or it is disabled in the machine's firmware",
                f"take another card in {l2_agents.SRIOV_MAPPINGS}, or leave sriovnicswitch out of"
                f" {l2_agents.MECHANISM_DRIVERS}",
            )
        elif not vfs:
            yield warning(
                f"{interface} has no virtual functions (VFs) for instances",
                f"{node_commands.create_virtual_functions(interface)}, and the same at each boot",
            )
