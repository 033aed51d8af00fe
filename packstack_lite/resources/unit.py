"""systemd units that run their present configuration, or do not run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import (
    NO_LONGER_DECLARED,
    Description,
    Diff,
    Observed,
    Phase,
    Probe,
    Resource,
    TypedResource,
    job_name,
    join_names,
)
from packstack_lite.resources.shell import RELOAD_FLAG, RELOAD_IF_FLAGGED, STORED_LINE_SH
from packstack_lite.resources.unit_holds import HOLD_SH
from packstack_lite.resources.unit_start import start_script
from packstack_lite.secret import quote_sh
from packstack_lite.state_paths import UNIT_DIGESTS_DIR

# What starts a unit, such as libvirtd.socket, and what it starts: a socket may be the unit that we start, as
# virtqemud.socket is. A unit that is stopped without these is started again.
_RELATIVES_SH = r"""
relatives_of() {
    systemctl show --property=TriggeredBy,Triggers "$1" 2>/dev/null | cut -d= -f2 | tr '\n' ' ' | sed 's/ *$//'
}
"""

# Standard input: the names of all units, then of those that shall be removed, each on one line.
_PROBE_SCRIPT = (
    HOLD_SH
    + _RELATIVES_SH
    + STORED_LINE_SH
    + r"""
read -r units
read -r removed
RELOAD_UNITS
systemctl show --property=Id,LoadState,ActiveState,UnitFileState $units
echo ==
for unit in $units; do
    stored_line "DIGESTS/$unit"
    # A damaged one counts as none: the unit is started again.
    case $stored in '' | *[!0-9a-f]*) ;; *) printf '%s %s\n' "$unit" "$stored" ;; esac
done
echo ==
for unit in $units; do
    [ -e "$(hold_of "$unit")" ] && printf '%s held\n' "$unit"
done
echo ==
for unit in $removed; do
    for relative in $(relatives_of "$unit"); do
        echo "$unit $(systemctl is-active "$relative") $(systemctl is-enabled "$relative" 2>/dev/null || echo -)"
    done
done
exit 0
""".replace("DIGESTS", UNIT_DIGESTS_DIR).replace("RELOAD_UNITS", RELOAD_IF_FLAGGED)
)

# Debian's packages bring a SysV script next to a unit's file, for which update-rc.d makes systemd reload in spite of
# --no-reload. Only a unit that has no other file than such a script needs that.
_SKIP_SYSV_SH = """
by_file() { SYSTEMCTL_SKIP_SYSV=1 systemctl "$@" 2>/dev/null || systemctl "$@"; }
"""

# All units are freed of their holds and enabled before any starts: a unit that is enabled while it runs may get an
# alias by that, and systemd, which knows the alias as a missing unit, then takes the running one for dead (252: OVN's
# databases).
# Standard input, one line per unit: UNIT yes|no, whether to enable it.
_ENABLE_SCRIPT = (
    _SKIP_SYSV_SH
    + HOLD_SH
    + r"""
units= enable=
while read -r unit wanted; do
    units="$units $unit"
    enable="$enable $wanted"
    free "$unit"
done
systemctl show --property=LoadState,NeedDaemonReload $units |
    awk -v units="$units" -v enable="$enable" '
        BEGIN {RS = ""; split(units, unit, " "); split(enable, wanted, " ")}
        {load = "loaded"}
        /NeedDaemonReload=yes|LoadState=not-found/ {load = "outdated"}
        /LoadState=masked/ {load = "masked"}
        {print unit[NR], load, wanted[NR]}' |
    while read -r unit load wanted; do
        [ $load = loaded ] || : >%(reload_flag)s
        [ $load != masked ] || systemctl unmask --quiet --no-reload "$unit"
        [ $wanted = no ] || systemctl is-enabled --quiet "$unit" 2>/dev/null ||
            { by_file enable --quiet --no-reload "$unit" && : >%(reload_flag)s; }
    done
%(reload)s
"""
    % {"reload_flag": RELOAD_FLAG, "reload": RELOAD_IF_FLAGGED}
)

_MASK_SCRIPT = (
    _SKIP_SYSV_SH
    + HOLD_SH
    + r"""
unit=%(unit)s
by_file disable --no-reload --now "$unit" 2>/dev/null
systemctl mask --no-reload "$unit" || exit 1
free "$unit"
: >%(reload_flag)s
"""
)

_REMOVE_SCRIPT = (
    _SKIP_SYSV_SH
    + _RELATIVES_SH
    + r"""
unit=%(unit)s
relatives=$(relatives_of "$unit")
# A service without a file of its own starts at no boot: disable has nothing to do there, and may say so with an error.
systemctl stop $relatives "$unit" || exit 1
by_file disable --quiet "$unit" || exit 1
for relative in $relatives; do by_file disable --quiet "$relative" || :; done
systemctl reset-failed $relatives "$unit" 2>/dev/null
rm -f "%(digests)s/$unit"
"""
)


UnitState = Mapping[str, str]
"""``active`` and ``enabled`` in systemd's words; ``stamp``: the digest of the configuration of its last start.

