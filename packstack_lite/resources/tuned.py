"""tuned's active profile: its set of system settings, such as ``virtual-guest``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Tuple, TypedDict

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe, Unknown
from packstack_lite.secret import quote_sh

# "Current active profile: virtual-guest"; where there is none, "No current active profile."
_PROBE_SCRIPT = r"""
command -v tuned-adm >/dev/null || exit 75
timeout 20 tuned-adm active 2>/dev/null | sed -n 's/^Current active profile: //p'
exit 0
"""


class TunedState(TypedDict):
    """The active profile, or "none"."""

    profile: str


@dataclass(frozen=True)
class TunedProfile(IndividualResource[TunedState]):
    """tuned's active profile.

    tuned itself, whose unit has to run, keeps it over a boot.
    """

    kind: ClassVar[str] = "tuned"
    name: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``tuned:profile``: a node has one."""
        return "tuned:profile"

    @property
    def label(self) -> str:
        """Return ``tuned``."""
        return "tuned"

    def desired(self) -> TunedState:
        """Return the name of tuned's profile."""
        return {"profile": self.name}

    def describe(self, diff: Diff["TunedProfile"]) -> Description:
        """Describe the new profile and the old one."""
        state = diff.state()
        return Description(f"set tuned's profile to {self.name}", f"was {state['profile']}" if state else "")

    def probe_one(self) -> Probe[TunedState]:
        """Return the probe that prints tuned's active profile."""

        def parse(reply: Reply) -> Dict[str, Observed[TunedState]]:
            """Return the active profile or "none"; Unknown until tuned is installed."""
            if reply.code == 75:
                return {self.id: Unknown(Phase.PACKAGES, "tuned is not installed yet")}
            return {self.id: {"profile": reply.out.strip() or "none"}}

        return Probe(Command(_PROBE_SCRIPT, description="probe tuned"), parse)

    def fix_one(self, diff: Diff["TunedProfile"]) -> Command:
        """Return the command that activates the profile."""
        description = f"set tuned's profile to {self.name}"
        return Command(f"tuned-adm profile {quote_sh(self.name)}", timeout=60, description=description)
