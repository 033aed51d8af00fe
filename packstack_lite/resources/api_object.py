"""Things in OpenStack's APIs, read and written by one program on the host per look or close."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources as package_files
from typing import Any, ClassVar, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, Scalar, State, Unknown
from packstack_lite.secret import Secret

# The program and its input share one stdin: nothing stays on the host, nothing shows in argv.
_RUN_PYTHON = r"""
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

    def to_dict(self) -> Dict[str, str]:
        """For the program's standard input; holds the password."""
        return {
            "auth_url": self.auth_url,
            "user": self.user,
            "password": self.password.reveal(),
            "project": self.project,
            "region": self.region,
        }


def cloud_api_source() -> bytes:
    """The host-side program's source."""
    return (package_files.files("packstack_lite.resources") / "hostside" / "cloud_api.py").read_bytes()


def python_command(
    source: bytes, task: Mapping[str, Any], timeout: float, description: str, module: str = "keystoneauth1"
) -> Command:
    """A command that runs a Python program on the host with a task as JSON on its standard input.

    The Python is one that has ``module``; without any the reply is 75.
    """
    payload = b"%d\n" % len(source) + source + json.dumps(task).encode()
    return Command(
        _RUN_PYTHON.replace("MODULE", module), stdin=payload, timeout=timeout, description=description, concurrent=True
    )


@dataclass(frozen=True)
class ApiObject(Resource):
    """A thing in an API: ``type`` says which (see cloud_api.py), ``body`` what it shall be.

    ``parents`` name other entities (``project``, ``network``, ...), ``secrets`` hold what must
    not be seen. The wanted state is the body, with lists and mappings as sorted JSON.
    """

    kind: ClassVar[str] = "entity"
    type: str
    name: str
    credentials: Credentials
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

    def desired(self) -> Optional[State]:
        desired = {key: _scalar(value) for key, value in self.body.items() if key != "source"}
        return {**desired, **dict.fromkeys(self.secrets, "as answered"), "exists": True}

    def _task_item(self) -> Dict[str, Any]:
        secrets = {key: secret.reveal() for key, secret in self.secrets.items()}
        item = {"id": self.id, "type": self.type, "name": self.name, "body": dict(self.body)}
        return {**item, "secrets": secrets, "parents": dict(self.parents)}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        objects = cast("Sequence[ApiObject]", resources)

        def parse(reply: Reply) -> Dict[str, Observed]:
            if reply.code in (75, 124):
                reason = "the APIs do not answer" if reply.code == 124 else ""
                return {api_object.id: _not_readable_yet(api_object, reason) for api_object in objects}
            states = _parse_json(reply)
            if set(states) != {api_object.id for api_object in objects}:
                raise ValueError(f"it tells of {len(states)} things, not of {len(objects)}")
            return {api_object.id: _observed(api_object, states[api_object.id]) for api_object in objects}

        return [Probe(_command(objects, "read", 45, "look at what the APIs hold"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        objects = [cast(ApiObject, diff.resource) for diff in diffs]
        return [_command(objects, "write", 1800, f"make {len(objects)} things through the APIs")]


def _command(objects: Sequence[ApiObject], mode: str, timeout: float, description: str) -> Command:
    task = {
        "mode": mode,
        "api": objects[0].credentials.to_dict(),
        "wants": [api_object._task_item() for api_object in objects],
    }
    return python_command(cloud_api_source(), task, timeout, description)


def _parse_json(reply: Reply) -> Dict[str, Any]:
    if not reply.ok:
        raise ValueError(f"exit {reply.code}: {reply.err.strip()[-1500:]}")
    data = json.loads(reply.out)
    if not isinstance(data, dict):
        raise ValueError(f"not a JSON object: {reply.out[:200]!r}")
    return data


def _not_readable_yet(api_object: ApiObject, reason: str) -> Unknown:
    # Keystone itself comes up with the schema; everything else answers after Services.
    return Unknown(Phase.SCHEMA if api_object.phase is Phase.CATALOG else Phase.SERVICES, reason)


def _observed(api_object: ApiObject, state: Optional[Dict[str, Any]]) -> Observed:
    if state is None:
        return None
    if "unknown" in state:
        return _not_readable_yet(api_object, str(state["unknown"]))
    return {key: _scalar(value) for key, value in state.items()}


def _scalar(value: Any) -> Scalar:
    """Mappings and lists as JSON, in an order of their own: the APIs do not keep that of lists."""
    if isinstance(value, (list, tuple)):
        return json.dumps(sorted(value, key=lambda item: json.dumps(item, sort_keys=True)), sort_keys=True)
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else cast(Scalar, value)
