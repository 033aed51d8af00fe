"""SELinux made permissive, where the user asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.edit_sh import REPLACE_FILE_SH, SCRATCH_DIR_SH

SELINUX_CONFIG = "/etc/selinux/config"

_PROBE_SCRIPT = r"""
getenforce 2>/dev/null | tr 'A-Z' 'a-z' || exit 1
sed -n 's/^[ \t]*SELINUX=[ \t]*\([a-zA-Z]*\).*/\1/p' CONFIG 2>/dev/null | tr 'A-Z' 'a-z' | tail -n 1
exit 0
""".replace("CONFIG", SELINUX_CONFIG)

# A host where it will be off after the next boot stays so: that is looser, and somebody's decision.
_SET_PERMISSIVE = (
    SCRATCH_DIR_SH
    + REPLACE_FILE_SH
    + r"""
[ "$(getenforce)" != Enforcing ] || setenforce 0 || exit 1
[ -f CONFIG ] || exit 0
sed 's/^\([ \t]*SELINUX=[ \t]*\)enforcing/\1permissive/' CONFIG > "$work/new" && put CONFIG "$work/new"
"""
).replace("CONFIG", SELINUX_CONFIG)


@dataclass(frozen=True)
class SelinuxPermissive(Resource):
    """SELinux only notes what it would forbid, now and after a boot. One that is off stays off."""

    kind: ClassVar[str] = "selinux"
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return "selinux:mode"

    def desired(self) -> Optional[State]:
        return {"now": "permissive", "after a boot": "permissive"}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        def parse(reply: Reply) -> Dict[str, Observed]:
            lines = reply.out.split()
            if not lines:
                raise ValueError(f"getenforce says nothing: {reply.err.strip()}")
            modes = [mode if mode == "enforcing" else "permissive" for mode in (lines[0], lines[-1])]
            return {resource.id: {"now": modes[0], "after a boot": modes[1]} for resource in resources}

        return [Probe(Command(_PROBE_SCRIPT, description="look at SELinux"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [Command(_SET_PERMISSIVE, description="make SELinux permissive") for _ in diffs]
