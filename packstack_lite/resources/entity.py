"""Things in OpenStack's APIs, read and written by one program on the host per look or close."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources as package_files
from typing import Any, ClassVar, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Scalar, Seen, State, Unknown
from packstack_lite.secret import Secret

# The program and its input share one stdin: nothing stays on the host, nothing shows in argv.
_RUN = r"""
for python in python3 python2 python ''; do
    [ -n "$python" ] || exit 75
    command -v $python >/dev/null && $python -c 'import MODULE' 2>/dev/null && break
done
exec $python -c 'import sys
source = getattr(sys.stdin, "buffer", sys.stdin)
exec(compile(source.read(int(source.readline())), "cloud_api", "exec"))'
"""


@dataclass(frozen=True)
class Credentials:
    """Who asks: an account that may do everything, and where Keystone is."""

    auth_url: str
    user: str
    password: Secret
    project: str
    region: str

    def told(self) -> Dict[str, str]:
        """For the program's standard input; holds the password."""
        return {
            "auth_url": self.auth_url,
            "user": self.user,
            "password": self.password.reveal(),
            "project": self.project,
            "region": self.region,
        }


def program() -> bytes:
    """The host-side program's source."""
    return (package_files.files("packstack_lite.resources") / "hostside" / "cloud_api.py").read_bytes()


def hostside(
    source: bytes, task: Mapping[str, Any], timeout: float, says: str, module: str = "keystoneauth1"
) -> Command:
    """A command that runs a Python program on the host with a task as JSON on its standard input.

    The Python is one that has ``module``; without any the reply is 75.
    """
    payload = b"%d\n" % len(source) + source + json.dumps(task).encode()
    return Command(_RUN.replace("MODULE", module), stdin=payload, timeout=timeout, says=says, slow=True)


@dataclass(frozen=True)
class Entity(Resource):
    """A thing in an API: ``type`` says which (see cloud_api.py), ``body`` what it shall be.

    ``parents`` name other entities (``project``, ``network``, ...), ``secrets`` hold what must
    not be seen. The wanted state is the body, with lists and mappings as sorted JSON.
    """

    kind: ClassVar[str] = "entity"
    type: str
    name: str
    api: Credentials
    body: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    phase: Phase = Phase.CATALOG
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def id(self) -> str:
        return f"{self.type}:{self.name}"

    def want(self) -> Optional[State]:
        wanted = {key: _scalar(value) for key, value in self.body.items() if key != "source"}
        return {**wanted, **dict.fromkeys(self.secrets, "as answered"), "exists": True}

    def _told(self) -> Dict[str, Any]:
        secrets = {key: secret.reveal() for key, secret in self.secrets.items()}
        told = {"id": self.id, "type": self.type, "name": self.name, "body": dict(self.body)}
        return {**told, "secrets": secrets, "parents": dict(self.parents)}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        entities = cast("Sequence[Entity]", group)

        def parse(reply: Reply) -> Dict[str, Seen]:
            if reply.code in (75, 124):
                why = "the APIs do not answer" if reply.code == 124 else ""
                return {entity.id: _not_yet(entity, why) for entity in entities}
            told = _json(reply)
            if set(told) != {entity.id for entity in entities}:
                raise ValueError(f"it tells of {len(told)} things, not of {len(entities)}")
            return {entity.id: _seen(entity, told[entity.id]) for entity in entities}

        return [Look(_command(entities, "read", 45, "look at what the APIs hold"), parse)]

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        entities = [cast(Entity, gap.resource) for gap in gaps]
        return [_command(entities, "write", 1800, f"make {len(entities)} things through the APIs")]


def _command(entities: Sequence[Entity], mode: str, timeout: float, says: str) -> Command:
    task = {"mode": mode, "api": entities[0].api.told(), "wants": [entity._told() for entity in entities]}
    return hostside(program(), task, timeout, says)


def _json(reply: Reply) -> Dict[str, Any]:
    if not reply.ok:
        raise ValueError(f"exit {reply.code}: {reply.err.strip()[-1500:]}")
    told = json.loads(reply.out)
    if not isinstance(told, dict):
        raise ValueError(f"not a JSON object: {reply.out[:200]!r}")
    return told


def _not_yet(entity: Entity, why: str) -> Unknown:
    # Keystone itself comes up with the schema; everything else answers after Services.
    return Unknown(Phase.SCHEMA if entity.phase is Phase.CATALOG else Phase.SERVICES, why)


def _seen(entity: Entity, told: Optional[Dict[str, Any]]) -> Seen:
    if told is None:
        return None
    if "unknown" in told:
        return _not_yet(entity, str(told["unknown"]))
    return {key: _scalar(value) for key, value in told.items()}


def _scalar(value: Any) -> Scalar:
    """Mappings and lists as JSON, in an order of their own: the APIs do not keep that of lists."""
    if isinstance(value, (list, tuple)):
        return json.dumps(sorted(value, key=lambda item: json.dumps(item, sort_keys=True)), sort_keys=True)
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else cast(Scalar, value)
