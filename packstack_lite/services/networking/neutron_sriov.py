"""Neutron's SR-IOV agent: virtual functions of network cards for instances."""

from __future__ import annotations

from typing import Dict, List

import packstack_lite.answers.l2_agents as l2_agents
from packstack_lite.resources.base import Resource
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.spec import ServiceSpec
from packstack_lite.services.networking.network_settings import split_list
from packstack_lite.services.networking.neutron_agents import declare_agent


def is_enabled(context: NodeContext) -> bool:
    """Return whether the answers ask for SR-IOV."""
    return "sriovnicswitch" in split_list(context[l2_agents.MECHANISM_DRIVERS])


SPEC = ServiceSpec(
    name="neutron-sriov",
    after=("neutron",),
    requested_if=is_enabled,
    roles=("compute",),
    units=("neutron-sriov-agent",),
    user="neutron",
    template_dir="neutron",
    smoke_cases=("agents",),
)


def sriov_devices(context: NodeContext) -> Dict[str, str]:
    """Map each network card to the physical network of its virtual functions."""
    pairs = split_list(context[l2_agents.SRIOV_MAPPINGS]) if is_enabled(context) else ()
    return {interface: name for name, _, interface in (pair.partition(":") for pair in pairs)}


def declare(context: NodeContext) -> List[Resource]:
    """Declare the agent.

    Neutron knows it by its program's name, which may differ from its unit's.
    """
    mappings = split_list(context[l2_agents.SRIOV_MAPPINGS])
    return declare_agent(context, "neutron-sriov-agent", "sriov-agent", "neutron-sriov-nic-agent", mappings=mappings)
