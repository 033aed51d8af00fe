"""What a check looks at, and what it remarks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, Optional

from packstack_lite.hosts.facts import Facts
from packstack_lite.profiles import Profile
from packstack_lite.remote.command import Command


@dataclass(frozen=True)
class Subject:
    """A host before anything is done to it, and what is wanted of it.

    ``profile`` is None where the system is not supported. ``now`` is this machine's clock
    when the facts were gathered, in seconds.
    """

    facts: Facts
    answers: Mapping[str, Any]
    profile: Optional[Profile] = None
    now: float = field(default_factory=time.time)

    @property
    def deployed(self) -> bool:
        """Whether an earlier run of ours came as far as OpenStack's packages."""
        return self.facts.own and any(path.endswith(".conf") for path in self.facts.foreign)


@dataclass(frozen=True)
class Remark:
    """Something a check found: ``error``, ``warning`` or ``info``; what is wrong; the way out.

    ``cure`` is what ``preflight --fix`` does on the host; None where it takes a decision, or hands, of the user's.
    """

    level: str
    message: str
    fix: str = ""
    cure: Optional[Command] = None


Remarks = Iterator[Remark]


def error(message: str, fix: str, cure: Optional[Command] = None) -> Remark:
    """A deployment would not work."""
    return Remark("error", message, fix, cure)


def warning(message: str, fix: str, cure: Optional[Command] = None) -> Remark:
    """A deployment would work, but not as one may expect."""
    return Remark("warning", message, fix, cure)


def info(message: str, fix: str = "") -> Remark:
    """Good to know."""
    return Remark("info", message, fix)
