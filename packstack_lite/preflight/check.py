"""What a check looks at, and what it remarks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, Optional, Tuple

from packstack_lite.engine.events import Cure
from packstack_lite.nodes.facts import Facts
from packstack_lite.nodes.node import ROLES
from packstack_lite.profiles import Profile


@dataclass(frozen=True)
class CheckContext:
    """A host before anything is done to it, and what is wanted of it.

    ``profile`` is None where the system is not supported. ``now`` is this machine's clock
    when the facts were gathered, in seconds. ``roles`` are the host's part in the cloud. ``adopted``: the record of
    earlier runs is gone, and ``facts.own`` was derived from what is on the host.
    """

    facts: Facts
    answers: Mapping[str, Any]
    profile: Optional[Profile] = None
    local_time: float = field(default_factory=time.time)
    roles: Tuple[str, ...] = ROLES
    adopted: bool = False

    def has_role(self, *roles: str) -> bool:
        """Whether the host has one of the roles."""
        return bool(set(roles) & set(self.roles))

    @property
    def is_deployed(self) -> bool:
        """Whether an earlier run of ours came as far as OpenStack's packages."""
        return self.facts.cloud.deployed_by_us and any(
            path.endswith(".conf") for path in self.facts.cloud.other_openstack
        )


@dataclass(frozen=True)
class Finding:
    """Something a check found: ``error``, ``warning`` or ``info``; what is wrong; the way out.

    ``cure`` is what ``preflight --fix`` does on the host; None where it takes a decision, or hands, of the user's.
    """

    level: str
    message: str
    hint: str = ""
    fix: Optional[Cure] = None


Findings = Iterator[Finding]


def error(message: str, hint: str, fix: Optional[Cure] = None) -> Finding:
    """A deployment would not work."""
    return Finding("error", message, hint, fix)


def warning(message: str, hint: str, fix: Optional[Cure] = None) -> Finding:
    """A deployment would work, but not as one may expect."""
    return Finding("warning", message, hint, fix)


def info(message: str, hint: str = "") -> Finding:
    """Good to know."""
    return Finding("info", message, hint)
