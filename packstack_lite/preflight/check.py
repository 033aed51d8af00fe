"""Values for checks: their input (``CheckContext``) and their ``Finding``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, FrozenSet, Iterator, Mapping, Optional, Tuple

from packstack_lite.engine.events import Finding, FixCommand
from packstack_lite.nodes.facts import Facts
from packstack_lite.nodes.node import ROLES
from packstack_lite.profiles import Profile


@dataclass(frozen=True)
class CheckContext:
    """A node before anything is done to it, and the answers about it.

    ``profile`` is None if the operating system is not supported. ``local_time`` is this machine's clock, in seconds,
    when the facts were gathered. ``roles`` are the node's roles in the cloud. ``adopted``: the record of earlier runs
    is gone, and ``facts.cloud.deployed_by_us`` was derived from what is on the node. ``hosts`` maps the host names of
    the cloud's nodes to their roles; ``knows_all_hosts`` is False if it lacks a node. ``name`` is the node's name for
    findings. ``earlier_nodes`` maps the names of the connected nodes before this one to their facts.
    """

    facts: Facts
    answers: Mapping[str, Any]
    profile: Optional[Profile] = None
    local_time: float = field(default_factory=time.time)
    roles: Tuple[str, ...] = ROLES
    adopted: bool = False
    hosts: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    knows_all_hosts: bool = False
    name: str = ""
    earlier_nodes: Mapping[str, Facts] = field(default_factory=dict)

    def has_role(self, *roles: str) -> bool:
        """Return whether the node has one of the roles."""
        return bool(set(roles) & set(self.roles))

    @property
    def has_our_packages(self) -> bool:
        """Return whether an earlier run of ours installed OpenStack's packages.

        It may have failed after that. Its record and a service's configuration file show it.
        """
        cloud = self.facts.cloud
        return cloud.deployed_by_us and any(path.endswith(".conf") for path in cloud.other_openstack)


Findings = Iterator[Finding]


def error(message: str, hint: str, fix: Optional[FixCommand] = None) -> Finding:
    """Return a finding that says why a deployment would fail.

    ``hint`` is what to type or do; ``fix`` does it with ``--fix``.
    """
    return Finding("", "", "error", message, hint, fix)


def warning(message: str, hint: str, fix: Optional[FixCommand] = None) -> Finding:
    """Return a finding for a deployment that would work, but not as expected.

    ``hint`` and ``fix`` as in ``error``.
    """
    return Finding("", "", "warning", message, hint, fix)


def info(message: str, hint: str = "") -> Finding:
    """Return a finding that is good to know and needs no action."""
    return Finding("", "", "info", message, hint)


def list_interfaces(context: CheckContext) -> str:
    """Return the hint that names the node's interfaces, those with an address first."""
    interfaces = [interface for interface in context.facts.network.interfaces if interface.name != "lo"]
    ordered = sorted(interfaces, key=lambda interface: (not interface.addresses, interface.name))
    names = [
        f"{interface.name} ({interface.addresses[0].split('/')[0]})" if interface.addresses else interface.name
        for interface in ordered
    ]
    more = f" and {len(names) - 12} more (ip -brief link)" if len(names) > 12 else ""
    return f"the node has {', '.join(names[:12])}{more}" if names else "the node has no interface but lo"


def own_addresses(facts: Facts) -> FrozenSet[str]:
    """Return a node's addresses, without prefix length and zone."""
    addresses = [address for interface in facts.network.interfaces for address in interface.addresses]
    return frozenset(map(strip_prefix_length, [*addresses, facts.network.address]))


def strip_prefix_length(address: str) -> str:
    """Return an address without prefix length and without interface.

    ``fe80::1%eth0/64`` becomes ``fe80::1``.
    """
    return address.split("/")[0].split("%")[0]
