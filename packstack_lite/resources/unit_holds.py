"""Holds: drop-ins that keep units from starting before they are configured.

A package enables its units, and Debian's start them: at the latest the next boot does. So each unit is held before its
package is installed, and ``resources.unit`` removes the hold in the unit's phase. ``systemctl mask`` would not do:
OpenStack's packages of Debian run ``systemctl enable``, which fails for a masked unit, and with it the installation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Sequence, Tuple, TypedDict

from packstack_lite.counts import format_count
from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Description, Diff, Observed, Phase, Probe, TypedResource, join_names
from packstack_lite.resources.shell import RELOAD_FLAG, RELOAD_IF_FLAGGED

UNIT_DIR = "/etc/systemd/system"
HOLD_FILE = "packstack-lite-hold.conf"
# hold_of UNIT: print the path of its hold. free UNIT: remove its hold, and flag units for systemd's reload.
HOLD_SH = f"""
hold_of() {{ echo "{UNIT_DIR}/$1.d/{HOLD_FILE}"; }}
free() {{
    [ -e "$(hold_of "$1")" ] || return 0
    rm -f "$(hold_of "$1")" && rmdir "{UNIT_DIR}/$1.d" 2>/dev/null
    : >{RELOAD_FLAG}
}}
"""

# One line per unit that a package may still bring: UNIT held|free. Once a unit exists, its own resource is in charge.
_PROBE_SCRIPT = (
    HOLD_SH
    + f"""
units=$(cat)
{RELOAD_IF_FLAGGED}
systemctl show --property=LoadState $units | grep '^LoadState=' | for unit in $units; do
    read -r load || exit 1
    if [ -e "$(hold_of "$unit")" ]; then echo "$unit held"
    elif [ "$load" = LoadState=not-found ]; then echo "$unit free"
    else echo "$unit exists"; fi
done
"""
)
# "/" always exists: the condition is never met. A start is then skipped, which is no error for whoever asked for it.
_HOLD_SCRIPT = (
    HOLD_SH
    + f"""
for unit in $(cat); do
    hold=$(hold_of "$unit")
    mkdir -p "${{hold%/*}}" || exit 1
    printf '%s\\n' '# Written by packstack-lite, which removes it when the unit is configured.' '[Unit]' \\
        'ConditionPathExists=!/' >"$hold.new" && mv "$hold.new" "$hold" || exit 1
done
: >{RELOAD_FLAG}
"""
)


class UnitHoldsState(TypedDict):
    """``free``: the units that could start as soon as their packages bring them."""

    free: Tuple[str, ...]


@dataclass(frozen=True)
class UnitHolds(TypedResource[UnitHoldsState]):
    """Units that cannot start when a package brings them, not at a boot either.

    ``units`` are full names. A unit that exists already is left alone: it is the user's, or was configured before.
    """

    kind: ClassVar[str] = "holds"
    units: Tuple[str, ...]
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``holds:units``."""
        return "holds:units"

    @property
    def label(self) -> str:
        """Return ``holds of units``."""
        return "holds of units"

    def desired(self) -> UnitHoldsState:
        """Return that no unit is free."""
        return {"free": ()}

    def describe(self, diff: Diff["UnitHolds"]) -> Description:
        """Describe which units are held, and until when."""
        names = self._free_units(diff)
        return Description(f"hold {format_count(len(names), 'unit')} until configured", join_names(names))

    def describe_drift(self, diff: Diff["UnitHolds"]) -> str:
        """Describe which units would start unconfigured."""
        names = self._free_units(diff)
        return f"{format_count(len(names), 'unit')} would start unconfigured once installed: {join_names(names)}"

    def _free_units(self, diff: Diff["UnitHolds"]) -> Tuple[str, ...]:
        """Return the units that the diff has as free; all if the state is unknown."""
        state = diff.state()
        return self.units if state is None else state["free"]

    @classmethod
    def probe(cls, resources: Sequence["UnitHolds"]) -> List[Probe[UnitHoldsState]]:
        """Return a probe for each resource: which of its units exist, which are held."""
        return [resource._probe() for resource in resources]

    def _probe(self) -> Probe[UnitHoldsState]:
        """Return the probe of the units and their holds."""

        def parse(reply: Reply) -> Dict[str, Observed[UnitHoldsState]]:
            """Return the units that are free."""
            states = dict(line.split(" ", 1) for line in reply.out.splitlines())
            if set(states) != set(self.units):
                raise ValueError(f"{len(states)} units for {len(self.units)} names: {reply.err.strip()}")
            return {self.id: {"free": tuple(unit for unit in self.units if states[unit] == "free")}}

        names = " ".join(self.units)
        return Probe(Command(_PROBE_SCRIPT, stdin=names.encode(), description="probe the holds of units"), parse)

    @classmethod
    def fix(cls, diffs: Sequence[Diff["UnitHolds"]]) -> List[Action]:
        """Return the command that holds the units that are free."""
        return [
            Command(_HOLD_SCRIPT, stdin=" ".join(diff.resource._free_units(diff)).encode(), description="hold units")
            for diff in diffs
        ]
