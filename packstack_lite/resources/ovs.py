"""Settings of Open vSwitch itself, in its own database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State, Unknown
from packstack_lite.secret import quote_ovs, quote_sh

OVS_NOT_RUNNING = Unknown(Phase.PLATFORM, "Open vSwitch does not run")
_REQUIRE_OVS = "command -v ovs-vsctl >/dev/null && ovs-vsctl --timeout=5 --no-wait show >/dev/null 2>&1 || exit 75"


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

    def desired(self) -> Optional[State]:
        return {"value": self.value}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        """All of them in one command: each starts a program on the host."""
        settings = cast("Sequence[OvsSetting]", resources)
        arguments = " ".join(f"-- --if-exists get {setting.table} . {quote_sh(setting.column)}" for setting in settings)

        def parse(reply: Reply) -> Dict[str, Observed]:
            if reply.code == 75:
                return {setting.id: OVS_NOT_RUNNING for setting in settings}
            lines = reply.out.splitlines()
            if not reply.ok or len(lines) != len(settings):
                raise ValueError(f"exit {reply.code}, {len(lines)} of {len(settings)} values: {reply.err.strip()}")
            return {setting.id: _parse_value(line) for setting, line in zip(settings, lines)}

        return [
            Probe(
                Command(
                    f"{_REQUIRE_OVS}\novs-vsctl --no-wait {arguments}", description="look at Open vSwitch settings"
                ),
                parse,
            )
        ]

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(OvsSetting, diff.resource)._command() for diff in diffs]

    def _command(self) -> Command:
        # In double quotes it is a string, whatever it holds.
        pair = quote_sh(f'{self.column}="{quote_ovs(self.value)}"')
        return Command(f"ovs-vsctl --timeout=10 --no-wait set {self.table} . {pair}", description=f"set {self.column}")


def _parse_value(line: str) -> Observed:
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

    def desired(self) -> Optional[State]:
        return {"listens": True}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(OvsManager, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            if reply.code == 75:
                return {self.id: OVS_NOT_RUNNING}
            if not reply.ok:
                raise ValueError(f"exit {reply.code}: {reply.err.strip()}")
            return {self.id: {"listens": True} if self.target in reply.out.split() else None}

        return Probe(
            Command(f"{_REQUIRE_OVS}\novs-vsctl --no-wait get-manager", description="look at Open vSwitch managers"),
            parse,
        )

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(OvsManager, diff.resource)._command() for diff in diffs]

    def _command(self) -> Command:
        # Added, not set: set-manager would take away those of others.
        target = quote_sh(f'target="{quote_ovs(self.target)}"')
        make = f"--id=@m create Manager {target} -- add Open_vSwitch . manager_options @m"
        return Command(
            f"ovs-vsctl --timeout=10 --no-wait -- {make}", description=f"let the switch listen on {self.target}"
        )
