"""systemd units that run with what they read as it is now."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.daemon_reload import RELOAD_FLAG, RELOAD_IF_FLAGGED
from packstack_lite.resources.job_names import job_name
from packstack_lite.secret import quote_sh

# What a unit was last started with: a digest per unit. It is removed before anything the
# unit reads is changed, so that a run killed in between restarts the unit next time.
DIGESTS_DIR = "/var/lib/packstack-lite/units"

_PROBE_SCRIPT = r"""
units=$(cat)
READ_UNITS
systemctl show --property=Id,LoadState,ActiveState,UnitFileState $units
echo ==
for unit in $units; do
    [ -f "STAMPS/$unit" ] && printf '%s %s\n' "$unit" "$(cat "STAMPS/$unit")"
done
exit 0
""".replace("STAMPS", DIGESTS_DIR).replace("READ_UNITS", RELOAD_IF_FLAGGED)

# Beside a unit's file Debian's packages bring a script for SysV, for which update-rc.d makes systemd read everything,
# --no-reload or not. Only a unit that is nothing but such a script needs that.
_SKIP_SYSV_SH = """
by_file() { SYSTEMCTL_SKIP_SYSV=1 systemctl "$@" 2>/dev/null || systemctl "$@"; }
"""

# A unit that is enabled while it runs may get another name by that, and systemd, which knows that name as one of a unit
# that is not there, then takes the running one for dead (252: OVN's databases). So all of them are, before any starts.
# Per line: UNIT, and whether it is to be enabled.
_ENABLE_SCRIPT = (
    _SKIP_SYSV_SH
    + r"""
units= enable=
while read -r unit wanted; do
    units="$units $unit"
    enable="$enable $wanted"
done
systemctl show --property=LoadState,NeedDaemonReload $units |
    awk -v units="$units" -v enable="$enable" '
        BEGIN {RS = ""; split(units, unit, " "); split(enable, wanted, " ")}
        {load = "read"}
        /NeedDaemonReload=yes|LoadState=not-found/ {load = "unread"}
        /LoadState=masked/ {load = "masked"}
        {print unit[NR], load, wanted[NR]}' |
    while read -r unit load wanted; do
        [ $load = read ] || : >%(unread)s
        [ $load != masked ] || systemctl unmask --quiet --no-reload "$unit"
        [ $wanted = no ] || systemctl is-enabled --quiet "$unit" 2>/dev/null ||
            { by_file enable --quiet --no-reload "$unit" && : >%(unread)s; }
    done
%(read)s
"""
    % {"unread": RELOAD_FLAG, "read": RELOAD_IF_FLAGGED}
)

_START_SCRIPT = r"""
set -u
unit=%(unit)s
systemctl reset-failed "$unit" 2>/dev/null
tell() {
    echo "$unit $1" >&2
    systemctl status --no-pager --lines=0 "$unit" 2>&1 | head -n 6 >&2
    journalctl --no-pager -q -n 15 -u "$unit" >&2
    for log in %(logs)s; do [ -f "$log" ] && { echo "last lines of $log:" >&2; tail -n 15 "$log" >&2; }; done
    exit 1
}
systemctl restart "$unit" || tell "did not start"
end=$(($(date +%%s) + %(seconds)d))
until ( %(ready)s
) >/dev/null 2>&1; do
    systemctl is-failed -q "$unit" && tell "failed after its start"
    [ "$(date +%%s)" -ge $end ] && tell "is not ready after %(seconds)d seconds"
    sleep 0.3
done
mkdir -p -m 0700 %(stamps)s && echo %(stamp)s > "%(stamps)s/$unit"
"""

_MASK_SCRIPT = (
    _SKIP_SYSV_SH
    + r"""