``enabled`` is ``held`` where a hold keeps the unit from starting (``unit_holds``).
"""


@dataclass(frozen=True)
class Unit(TypedResource[UnitState]):
    """A systemd unit that runs its present configuration, is stopped or masked.

    A running unit is restarted when one of its ``restart_triggers`` changes. ``state`` is running, stopped, masked, or
    removed: stopped, and not started at boot either.
    ``ready_script`` is a sh command that succeeds once the unit does its work; when it does not within
    ``ready_timeout`` seconds, the new lines of ``logs`` are shown, and what ``blocked_script`` prints about something
    that the unit waits for. The digest of what the unit was started with is kept on the node and removed before a
    trigger changes: a run that is killed in between restarts the unit the next time.
    """

    kind: ClassVar[str] = "unit"
    name: str
    restart_triggers: Tuple[Resource, ...] = ()
    state: str = "running"
    enabled: bool = True
    ready_script: str = "true"
    ready_timeout: int = 120
    logs: Tuple[str, ...] = ()
    blocked_script: str = "true"
    phase: Phase = Phase.SERVICES
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``unit:NAME``."""
        return f"unit:{self.name}"

    @property
    def label(self) -> str:
        """Return the unit's name as the profile has it, often without ``.service``."""
        return self.name

    @property
    def full_name(self) -> str:
        """Return the name with its suffix, ``.service`` unless the name has one."""
        return self.name if "." in self.name.rsplit("@", 1)[-1] else f"{self.name}.service"

    @property
    def trigger_ids(self) -> Tuple[str, ...]:
        """Return the ids of the resources whose change restarts the unit."""
        return tuple(trigger.id for trigger in self.restart_triggers)

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return ``unit:NAME`` of a unit that shall run."""
        return (self.id,) if self.state == "running" else ()

    @property
    def config_digest(self) -> str:
        """Return a digest of the desired states of all restart triggers."""
        desired = [[trigger.id, dict(trigger.desired() or {})] for trigger in self.restart_triggers]
        return hashlib.sha256(json.dumps(desired, sort_keys=True).encode()).hexdigest()[:32]

    def invalidate(self) -> Optional[Command]:
        """Return the command that removes the digest of the unit's last start.

        Until a start writes it again, the unit counts as outdated and is restarted.
        """
        digest_file = quote_sh(f"{UNIT_DIGESTS_DIR}/{self.full_name}")
        return Command(f"rm -f {digest_file}", description=f"mark {self.name} for a restart")

    def desired(self) -> UnitState:
        """Return ``active``, ``enabled`` and ``stamp`` as the unit shall have them.

        A stopped unit has only ``active``; a removed one is not enabled either. Only a running one has ``stamp``, the
        digest of its configuration.
        """
        if self.state == "masked":
            return {"enabled": "masked", "active": "inactive"}
        if self.state == "stopped":
            return {"active": "inactive"}
        if self.state == "removed":
            return {"active": "inactive", "enabled": "disabled"}
        desired = {"active": "active", "stamp": self.config_digest}
        return {**desired, "enabled": "enabled"} if self.enabled else desired

    def describe(self, diff: Diff["Unit"]) -> Description:
        """Describe the start, restart, enabling, stop or mask of the unit, and its reason."""
        state = diff.state()
        if self.state == "removed":
            return Description(f"stop and disable {self.name}", NO_LONGER_DECLARED)
        if self.state != "running":
            verb = "mask" if self.state == "masked" else "stop"
            was_active = state is not None and "active" in diff.keys
            return Description(f"{verb} {self.name}", f"was {state['active']}" if state and was_active else "")
        if state is None:
            return Description(f"start {self.name}", "new")
        if "active" in diff.keys:
            return Description(f"start {self.name}", f"was {state['active']}")
        if "enabled" in diff.keys:
            return Description(f"enable and restart {self.name}", f"was {state['enabled']}")
        # The files that trigger the restart are named by the engine.
        reason = "" if diff.triggered_by else "configuration changed since its start"
        return Description(f"restart {self.name}", reason)

    def describe_drift(self, diff: Diff["Unit"]) -> str:
        """Describe how the unit's state differs, or that it runs outdated configuration.

        It does if its last start was with another configuration, by the digest that was kept then.
        """
        state, desired = diff.state(), self.desired()
        if state is None:
            return f"{self.name} does not exist (should be {desired['active']})"
        parts = [
            f"is {state[key]} (should be {desired[key]})"
            for key in ("active", "enabled")
            if key in diff.keys and key in desired
        ]
        if "stamp" in diff.keys and "active" not in diff.keys:
            parts.append("runs with an outdated configuration")
        return f"{self.name} {join_names(parts)}"

    def describe_failure(self, diff: Diff["Unit"]) -> str:
        """Describe that the unit did not start, did not stop or was not masked."""
        ends = {"masked": "was not masked", "stopped": "did not stop", "removed": "did not stop"}
        return f"{self.name} {ends.get(self.state, 'did not start')}"

    @classmethod
    def probe(cls, resources: Sequence["Unit"]) -> List[Probe[UnitState]]:
        """Return one probe for all units: systemd's properties and the stored digests."""

        def parse(reply: Reply) -> Dict[str, Observed[UnitState]]:
            """Return each unit's observed state, by resource id."""
            properties, digest_lines, held_lines, relative_lines, *_ = [*reply.out.split("==\n"), "", "", ""]
            blocks = [
                dict(line.split("=", 1) for line in block.splitlines()) for block in properties.strip().split("\n\n")
            ]
            if len(blocks) != len(resources) or not all("LoadState" in block for block in blocks):
                raise ValueError(f"{len(blocks)} units for {len(resources)} names: {reply.err.strip()}")
            digests = dict(line.split(" ", 1) for line in digest_lines.splitlines())
            held = {line.split(" ", 1)[0] for line in held_lines.splitlines()}
            relatives = [line.split() for line in relative_lines.splitlines()]
            return {
                unit.id: unit._parse_removed(block, [words[1:] for words in relatives if words[0] == unit.full_name])
                if unit.state == "removed"
                else unit._parse_state(block, digests.get(unit.full_name, "none"), unit.full_name in held)
                for unit, block in zip(resources, blocks)
            }

        removed = [unit for unit in resources if unit.state == "removed"]
        lines = "".join(" ".join(unit.full_name for unit in units) + "\n" for units in (resources, removed))
        return [Probe(Command(_PROBE_SCRIPT, stdin=lines.encode(), description="probe units"), parse)]

    def _parse_state(self, block: Mapping[str, str], digest: str, is_held: bool) -> Observed[UnitState]:
        """Return the state from systemctl's properties and what is kept on the node.

        ``digest`` is that of the last start; ``is_held``: a hold exists.
        """
        load, active = block["LoadState"], block.get("ActiveState", "")
        enabled = "held" if is_held else _enablement(block)
        if self.state == "running":
            return None if load == "not-found" else {"active": active, "enabled": enabled, "stamp": digest}
        # A unit that is not installed or has failed does not run either.
        return {"active": "inactive" if active == "failed" else active, "enabled": enabled}

    def _parse_removed(self, block: Mapping[str, str], relatives: Sequence[Sequence[str]]) -> Observed[UnitState]:
        """Return the state of a removed unit and its relatives, as one.

        ``relatives`` has what ``is-active`` and ``is-enabled`` say of each unit that starts it, or that it starts.
        """
        states = [[block.get("ActiveState", ""), block.get("UnitFileState", "")], *relatives]
        active = next((active for active, *_ in states if active not in _NOT_RUNNING), "inactive")
        starts_at_boot = any(enabled in _STARTS_AT_BOOT for _, enabled, *_ in states)
        return {"active": active, "enabled": "enabled" if starts_at_boot else "disabled"}

    @classmethod
    def fix(cls, diffs: Sequence[Diff["Unit"]]) -> List[Action]:
        """Return one command that enables all running units, and a job for each unit."""
        units = [diff.resource for diff in diffs]
        running = [unit for unit in units if unit.state == "running"]
        enable_lines = "".join(f"{unit.full_name} {'yes' if unit.enabled else 'no'}\n" for unit in running)
        enable_commands = (
            [Command(_ENABLE_SCRIPT, stdin=enable_lines.encode(), description="enable units")] if running else []
        )
        return [*enable_commands, *(unit._job() for unit in units)]

    def _job(self) -> Job:
        """Return the job that starts, stops or masks the unit."""
        verb = {"masked": "mask", "stopped": "stop", "removed": "stop and disable"}.get(self.state, "start")
        return Job(
            job_name(self.id), self._script(), timeout=self.ready_timeout + 120, description=f"{verb} {self.name}"
        )

    def _script(self) -> str:
        """Return the script of that job."""
        if self.state == "masked":
            return _MASK_SCRIPT % {"unit": quote_sh(self.full_name), "reload_flag": RELOAD_FLAG}
        if self.state == "removed":
            return _REMOVE_SCRIPT % {"unit": quote_sh(self.full_name), "digests": UNIT_DIGESTS_DIR}
        if self.state == "stopped":
            return f"systemctl stop {quote_sh(self.full_name)}"
        return start_script(
            self.full_name, self.config_digest, self.ready_script, self.ready_timeout, self.logs, self.blocked_script
        )


# Values of UnitFileState: the unit starts by itself, or nothing needs to enable it.
_ENABLED = {"enabled", "enabled-runtime", "alias", "static", "indirect", "generated"}
# Those of them where a link starts the unit at boot, which ``disable`` removes. A static or generated unit has none: it
# runs if another unit or a program starts it.
_STARTS_AT_BOOT = {"enabled", "enabled-runtime", "alias"}
# Values of ActiveState: a unit that is not installed or has failed does not run either.
_NOT_RUNNING = {"inactive", "failed", "unknown"}


def _enablement(block: Mapping[str, str]) -> str:
    """Return ``masked``, ``enabled`` or ``disabled`` from systemctl's properties."""
    if block["LoadState"] == "masked":
        return "masked"
    return "enabled" if block.get("UnitFileState", "") in _ENABLED else "disabled"
