"""Kernel settings as they are in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Mapping, Tuple

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe
from packstack_lite.secret import quote_sh

SysctlState = Mapping[str, str]
"""Values by name of the setting; "absent" where the kernel does not have it."""


@dataclass(frozen=True)
class Sysctl(IndividualResource[SysctlState]):
    """Settings in force now. A File in /etc/sysctl.d keeps them over a reboot."""

    kind: ClassVar[str] = "sysctl"
    settings: Tuple[Tuple[str, str], ...]
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``sysctl:`` and the names of the settings, joined by commas."""
        return "sysctl:" + ",".join(name for name, _ in self.settings)

    @property
    def label(self) -> str:
        """Return ``kernel settings``."""
        return "kernel settings"

    def desired(self) -> SysctlState:
        """Return the settings' values by name."""
        return dict(self.settings)

    def describe(self, diff: Diff["Sysctl"]) -> Description:
        """Describe the settings that differ, with new and old values."""
        state = diff.state() or {}
        changes = [f"{name} = {value}" for name, value in self.settings if name in diff.keys]
        old_values = [state[name] for name, _ in self.settings if name in diff.keys and name in state]
        return Description(f"set {', '.join(changes)}", f"was {', '.join(old_values)}" if old_values else "")

    def probe_one(self) -> Probe[SysctlState]:
        """Return the probe that prints the settings' values from /proc/sys."""
        names = [name for name, _ in self.settings]
        script = "".join(f"cat /proc/sys/{name.replace('.', '/')} 2>/dev/null || echo absent\n" for name in names)

        def parse(reply: Reply) -> Dict[str, Observed[SysctlState]]:
            """Return the values by name, "absent" for a setting that the kernel lacks."""
            values = [" ".join(line.split()) for line in reply.out.splitlines()]
            if len(values) != len(names):
                raise ValueError(f"{len(values)} values for {len(names)} settings: {reply.out!r}")
            return {self.id: dict(zip(names, values))}

        return Probe(Command(script, description="probe kernel settings"), parse)

    def fix_one(self, diff: Diff["Sysctl"]) -> Command:
        """Return the command that sets all values in the running kernel."""
        lines = [f"sysctl -q -w {quote_sh(f'{name}={value}')} || exit 1\n" for name, value in self.settings]
        return Command("".join(lines), description="set kernel settings")
