"""Swift's rings, built once and then only extended.

``hostside/swift_rings.py`` does it on the node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict, FrozenSet, Mapping, Tuple

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Diff, IndividualResource, Observed, Phase, Probe, State, Unknown
from packstack_lite.resources.hostside_programs import (
    MODULE_MISSING,
    parse_json_object,
    python_command,
    read_program,
)


@dataclass(frozen=True)
class SwiftRings(IndividualResource[State]):
    """The account, container and object rings in a directory, holding these devices.

    ``ports`` maps a ring's name to its server's TCP port at ``ip``; ``devices`` a device's name below ``devices_root``
    to its zone. ``partition_power`` (2^power partitions) counts only when a ring is built. Other devices stay.
    """

    kind: ClassVar[str] = "rings"
    directory: str
    devices_root: str
    ip: str
    ports: Mapping[str, int] = field(default_factory=dict)
    devices: Mapping[str, int] = field(default_factory=dict)
    replicas: int = 1
    partition_power: int = 10
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    def __hash__(self) -> int:
        """Return a hash of the id, because the mappings in the fields have none."""
        return hash(self.id)

    @property
    def id(self) -> str:
        """Return ``rings:DIRECTORY``."""
        return f"rings:{self.directory}"

    @property
    def label(self) -> str:
        """Return ``Swift's rings in DIRECTORY``."""
        return f"Swift's rings in {self.directory}"

    def desired(self) -> State:
        """Return each ring's devices with their zones, its replicas, and that it is built."""
        devices = ",".join(sorted(f"{name}:{zone}" for name, zone in self.devices.items()))
        return {
            key: value
            for name in self.ports
            for key, value in (
                (f"{name} devices", devices),
                (f"{name} replicas", self.replicas),
                (f"{name} made", True),
            )
        }

    def probe_one(self) -> Probe[State]:
        """Return the probe of the rings: a run of swift_rings.py in mode "read"."""
        return Probe(self._command("read", 45, "probe Swift's rings"), self._parse)

    def fix_one(self, diff: Diff["SwiftRings"]) -> Command:
        """Return the command that builds or extends the rings on the node."""
        return self._command("write", 300, "build or extend Swift's rings")

    def _command(self, mode: str, timeout: float, description: str) -> Command:
        """Return the command that runs swift_rings.py on the node.

        ``mode`` is "read" or "write", ``timeout`` in seconds.
        """
        common = {
            "power": self.partition_power,
            "replicas": self.replicas,
            "devices": dict(self.devices),
            "ip": self.ip,
        }
        rings = {name: {**common, "port": port} for name, port in self.ports.items()}
        task = {"mode": mode, "directory": self.directory, "devices": self.devices_root, "rings": rings}
        return python_command(read_program("swift_rings.py").encode(), task, timeout, description, module="swift")

    def _parse(self, reply: Reply) -> Dict[str, Observed[State]]:
        """Return the rings' state; None without any, Unknown until Swift is installed."""
        if reply.code == MODULE_MISSING:
            return {self.id: Unknown(Phase.PACKAGES, "Swift is not installed yet")}
        states = parse_json_object(reply)
        if not any(states.values()):
            return {self.id: None}
        observed: Dict[str, object] = {}
        for name, ring in states.items():
            values = ring or {"made": False}
            if not isinstance(values, dict):
                raise ValueError(f"not a JSON object: {ring!r}")
            for key, value in values.items():
                observed[f"{name} {key}"] = ",".join(value) if isinstance(value, list) else value
        return {self.id: observed}
