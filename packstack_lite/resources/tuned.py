"""The profile that tuned applies to the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State, Unknown
from packstack_lite.secret import quote_sh

# "Current active profile: virtual-guest"; where there is none, "No current active profile."
_PROBE_SCRIPT = r"""
command -v tuned-adm >/dev/null || exit 75
timeout 20 tuned-adm active 2>/dev/null | sed -n 's/^Current active profile: //p'
exit 0
"""


@dataclass(frozen=True)
class TunedProfile(Resource):
    """tuned's active profile; it is remembered over a boot by tuned itself, whose unit has to run."""

    kind: ClassVar[str] = "tuned"
    name: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return "tuned:profile"

    def desired(self) -> Optional[State]:
        return {"profile": self.name}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        def parse(reply: Reply) -> Dict[str, Observed]:
            if reply.code == 75:
                return {resource.id: Unknown(Phase.PACKAGES, "tuned is not installed yet") for resource in resources}
            return {resource.id: {"profile": reply.out.strip() or "none"} for resource in resources}

        return [Probe(Command(_PROBE_SCRIPT, description="look at tuned"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        profiles = [cast(TunedProfile, diff.resource).name for diff in diffs]
        return [
            Command(f"tuned-adm profile {quote_sh(name)}", timeout=60, description=f"tune for {name}")
            for name in profiles
        ]
