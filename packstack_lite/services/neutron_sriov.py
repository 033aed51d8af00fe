"""Neutron's agent for network cards that give parts of themselves to instances (SR-IOV)."""

from __future__ import annotations

from typing import Dict, List

import packstack_lite.answers.agents as agents
from packstack_lite.resources.base import Resource
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.network import words
from packstack_lite.services.neutron_agents import agent


def wanted(cloud: Cloud) -> bool:
    """Whether the answers ask for it."""
    return "sriovnicswitch" in words(cloud[agents.MECHANISMS])


def devices(cloud: Cloud) -> Dict[str, str]:
    """Network card -> the physical network that its parts are on."""
    pairs = words(cloud[agents.SRIOV]) if wanted(cloud) else ()
    return {card: name for name, _, card in (pair.partition(":") for pair in pairs)}


def declare(cloud: Cloud) -> List[Resource]:
    """The agent; Neutron knows it by its program's name, which is not everywhere that of its unit."""
    mappings = words(cloud[agents.SRIOV])
    return agent(cloud, "neutron-sriov-agent", "sriov-agent", "neutron-sriov-nic-agent", mappings=mappings)
