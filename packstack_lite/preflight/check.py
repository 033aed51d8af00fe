"""Values for checks: their input (``CheckContext``) and their ``Finding``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, Optional, Tuple

from packstack_lite.engine.events import Finding, FixCommand
from packstack_lite.nodes.facts import Facts
from packstack_lite.nodes.node import ROLES
from packstack_lite.profiles import Profile


@dataclass(frozen=True)
class CheckContext:
    """A node before anything is done to it, and the answers about it.

    ``profile`` is None if the operating system is not supported. ``local_time`` is this machine's clock, in seconds,
    when the facts were gathered. ``roles`` are the node's roles in the cloud. ``adopted``: the record of earlier runs
    is gone, and ``facts.cloud.deployed_by_us`` was derived from what is on the node.
    """

    facts: Facts
    answers: Mapping[str, Any]
    profile: Optional[Profile] = None
    local_time: float = field(default_factory=time.time)
    roles: Tuple[str, ...] = ROLES
    adopted: bool = False

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
