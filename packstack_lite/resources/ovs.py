"""Settings of Open vSwitch, in its own database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, TypedDict

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import (
    Description,
    Diff,
    IndividualResource,
    Observed,
    Phase,
    Probe,
    TypedResource,
    Unknown,
)
from packstack_lite.resources.shell import require_ok
from packstack_lite.secret import quote_ovs, quote_sh

OVS_NOT_RUNNING = Unknown(Phase.PLATFORM, "Open vSwitch does not run")
_REQUIRE_OVS = "command -v ovs-vsctl >/dev/null && ovs-vsctl --timeout=5 --no-wait show >/dev/null 2>&1 || exit 75"


class OvsSettingState(TypedDict):
    """The setting's value; a setting that is not set has no state."""

    value: str


@dataclass(frozen=True)
class OvsSetting(TypedResource[OvsSettingState]):
    """A setting of Open vSwitch; an empty ``value`` means that it shall not be set.

    Some have to be set before ovs-vswitchd starts: order by ``needs``.
    """

    kind: ClassVar[str] = "ovs_setting"
    column: str
    value: str
    table: str = "Open_vSwitch"
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``ovs_setting:COLUMN``."""
        return f"ovs_setting:{self.column}"

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return ``ovs_setting:COLUMN`` of a setting of the switch itself."""
        return (self.id,) if self.table == "Open_vSwitch" and self.value else ()

    @property
    def label(self) -> str:
        """Return ``Open vSwitch's COLUMN``."""
        return f"Open vSwitch's {self.column}"

    def desired(self) -> Optional[OvsSettingState]:
        """Return the setting's value; None if it shall not be set."""
        return {"value": self.value} if self.value else None

    def describe(self, diff: Diff["OvsSetting"]) -> Description:
        """Describe the setting's new value and its old one."""
        state = diff.state()
        if not self.value:
            return Description(f"unset {self.label}", f"was {state['value']}" if state else "")
        return Description(f"set {self.label} to {self.value}", f"was {state['value']}" if state else "")

    @classmethod
    def probe(cls, resources: Sequence["OvsSetting"]) -> List[Probe[OvsSettingState]]:
        """Return one probe for all settings: a single call of ovs-vsctl reads them."""
        arguments = " ".join(
            f"-- --if-exists get {setting.table} . {quote_sh(setting.column)}" for setting in resources
        )

        def parse(reply: Reply) -> Dict[str, Observed[OvsSettingState]]:
            """Return each setting's value, by resource id; Unknown without Open vSwitch."""
            if reply.code == 75:
                return {setting.id: OVS_NOT_RUNNING for setting in resources}
            lines = reply.out.splitlines()
            require_ok(reply, len(lines) == len(resources))
            return {setting.id: _parse_value(line) for setting, line in zip(resources, lines)}

        script = f"{_REQUIRE_OVS}\novs-vsctl --no-wait {arguments}"
        return [Probe(Command(script, description="probe Open vSwitch settings"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff["OvsSetting"]]) -> List[Action]:
        """Return a command for each setting."""
        return [diff.resource._set_command() for diff in diffs]

    def _set_command(self) -> Command:
        """Return the command that sets the value, as a string in the OVS database.

        An empty value removes the setting.
        """
        if not self.value:
            map_column, _, key = self.column.partition(":")
            script = f"ovs-vsctl --timeout=10 --no-wait remove {self.table} . {map_column} {quote_sh(key)}"
            return Command(script, description=f"unset {self.column}")
        # In double quotes any value is a string.
        pair = quote_sh(f'{self.column}="{quote_ovs(self.value)}"')
        return Command(f"ovs-vsctl --timeout=10 --no-wait set {self.table} . {pair}", description=f"set {self.column}")


def _parse_value(line: str) -> Observed[OvsSettingState]:
    """Return a setting's value without quotation marks; None for an empty one."""
    value = line.strip().strip('"')
    return {"value": value} if value else None


class OvsManagerState(TypedDict):
    """The database listens; a target it does not listen on has no state."""

    listens: bool


@dataclass(frozen=True)
class OvsManager(IndividualResource[OvsManagerState]):
    """A further address that Open vSwitch's database listens on.

    ``target`` is like ``ptcp:6640:127.0.0.1``.
    """

    kind: ClassVar[str] = "ovs_manager"
    target: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``ovs_manager:TARGET``, such as ``ovs_manager:ptcp:6640:127.0.0.1``."""
        return f"ovs_manager:{self.target}"

    @property
    def label(self) -> str:
        """Return ``Open vSwitch manager TARGET``."""
        return f"Open vSwitch manager {self.target}"

    def desired(self) -> OvsManagerState:
        """Return that the database listens on the target."""
        return {"listens": True}

    def probe_one(self) -> Probe[OvsManagerState]:
        """Return the probe that lists the targets of all managers."""

        def parse(reply: Reply) -> Dict[str, Observed[OvsManagerState]]:
            """Return that the target is listed, None if not, Unknown without Open vSwitch."""
            if reply.code == 75:
                return {self.id: OVS_NOT_RUNNING}
            require_ok(reply)
            return {self.id: {"listens": True} if self.target in reply.out.split() else None}

        script = f"{_REQUIRE_OVS}\novs-vsctl --no-wait get-manager"
        return Probe(Command(script, description="probe Open vSwitch managers"), parse)

    def fix_one(self, diff: Diff["OvsManager"]) -> Command:
        """Return the command that adds the manager and keeps those of others."""
        # Added, not set: set-manager would remove the managers of others.
        target = quote_sh(f'target="{quote_ovs(self.target)}"')
        make = f"--id=@m create Manager {target} -- add Open_vSwitch . manager_options @m"
        return Command(
            f"ovs-vsctl --timeout=10 --no-wait -- {make}", description=f"let Open vSwitch listen on {self.target}"
        )
