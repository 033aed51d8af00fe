"""Kernel settings, as they are in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.secret import sh


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

    def want(self) -> Optional[State]:
        return dict(self.settings)

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(Sysctl, member)._look() for member in group]

    def _look(self) -> Look:
        names = [name for name, _ in self.settings]
        script = "".join(f"cat /proc/sys/{name.replace('.', '/')} 2>/dev/null || echo absent\n" for name in names)

        def parse(reply: Reply) -> Dict[str, Seen]:
            values = [" ".join(line.split()) for line in reply.out.splitlines()]
            if len(values) != len(names):
                raise ValueError(f"{len(values)} values for {len(names)} settings: {reply.out!r}")
            return {self.id: dict(zip(names, values))}

        return Look(Command(script, says="look at kernel settings"), parse)

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Sysctl, gap.resource)._command() for gap in gaps]

    def _command(self) -> Command:
        lines = [f"sysctl -q -w {sh(f'{name}={value}')} || exit 1\n" for name, value in self.settings]
        return Command("".join(lines), says="set kernel settings")
