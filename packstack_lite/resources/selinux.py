"""SELinux made permissive, where the user asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.resources.edited import PUT, SCRATCH

CONFIG = "/etc/selinux/config"

_LOOK = r"""
getenforce 2>/dev/null | tr 'A-Z' 'a-z' || exit 1
sed -n 's/^[ \t]*SELINUX=[ \t]*\([a-zA-Z]*\).*/\1/p' CONFIG 2>/dev/null | tr 'A-Z' 'a-z' | tail -n 1
exit 0
""".replace("CONFIG", CONFIG)

# A host where it will be off after the next boot stays so: that is looser, and somebody's decision.
_LOOSEN = (
    SCRATCH
    + PUT
    + r"""
[ "$(getenforce)" != Enforcing ] || setenforce 0 || exit 1
[ -f CONFIG ] || exit 0
sed 's/^\([ \t]*SELINUX=[ \t]*\)enforcing/\1permissive/' CONFIG > "$work/new" && put CONFIG "$work/new"
"""
).replace("CONFIG", CONFIG)


@dataclass(frozen=True)
class Permissive(Resource):
    """SELinux only notes what it would forbid, now and after a boot. One that is off stays off."""

    kind: ClassVar[str] = "selinux"
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return "selinux:mode"

    def want(self) -> Optional[State]:
        return {"now": "permissive", "after a boot": "permissive"}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        def parse(reply: Reply) -> Dict[str, Seen]:
            said = reply.out.split()
            if not said:
                raise ValueError(f"getenforce says nothing: {reply.err.strip()}")
            modes = [mode if mode == "enforcing" else "permissive" for mode in (said[0], said[-1])]
            return {member.id: {"now": modes[0], "after a boot": modes[1]} for member in group}

        return [Look(Command(_LOOK, says="look at SELinux"), parse)]

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [Command(_LOOSEN, says="make SELinux permissive") for _ in gaps]
