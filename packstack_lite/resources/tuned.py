"""The profile that tuned applies to the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State, Unknown
from packstack_lite.secret import sh

# "Current active profile: virtual-guest"; where there is none, "No current active profile."
_LOOK = r"""
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

    def want(self) -> Optional[State]:
        return {"profile": self.name}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        def parse(reply: Reply) -> Dict[str, Seen]:
            if reply.code == 75:
                return {member.id: Unknown(Phase.PACKAGES, "tuned is not installed yet") for member in group}
            return {member.id: {"profile": reply.out.strip() or "none"} for member in group}

        return [Look(Command(_LOOK, says="look at tuned"), parse)]

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        profiles = [cast(TunedProfile, gap.resource).name for gap in gaps]
        return [Command(f"tuned-adm profile {sh(name)}", timeout=60, says=f"tune for {name}") for name in profiles]
