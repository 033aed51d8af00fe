"""A unit of ours that loads packet rules at each boot, and the rules as the kernel has them now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.daemon_reload import RELOAD_FLAG, RELOAD_IF_FLAGGED
from packstack_lite.secret import quote_sh

# Rules are compared with what the kernel listed right after they were loaded: each release lists them its own way.
_PROBE_SCRIPT = r"""
enabled=$(systemctl is-enabled %(unit)s 2>/dev/null)
active=$(systemctl is-active %(unit)s 2>/dev/null)
rules=lost
[ -f %(script)s ] && sh %(script)s check >/dev/null 2>&1 && rules=loaded
printf '%%s %%s %%s\n' "${enabled:-absent}" "${active:-unknown}" "$rules"
"""
_LOAD_SCRIPT = rf"""
systemctl enable --quiet --no-reload %(unit)s && : >{RELOAD_FLAG} || exit 1
{RELOAD_IF_FLAGGED}
systemctl restart %(unit)s && exit 0
journalctl --no-pager -q -n 5 -u %(unit)s >&2
exit 1
"""
_UNLOAD_SCRIPT = r"""
systemctl disable --quiet --now %(unit)s 2>/dev/null
[ ! -f %(script)s ] || sh %(script)s stop
exit 0
"""


@dataclass(frozen=True)
class PortFilter(Resource):
    """The rules that ``script`` (``start``, ``stop``, ``check``) loads are in force, now and after a boot, by ``unit``;
    or, ``wanted`` being False, neither. ``files`` are what both are made of: their change loads the rules anew."""

    kind: ClassVar[str] = "guard"
    unit: str
    script: str
    files: Tuple[Resource, ...] = ()
    enabled: bool = True
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"guard:{self.unit}"

    @property
    def trigger_ids(self) -> Tuple[str, ...]:
        return tuple(file.id for file in self.files)

    def invalidate(self) -> Optional[Command]:
        """The old rules stay in force, and count as lost until the new ones have been loaded."""
        return Command("rm -f /run/packstack-lite/guard", description="mark the rules as old")

    def desired(self) -> Optional[State]:
        return {"rules": "loaded", "after a boot": "enabled"} if self.enabled else None

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(PortFilter, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            fields = reply.out.split()
            if not reply.ok or len(fields) != 3:
                raise ValueError(f"exit {reply.code}: {reply.err.strip() or reply.out!r}")
            enabled, active, rules = fields
            if enabled in ("absent", "disabled", "not-found") and active != "active" and rules == "lost":
                return {self.id: None}
            return {self.id: {"rules": rules if active == "active" else "lost", "after a boot": enabled}}

        return Probe(self._command(_PROBE_SCRIPT, "look at the rules that guard internal ports"), parse)

    def _command(self, script: str, description: str) -> Command:
        return Command(
            script % {"unit": quote_sh(self.unit), "script": quote_sh(self.script)}, timeout=60, description=description
        )

    def describe(self, diff: Diff) -> str:
        """What becomes of the ports."""
        return "close internal ports to all but the cloud's own hosts" if self.enabled else "let everybody in again"

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        resources = [cast(PortFilter, diff.resource) for diff in diffs]
        return [
            resource._command(_LOAD_SCRIPT, f"load {resource.unit}")
            if resource.enabled
            else resource._command(_UNLOAD_SCRIPT, f"stop {resource.unit}")
            for resource in resources
        ]
