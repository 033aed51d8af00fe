"""What a service sees when it declares its resources: answers, facts, profile, templates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from packstack_lite.hosts.facts import Facts
from packstack_lite.profiles import Profile


@dataclass(frozen=True)
class Cloud:
    """Everything a service may look at. ``answers`` maps Packstack's names to typed values
    (bool for y/n, int, str, tuple of str for lists, Secret)."""

    answers: Mapping[str, Any]
    facts: Facts
    profile: Profile
