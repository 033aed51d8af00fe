"""The port filter: packet rules, and the unit that loads them at each boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Mapping, Optional, Tuple

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe, Resource
from packstack_lite.resources.shell import RELOAD_FLAG, RELOAD_IF_FLAGGED, require_ok
from packstack_lite.resources.unit_start import EXPLAIN_START_SH
from packstack_lite.secret import quote_sh

# Rules are compared with the kernel's list right after they were loaded: each release lists them in its own form.
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
unit=%(unit)s
{EXPLAIN_START_SH.replace("%", "%%")}
systemctl restart "$unit" && exit 0
{{ cause; new_lines; }} >&2
exit 1
"""
_UNLOAD_SCRIPT = r"""
systemctl disable --quiet --now %(unit)s 2>/dev/null
[ ! -f %(script)s ] || sh %(script)s stop
exit 0
"""


PortFilterState = Mapping[str, str]
"""``rules``: loaded or lost; ``after a boot``: what systemctl is-enabled prints for the unit."""


@dataclass(frozen=True)
class PortFilter(IndividualResource[PortFilterState]):
    """The port filter is in force, now and after a boot.

    ``script`` (``start``, ``stop``, ``check``) loads the rules, ``unit`` runs it at each boot. With ``enabled`` False
    the filter is stopped and disabled. A change of ``files`` loads the rules again.
    """

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
        """Return ``guard:UNIT``."""
        return f"guard:{self.unit}"

    @property
    def label(self) -> str:
        """Return ``port filter``."""
        return "port filter"

    @property
    def trigger_ids(self) -> Tuple[str, ...]:
        """Return the ids of the files whose change reloads the rules."""
        return tuple(file.id for file in self.files)

    def invalidate(self) -> Optional[Command]:
        """Return the command that marks the loaded rules as outdated.

        It runs before a file of the rules changes, so that a run killed in between is completed by the next one. The
        rules stay in force until they are replaced.
        """
        return Command("rm -f /run/packstack-lite/guard", description="mark the port filter's rules as outdated")

    def desired(self) -> Optional[PortFilterState]:
        """Return that rules are loaded and the unit enabled; None to have no filter."""
        return {"rules": "loaded", "after a boot": "enabled"} if self.enabled else None

    def describe(self, diff: Diff["PortFilter"]) -> Description:
        """Describe the start, reload, enabling or stop of the port filter."""
        if not self.enabled:
            return Description("stop the port filter", "opens internal ports to every machine")
        state = diff.state()
        if state is None:
            return Description("start the port filter", "closes internal ports to all but the cloud's nodes")
        if "rules" in diff.keys:
            return Description("load the port filter's rules", "were lost")
        if "after a boot" in diff.keys:
            return Description("enable the port filter", f"was {state['after a boot']}")
        return Description("load the port filter's rules")

    def describe_drift(self, diff: Diff["PortFilter"]) -> str:
        """Describe that the filter is in force against the answers, or is not."""
        state = diff.state()
        if not self.enabled:
            return "the port filter is in force (should not be)"
        if state is None:
            return "the port filter is not in force: internal ports are open to every machine"
        if "rules" in diff.keys:
            return "the port filter's rules are not loaded: internal ports are open to every machine"
        return f"the port filter is {state['after a boot']} (should be enabled)"

    def probe_one(self) -> Probe[PortFilterState]:
        """Return the probe of the filter's unit and of its rules in the kernel."""

        def parse(reply: Reply) -> Dict[str, Observed[PortFilterState]]:
            """Return the state of rules and unit; None without either."""
            fields = reply.out.split()
            require_ok(reply, len(fields) == 3)
            enabled, active, rules = fields
            if enabled in ("absent", "disabled", "not-found") and active != "active" and rules == "lost":
                return {self.id: None}
            return {self.id: {"rules": rules if active == "active" else "lost", "after a boot": enabled}}

        return Probe(self._command(_PROBE_SCRIPT, "probe the port filter"), parse)

    def _command(self, script: str, description: str) -> Command:
        """Return the command that runs a template of an sh script.

        ``%(unit)s`` and ``%(script)s`` in it become the port filter's unit and the path of its own script.
        """
        return Command(
            script % {"unit": quote_sh(self.unit), "script": quote_sh(self.script)}, timeout=60, description=description
        )

    def fix_one(self, diff: Diff["PortFilter"]) -> Command:
        """Return the command that loads and enables the filter, or removes it."""
        if self.enabled:
            return self._command(_LOAD_SCRIPT, f"load {self.unit}")
        return self._command(_UNLOAD_SCRIPT, f"stop {self.unit}")
