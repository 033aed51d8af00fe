"""Swift's rings: built once, then only extended."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources as package_files
from typing import Any, ClassVar, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.api_object import python_command
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State, Unknown


@dataclass(frozen=True)
class SwiftRings(Resource):
    """The account, container and object rings of a directory, holding these devices.

    ``ports`` maps a ring's name to its server's TCP port at ``ip``, ``devices`` a device's
    name below ``root`` to its zone. ``power`` (2^power partitions) counts only when a ring is
    made; devices that are in a ring besides stay there.
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
        return hash(self.id)

    @property
    def id(self) -> str:
        return f"rings:{self.directory}"

    def desired(self) -> Optional[State]:
        ring = (",".join(sorted(f"{name}:{zone}" for name, zone in self.devices.items())), self.replicas)
        return {
            key: value
            for name in self.ports
            for key, value in ((f"{name} devices", ring[0]), (f"{name} replicas", ring[1]), (f"{name} made", True))
        }

    def _command(self, mode: str, timeout: float) -> Command:
        common = {
            "power": self.partition_power,
            "replicas": self.replicas,
            "devices": dict(self.devices),
            "ip": self.ip,
        }
        rings = {name: {**common, "port": port} for name, port in self.ports.items()}
        task = {"mode": mode, "directory": self.directory, "devices": self.devices_root, "rings": rings}
        source = (package_files.files("packstack_lite.resources") / "hostside" / "swift_rings.py").read_bytes()
        description = "look at Swift's rings" if mode == "read" else "build or extend Swift's rings"
        return python_command(source, task, timeout, description, module="swift")

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [Probe(rings._command("read", 45), rings._parse) for rings in cast("Sequence[SwiftRings]", resources)]

    def _parse(self, reply: Reply) -> Dict[str, Observed]:
        if reply.code == 75:
            return {self.id: Unknown(Phase.PACKAGES, "Swift is not installed yet")}
        if not reply.ok:
            raise ValueError(f"exit {reply.code}: {reply.err.strip()[-500:]}")
        states: Dict[str, Any] = json.loads(reply.out)
        if not any(states.values()):
            return {self.id: None}
        observed = {
            f"{name} {key}": ",".join(value) if isinstance(value, list) else value
            for name, ring in states.items()
            for key, value in (ring or {"made": False}).items()
        }
        return {self.id: observed}

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(SwiftRings, diff.resource)._command("write", 300) for diff in diffs]
