"""Neutron's agent for network cards that give parts of themselves to instances (SR-IOV)."""

from __future__ import annotations

from typing import Dict, List

import packstack_lite.answers.l2_agents as l2_agents
from packstack_lite.resources.base import Resource
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services.networking.network_settings import split_list
from packstack_lite.services.networking.neutron_agents import declare_agent


def is_enabled(context: NodeContext) -> bool:
    """Whether the answers ask for it."""
    return "sriovnicswitch" in split_list(context[l2_agents.MECHANISM_DRIVERS])


def sriov_devices(context: NodeContext) -> Dict[str, str]:
    """Network card -> the physical network that its parts are on."""
    pairs = split_list(context[l2_agents.SRIOV_MAPPINGS]) if is_enabled(context) else ()
    return {interface: name for name, _, interface in (pair.partition(":") for pair in pairs)}


def declare(context: NodeContext) -> List[Resource]:
    """The agent; Neutron knows it by its program's name, which is not everywhere that of its unit."""
    mappings = split_list(context[l2_agents.SRIOV_MAPPINGS])
    return declare_agent(context, "neutron-sriov-agent", "sriov-agent", "neutron-sriov-nic-agent", mappings=mappings)
