"""Kernel settings, as they are in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.secret import quote_sh


@dataclass(frozen=True)
class Sysctl(Resource):
    """Settings in force now; a File in /etc/sysctl.d keeps them over a reboot."""

    kind: ClassVar[str] = "sysctl"
    settings: Tuple[Tuple[str, str], ...]
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return "sysctl:" + ",".join(name for name, _ in self.settings)

    def desired(self) -> Optional[State]:
        return dict(self.settings)

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(Sysctl, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        names = [name for name, _ in self.settings]
        script = "".join(f"cat /proc/sys/{name.replace('.', '/')} 2>/dev/null || echo absent\n" for name in names)

        def parse(reply: Reply) -> Dict[str, Observed]:
            values = [" ".join(line.split()) for line in reply.out.splitlines()]
            if len(values) != len(names):
                raise ValueError(f"{len(values)} values for {len(names)} settings: {reply.out!r}")
            return {self.id: dict(zip(names, values))}

        return Probe(Command(script, description="look at kernel settings"), parse)

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(Sysctl, diff.resource)._command() for diff in diffs]

    def _command(self) -> Command:
        lines = [f"sysctl -q -w {quote_sh(f'{name}={value}')} || exit 1\n" for name, value in self.settings]
        return Command("".join(lines), description="set kernel settings")
