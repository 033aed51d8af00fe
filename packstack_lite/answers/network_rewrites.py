"""Rewrite network answers that the chosen L2 agent cannot have, as Packstack does.

Packstack does it without a word (plugins/neutron_350.py, initSequences, Train to 2025.1); the resolver warns. What the
agent can do stays, although Packstack replaces it too: OVN's own VLAN and local networks (Neutron's OVN driver,
``_is_network_type_supported``).
"""

from __future__ import annotations

from typing import Iterator, List, Mapping, Sequence, Tuple

from packstack_lite.answers.l2_agents import L2_AGENT, MECHANISM_DRIVERS, TENANT_TYPES, TYPE_DRIVERS, VLAN_RANGES
from packstack_lite.answers.values import split_list

_SRIOV_DRIVER = "sriovnicswitch"
# Tunnels of Geneve are the only ones that packstack-lite and Packstack set up with OVN.
_NOT_WITH_OVN = ("vxlan", "gre")


def rewrite_network_answers(texts: Mapping[str, str], agent: str) -> Iterator[Tuple[str, str, str]]:
    """Yield (parameter, new text, reason) for each given network answer to replace.

    ``texts`` are the answers that somebody gave.
    """
    rules = {
        MECHANISM_DRIVERS: _required_drivers,
        TENANT_TYPES: _required_tenant_types,
        TYPE_DRIVERS: _required_type_drivers,
    }
    for name, rule in rules.items():
        words = split_list(texts.get(name, ""))
        new_words, reason = rule(words, agent, has_vlan_ranges(texts)) if name in texts else (words, "")
        if list(new_words) != list(words):
            yield name, ",".join(new_words), reason


def has_vlan_ranges(texts: Mapping[str, str]) -> bool:
    """Return whether the answers reserve VLANs for projects' networks."""
    return any(":" in vlan_range for vlan_range in split_list(texts.get(VLAN_RANGES, "")))


def _required_drivers(drivers: Sequence[str], agent: str, _: bool) -> Tuple[Sequence[str], str]:
    """Return the mechanism drivers that the agent needs, and the reason."""
    reason = f"does not contain {agent}, the {L2_AGENT}"
    if agent not in ("openvswitch", "ovn") or agent in drivers:
        return drivers, ""
    if _SRIOV_DRIVER in drivers and not {"openvswitch", "linuxbridge"} & set(drivers):
        return [*drivers, agent], reason
    return [agent], reason


def _required_tenant_types(types: Sequence[str], agent: str, has_ranges: bool) -> Tuple[Sequence[str], str]:
    """Return the types of projects' networks that the agent can have, and the reason."""
    if agent != "ovn":
        return types, ""
    lost_types = [kind for kind in types if kind in _NOT_WITH_OVN or (kind == "vlan" and not has_ranges)]
    new_types: List[str] = list(dict.fromkeys("geneve" if kind in lost_types else kind for kind in types))
    reason = f"OVN has no {' and no '.join(kind for kind in lost_types if kind != 'vlan')} networks of projects"
    if "vlan" in lost_types:
        reason = f"vlan has no ranges in {VLAN_RANGES}"
    return new_types or ["geneve"], reason if lost_types else "is empty"


def _required_type_drivers(types: Sequence[str], agent: str, _: bool) -> Tuple[Sequence[str], str]:
    """Return the type drivers that the agent needs, and the reason."""
    if agent != "ovn" or "geneve" in types:
        return types, ""
    return [*types, "geneve"], "does not contain geneve, the tunnels of OVN"
