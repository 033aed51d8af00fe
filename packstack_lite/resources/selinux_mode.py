"""SELinux in permissive mode, where the user asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Mapping, Tuple

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe
from packstack_lite.resources.shell import REPLACE_FILE_SH, SCRATCH_DIR_SH

SELINUX_CONFIG = "/etc/selinux/config"

_PROBE_SCRIPT = r"""
getenforce 2>/dev/null | tr 'A-Z' 'a-z' || exit 1
sed -n 's/^[ \t]*SELINUX=[ \t]*\([a-zA-Z]*\).*/\1/p' CONFIG 2>/dev/null | tr 'A-Z' 'a-z' | tail -n 1
exit 0
""".replace("CONFIG", SELINUX_CONFIG)

# A node where SELinux will be disabled after the next boot stays so: its owner decided that.
_SET_PERMISSIVE = (
    SCRATCH_DIR_SH
    + REPLACE_FILE_SH
    + r"""
[ "$(getenforce)" != Enforcing ] || setenforce 0 || exit 1
[ -f CONFIG ] || exit 0
sed 's/^\([ \t]*SELINUX=[ \t]*\)enforcing/\1permissive/' CONFIG > "$work/new" && put CONFIG "$work/new"
"""
).replace("CONFIG", SELINUX_CONFIG)


SelinuxModeState = Mapping[str, str]
"""``now`` and ``after a boot``: enforcing or permissive, which includes disabled."""


@dataclass(frozen=True)
class SelinuxPermissive(IndividualResource[SelinuxModeState]):
    """SELinux logs what it would forbid, now and after a boot.

    A disabled SELinux stays disabled.
    """

    kind: ClassVar[str] = "selinux"
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``selinux:mode``: a node has one."""
        return "selinux:mode"

    @property
    def label(self) -> str:
        """Return ``SELinux``."""
        return "SELinux"

    def desired(self) -> SelinuxModeState:
        """Return "permissive", now and after a boot."""
        return {"now": "permissive", "after a boot": "permissive"}

    def describe(self, diff: Diff["SelinuxPermissive"]) -> Description:
        """Describe the change to permissive: SELinux enforces now, or after a boot only."""
        reason = "was enforcing" if "now" in diff.keys else "was enforcing after a boot"
        return Description("set SELinux to permissive", reason)

    def describe_drift(self, diff: Diff["SelinuxPermissive"]) -> str:
        """Describe that SELinux is enforcing, now or after a boot."""
        when = "" if "now" in diff.keys else " after a boot"
        return f"SELinux is enforcing{when} (should be permissive)"

    def probe_one(self) -> Probe[SelinuxModeState]:
        """Return the probe of the present mode and the configured one."""

        def parse(reply: Reply) -> Dict[str, Observed[SelinuxModeState]]:
            """Return both modes; "disabled" counts as permissive.

            Raises ValueError if getenforce printed nothing.
            """
            modes = reply.out.split()
            if not modes:
                raise ValueError(f"getenforce printed nothing: {reply.err.strip()}")
            now, boot = (mode if mode == "enforcing" else "permissive" for mode in (modes[0], modes[-1]))
            return {self.id: {"now": now, "after a boot": boot}}

        return Probe(Command(_PROBE_SCRIPT, description="probe SELinux"), parse)

    def fix_one(self, diff: Diff["SelinuxPermissive"]) -> Command:
        """Return the command that sets SELinux to permissive, now and after a boot."""
        return Command(_SET_PERMISSIVE, description="set SELinux to permissive")
