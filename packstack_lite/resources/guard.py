"""A unit of ours that loads packet rules at each boot, and the rules as the kernel has them now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.resources.unread import READ, UNREAD
from packstack_lite.secret import sh

# Rules are compared with what the kernel listed right after they were loaded: each release lists them its own way.
_LOOK = r"""
enabled=$(systemctl is-enabled %(unit)s 2>/dev/null)
active=$(systemctl is-active %(unit)s 2>/dev/null)
rules=lost
[ -f %(script)s ] && sh %(script)s check >/dev/null 2>&1 && rules=loaded
printf '%%s %%s %%s\n' "${enabled:-absent}" "${active:-unknown}" "$rules"
"""
_LOAD = rf"""
systemctl enable --quiet --no-reload %(unit)s && : >{UNREAD} || exit 1
{READ}
systemctl restart %(unit)s && exit 0
journalctl --no-pager -q -n 5 -u %(unit)s >&2
exit 1
"""
_TAKE_BACK = r"""
systemctl disable --quiet --now %(unit)s 2>/dev/null
[ ! -f %(script)s ] || sh %(script)s stop
exit 0
"""


@dataclass(frozen=True)
class Guard(Resource):
    """The rules that ``script`` (``start``, ``stop``, ``check``) loads are in force, now and after a boot, by ``unit``;
    or, ``wanted`` being False, neither. ``files`` are what both are made of: their change loads the rules anew."""

    kind: ClassVar[str] = "guard"
    unit: str
    script: str
    files: Tuple[Resource, ...] = ()
    wanted: bool = True
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"guard:{self.unit}"

    @property
    def reads(self) -> Tuple[str, ...]:
        return tuple(file.id for file in self.files)

    def forget(self) -> Optional[Command]:
        """The old rules stay in force, and count as lost until the new ones have been loaded."""
        return Command("rm -f /run/packstack-lite/guard", says="mark the rules as old")

    def want(self) -> Optional[State]:
        return {"rules": "loaded", "after a boot": "enabled"} if self.wanted else None

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(Guard, member)._look() for member in group]

    def _look(self) -> Look:
        def parse(reply: Reply) -> Dict[str, Seen]:
            words = reply.out.split()
            if not reply.ok or len(words) != 3:
                raise ValueError(f"exit {reply.code}: {reply.err.strip() or reply.out!r}")
            enabled, active, rules = words
            if enabled in ("absent", "disabled", "not-found") and active != "active" and rules == "lost":
                return {self.id: None}
            return {self.id: {"rules": rules if active == "active" else "lost", "after a boot": enabled}}

        return Look(self._command(_LOOK, "look at the rules that guard internal ports"), parse)

    def _command(self, script: str, says: str) -> Command:
        return Command(script % {"unit": sh(self.unit), "script": sh(self.script)}, timeout=60, says=says)

    def words(self, gap: Gap) -> str:
        """What becomes of the ports."""
        return "close internal ports to all but the cloud's own hosts" if self.wanted else "let everybody in again"

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        resources = [cast(Guard, gap.resource) for gap in gaps]
        return [
            found._command(_LOAD, f"load {found.unit}")
            if found.wanted
            else found._command(_TAKE_BACK, f"stop {found.unit}")
            for found in resources
        ]