unit=%(unit)s
by_file disable --no-reload --now "$unit" 2>/dev/null
systemctl mask --no-reload "$unit" && : >%(unread)s
"""
)


@dataclass(frozen=True)
class Unit(Resource):
    """A unit that runs (or is stopped, or masked), is enabled, and has read what it watches.

    ``ready`` is a piece of sh that succeeds once the unit does its work; ``logs`` are files
    whose end is shown when it does not get there within ``ready_timeout`` seconds.
    """

    kind: ClassVar[str] = "unit"
    name: str
    restart_triggers: Tuple[Resource, ...] = ()
    state: str = "running"
    enabled: bool = True
    ready_script: str = "true"
    ready_timeout: int = 120
    logs: Tuple[str, ...] = ()
    phase: Phase = Phase.SERVICES
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"unit:{self.name}"

    @property
    def full_name(self) -> str:
        """The full name, ``.service`` unless it says otherwise."""
        return self.name if "." in self.name.rsplit("@", 1)[-1] else f"{self.name}.service"

    @property
    def trigger_ids(self) -> Tuple[str, ...]:
        return tuple(trigger.id for trigger in self.restart_triggers)

    @property
    def config_digest(self) -> str:
        """A digest of everything the unit reads, as it is wanted."""
        desired = [[trigger.id, dict(trigger.desired() or {})] for trigger in self.restart_triggers]
        return hashlib.sha256(json.dumps(desired, sort_keys=True).encode()).hexdigest()[:32]

    def invalidate(self) -> Optional[Command]:
        return Command(
            f"rm -f {quote_sh(f'{DIGESTS_DIR}/{self.full_name}')}", description=f"mark {self.name} for a restart"
        )

    def desired(self) -> Optional[State]:
        if self.state == "masked":
            return {"enabled": "masked", "active": "inactive"}
        if self.state == "stopped":
            return {"active": "inactive"}
        desired = {"active": "active", "stamp": self.config_digest}
        return {**desired, "enabled": "enabled"} if self.enabled else desired

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        units = cast("Sequence[Unit]", resources)

        def parse(reply: Reply) -> Dict[str, Observed]:
            properties, _, digest_lines = reply.out.partition("==\n")
            blocks = [
                dict(line.split("=", 1) for line in block.splitlines()) for block in properties.strip().split("\n\n")
            ]
            if len(blocks) != len(units) or not all("LoadState" in block for block in blocks):
                raise ValueError(f"systemd tells of {len(blocks)} units, not of {len(units)}: {reply.err.strip()}")
            digests = dict(line.split(" ", 1) for line in digest_lines.splitlines())
            return {
                unit.id: unit._observed(block, digests.get(unit.full_name, "none"))
                for unit, block in zip(units, blocks)
            }

        names = " ".join(unit.full_name for unit in units)
        return [Probe(Command(_PROBE_SCRIPT, stdin=names.encode(), description="look at units"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        units = [cast(Unit, diff.resource) for diff in diffs]
        running = [unit for unit in units if unit.state == "running"]
        enable_lines = "".join(f"{unit.full_name} {'yes' if unit.enabled else 'no'}\n" for unit in running)
        enable_commands = (
            [Command(_ENABLE_SCRIPT, stdin=enable_lines.encode(), description="enable units")] if running else []
        )
        return [*enable_commands, *(unit._job() for unit in units)]

    def _job(self) -> Job:
        verb = {"masked": "mask", "stopped": "stop"}.get(self.state, "start")
        return Job(
            job_name(self.id), self._script(), timeout=self.ready_timeout + 120, description=f"{verb} {self.name}"
        )

    def _script(self) -> str:
        if self.state == "masked":
            return _MASK_SCRIPT % {"unit": quote_sh(self.full_name), "unread": RELOAD_FLAG}
        if self.state == "stopped":
            return f"systemctl stop {quote_sh(self.full_name)}"
        return _START_SCRIPT % {
            "unit": quote_sh(self.full_name),
            "ready": self.ready_script,
            "seconds": self.ready_timeout,
            "stamps": DIGESTS_DIR,
            "stamp": self.config_digest,
            "logs": " ".join(map(quote_sh, self.logs)),
        }

    def _observed(self, block: Dict[str, str], digest: str) -> Observed:
        load, active = block["LoadState"], block.get("ActiveState", "")
        if self.state == "running":
            return None if load == "not-found" else {"active": active, "enabled": _enablement(block), "stamp": digest}
        # What is not installed, or has failed, does not run either.
        return {"active": "inactive" if active == "failed" else active, "enabled": _enablement(block)}


# systemd's words for units that start by themselves, or that nothing needs to enable.
_ENABLED = {"enabled", "enabled-runtime", "alias", "static", "indirect", "generated"}


def _enablement(block: Dict[str, str]) -> str:
    if block["LoadState"] == "masked":
        return "masked"
    return "enabled" if block.get("UnitFileState", "") in _ENABLED else "disabled"
