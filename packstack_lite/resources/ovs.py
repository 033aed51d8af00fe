"""Settings of Open vSwitch itself, in its own database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State, Unknown
from packstack_lite.secret import sh

NO_SWITCH = Unknown(Phase.PLATFORM, "Open vSwitch does not run")
_RUNS = "command -v ovs-vsctl >/dev/null && ovs-vsctl --timeout=5 --no-wait show >/dev/null 2>&1 || exit 75"


@dataclass(frozen=True)
class OvsSetting(Resource):
    """A setting of the switch itself. Some must stand before ovs-vswitchd starts: order by needs."""

    kind: ClassVar[str] = "ovs_setting"
    column: str
    value: str
    table: str = "Open_vSwitch"
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"ovs_setting:{self.column}"

    def want(self) -> Optional[State]:
        return {"value": self.value}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        """All of them in one command: each starts a program on the host."""
        settings = cast("Sequence[OvsSetting]", group)
        asked = " ".join(f"-- --if-exists get {setting.table} . {sh(setting.column)}" for setting in settings)

        def parse(reply: Reply) -> Dict[str, Seen]:
            if reply.code == 75:
                return {setting.id: NO_SWITCH for setting in settings}
            lines = reply.out.splitlines()
            if not reply.ok or len(lines) != len(settings):
                raise ValueError(f"exit {reply.code}, {len(lines)} of {len(settings)} values: {reply.err.strip()}")
            return {setting.id: _value(line) for setting, line in zip(settings, lines)}

        return [Look(Command(f"{_RUNS}\novs-vsctl --no-wait {asked}", says="look at Open vSwitch settings"), parse)]

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(OvsSetting, gap.resource)._command() for gap in gaps]

    def _command(self) -> Command:
        # In double quotes it is a string, whatever it holds.
        pair = sh(f'{self.column}="{self.value}"')
        return Command(f"ovs-vsctl --timeout=10 --no-wait set {self.table} . {pair}", says=f"set {self.column}")


def _value(line: str) -> Seen:
    value = line.strip().strip('"')
    return {"value": value} if value else None


@dataclass(frozen=True)
class OvsManager(Resource):
    """Where the switch's database listens besides its socket, such as ``ptcp:6640:127.0.0.1``."""

    kind: ClassVar[str] = "ovs_manager"
    target: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"ovs_manager:{self.target}"

    def want(self) -> Optional[State]:
        return {"listens": True}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(OvsManager, member)._look() for member in group]

    def _look(self) -> Look:
        def parse(reply: Reply) -> Dict[str, Seen]:
            if reply.code == 75:
                return {self.id: NO_SWITCH}
            if not reply.ok:
                raise ValueError(f"exit {reply.code}: {reply.err.strip()}")
            return {self.id: {"listens": True} if self.target in reply.out.split() else None}

        return Look(Command(f"{_RUNS}\novs-vsctl --no-wait get-manager", says="look at Open vSwitch managers"), parse)

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(OvsManager, gap.resource)._command() for gap in gaps]

    def _command(self) -> Command:
        # Added, not set: set-manager would take away those of others.
        target = sh(f'target="{self.target}"')
        make = f"--id=@m create Manager {target} -- add Open_vSwitch . manager_options @m"
        return Command(f"ovs-vsctl --timeout=10 --no-wait -- {make}", says=f"let the switch listen on {self.target}")
