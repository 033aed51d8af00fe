"""systemd units that run with what they read as it is now."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.resources.names import job_name
from packstack_lite.resources.unread import READ, UNREAD
from packstack_lite.secret import sh

# What a unit was last started with: a digest per unit. It is removed before anything the
# unit reads is changed, so that a run killed in between restarts the unit next time.
STAMPS = "/var/lib/packstack-lite/units"

_LOOK = r"""
units=$(cat)
READ_UNITS
systemctl show --property=Id,LoadState,ActiveState,UnitFileState $units
echo ==
for unit in $units; do
    [ -f "STAMPS/$unit" ] && printf '%s %s\n' "$unit" "$(cat "STAMPS/$unit")"
done
exit 0
""".replace("STAMPS", STAMPS).replace("READ_UNITS", READ)

# Beside a unit's file Debian's packages bring a script for SysV, for which update-rc.d makes systemd read everything,
# --no-reload or not. Only a unit that is nothing but such a script needs that.
_BY_FILE = """
by_file() { SYSTEMCTL_SKIP_SYSV=1 systemctl "$@" 2>/dev/null || systemctl "$@"; }
"""

# A unit that is enabled while it runs may get another name by that, and systemd, which knows that name as one of a unit
# that is not there, then takes the running one for dead (252: OVN's databases). So all of them are, before any starts.
# Per line: UNIT, and whether it is to be enabled.
_ENABLE = (
    _BY_FILE
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
    % {"unread": UNREAD, "read": READ}
)

_START = r"""
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

_MASK = (
    _BY_FILE
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
    watches: Tuple[Resource, ...] = ()
    state: str = "running"
    enabled: bool = True
    ready: str = "true"
    ready_timeout: int = 120
    logs: Tuple[str, ...] = ()
    phase: Phase = Phase.SERVICES
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"unit:{self.name}"

    @property
    def unit(self) -> str:
        """The full name, ``.service`` unless it says otherwise."""
        return self.name if "." in self.name.rsplit("@", 1)[-1] else f"{self.name}.service"

    @property
    def reads(self) -> Tuple[str, ...]:
        return tuple(watched.id for watched in self.watches)

    @property
    def stamp(self) -> str:
        """A digest of everything the unit reads, as it is wanted."""
        wanted = [[watched.id, dict(watched.want() or {})] for watched in self.watches]
        return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:32]

    def forget(self) -> Optional[Command]:
        return Command(f"rm -f {sh(f'{STAMPS}/{self.unit}')}", says=f"mark {self.name} for a restart")

    def want(self) -> Optional[State]:
        if self.state == "masked":
            return {"enabled": "masked", "active": "inactive"}
        if self.state == "stopped":
            return {"active": "inactive"}
        wanted = {"active": "active", "stamp": self.stamp}
        return {**wanted, "enabled": "enabled"} if self.enabled else wanted

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        units = cast("Sequence[Unit]", group)

        def parse(reply: Reply) -> Dict[str, Seen]:
            shown, _, stamps = reply.out.partition("==\n")
            blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.strip().split("\n\n")]
            if len(blocks) != len(units) or not all("LoadState" in block for block in blocks):
                raise ValueError(f"systemd tells of {len(blocks)} units, not of {len(units)}: {reply.err.strip()}")
            stamped = dict(line.split(" ", 1) for line in stamps.splitlines())
            return {unit.id: unit._seen(block, stamped.get(unit.unit, "none")) for unit, block in zip(units, blocks)}

        names = " ".join(unit.unit for unit in units)
        return [Look(Command(_LOOK, stdin=names.encode(), says="look at units"), parse)]

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        units = [cast(Unit, gap.resource) for gap in gaps]
        running = [unit for unit in units if unit.state == "running"]
        enable = "".join(f"{unit.unit} {'yes' if unit.enabled else 'no'}\n" for unit in running)
        first = [Command(_ENABLE, stdin=enable.encode(), says="enable units")] if running else []
        return [*first, *(unit._job() for unit in units)]

    def _job(self) -> Job:
        says = {"masked": "mask", "stopped": "stop"}.get(self.state, "start")
        return Job(job_name(self.id), self._script(), timeout=self.ready_timeout + 120, says=f"{says} {self.name}")

    def _script(self) -> str:
        if self.state == "masked":
            return _MASK % {"unit": sh(self.unit), "unread": UNREAD}
        if self.state == "stopped":
            return f"systemctl stop {sh(self.unit)}"
        return _START % {
            "unit": sh(self.unit),
            "ready": self.ready,
            "seconds": self.ready_timeout,
            "stamps": STAMPS,
            "stamp": self.stamp,
            "logs": " ".join(map(sh, self.logs)),
        }

    def _seen(self, block: Dict[str, str], stamp: str) -> Seen:
        load, active = block["LoadState"], block.get("ActiveState", "")
        if self.state == "running":
            return None if load == "not-found" else {"active": active, "enabled": _enabled(block), "stamp": stamp}
        # What is not installed, or has failed, does not run either.
        return {"active": "inactive" if active == "failed" else active, "enabled": _enabled(block)}


# systemd's words for units that start by themselves, or that nothing needs to enable.
_ENABLED = {"enabled", "enabled-runtime", "alias", "static", "indirect", "generated"}


def _enabled(block: Dict[str, str]) -> str:
    if block["LoadState"] == "masked":
        return "masked"
    return "enabled" if block.get("UnitFileState", "") in _ENABLED else "disabled"
