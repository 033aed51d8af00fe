"""Objects in OpenStack's APIs: users, endpoints, networks and others.

The program ``hostside/cloud_api.py``, with its modules, reads and writes them on the node.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from packstack_lite.counts import format_count
from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import (
    NO_LONGER_DECLARED,
    Description,
    Diff,
    Observed,
    Phase,
    Probe,
    State,
    TypedResource,
    Unknown,
)
from packstack_lite.resources.hostside_programs import (
    MODULE_MISSING,
    bundle_modules,
    parse_json_object,
    python_command,
    read_modules,
)
from packstack_lite.secret import Secret

_TIMED_OUT = 124
# Types that report themselves: nothing is created, the program waits until they are alive.
REPORTING_TYPES = {"compute_service", "network_agent", "volume_service"}


@dataclass(frozen=True)
class Credentials:
    """An administrator's account, and the URL of Keystone."""

    auth_url: str
    user: str
    password: Secret
    project: str
    region: str

    def to_dict(self) -> Dict[str, str]:
        """Return the credentials for a program's input, the password in clear."""
        return {
            "auth_url": self.auth_url,
            "user": self.user,
            "password": self.password.reveal(),
            "project": self.project,
            "region": self.region,
        }


def cloud_api_modules() -> Dict[str, str]:
    """Return the modules of the program that runs on the node."""
    return read_modules("packstack_lite.resources", "cloud_")


# Every probe and every write of a phase sends it.
@lru_cache(maxsize=1)
def cloud_api_source() -> bytes:
    """Return the source of the program that runs on the node, with its modules."""
    return bundle_modules(cloud_api_modules(), "cloud_api")


@dataclass(frozen=True)
class ApiObject(TypedResource[State]):
    """An object in an API: ``type`` as in cloud_api.py, ``body`` as the API has it.

    ``parents`` name other objects it belongs to (``project``, ``network`` ...). ``secrets`` are parts of the body that
    must not be shown. The desired state is the body, with lists and mappings as sorted JSON. An ``absent`` object
    shall not exist; its body holds what finds it.
    """

    kind: ClassVar[str] = "entity"
    type: str
    name: str
    credentials: Credentials
    body: Mapping[str, object] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    absent: bool = False
    phase: Phase = Phase.CATALOG
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    def __hash__(self) -> int:
        """Return a hash of the id, because the mappings in the fields have none."""
        return hash(self.id)

    @property
    def id(self) -> str:
        """Return ``TYPE:NAME``, such as ``user:glance``; ``removed_...`` if absent.

        An endpoint of another region may have the name of one that is declared.
        """
        region = f"@{self.body['region']}" if self.absent and self.type == "endpoint" else ""
        return f"{'removed_' * self.absent}{self.type}:{self.name}{region}"

    @property
    def label(self) -> str:
        """Return type and name in words, of an endpoint to remove also the region."""
        region = f" of region {self.body['region']}" if self.absent and self.type == "endpoint" else ""
        return f"{self.type.replace('_', ' ')} {self.name}{region}"

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return an entry of an account, an endpoint, a service or an agent.

        Whatever else there is in the APIs is data, and is not taken back.
        """
        if self.absent:
            return ()
        if self.type == "endpoint":
            return (f"endpoint:{self.body['service']} {self.body['interface']} {self.body['region']}",)
        is_account = self.type == "user" and "domain" not in self.body
        return (self.id,) if is_account or self.type in REPORTING_TYPES else ()

    @property
    def opaque_keys(self) -> FrozenSet[str]:
        """Return the keys of the body that hold secrets."""
        return frozenset(self.secrets)

    def desired(self) -> Optional[State]:
        """Return the comparable body, "as answered" for each secret, and that it exists.

        None for an absent object.

        ``source``, an image's path or URL, is left out: the API does not return it.
        """
        if self.absent:
            return None
        desired = {key: _comparable_value(value) for key, value in self.body.items() if key != "source"}
        return {**desired, **dict.fromkeys(self.secrets, "as answered"), "exists": True}

    def describe(self, diff: Diff["ApiObject"]) -> Description:
        """Describe the change; for a service or agent, that the run waits for it."""
        if self.absent:
            return Description(f"remove {self.label}", NO_LONGER_DECLARED)
        if self.type == "compute_scheduling":
            return Description(f"give no more instances to {self.name}", "no longer a compute node in the answers")
        if self.type in REPORTING_TYPES:
            return Description(f"wait for {self.label}", "does not report" if diff.state() is None else "is not alive")
        return super().describe(diff)

    def describe_drift(self, diff: Diff["ApiObject"]) -> str:
        """Describe the difference; for a service or agent, that it does not report."""
        if self.absent and diff.state():
            return f"{self.label} is still there ({NO_LONGER_DECLARED})"
        if self.type == "service_list" and (state := diff.state()):
            return _describe_service_list(state)
        if self.type in REPORTING_TYPES:
            return f"{self.label} {'does not report' if diff.state() is None else 'is not alive'}"
        return super().describe_drift(diff)

    def describe_failure(self, diff: Diff["ApiObject"]) -> str:
        """Describe a failed change.

        Of a service or agent that was waited for: that it does not report to the API, or that the API says it is dead.
        """
        is_waited_for = self.type in REPORTING_TYPES and not self.absent
        return self.describe_drift(diff) if is_waited_for else super().describe_failure(diff)

    def task_item(self) -> Dict[str, object]:
        """Return the object as cloud_api.py reads it; holds secrets in clear."""
        secrets = {key: secret.reveal() for key, secret in self.secrets.items()}
        item: Dict[str, object] = {"id": self.id, "type": self.type, "name": self.name, "body": dict(self.body)}
        return {**item, "secrets": secrets, "parents": dict(self.parents), "absent": self.absent}

    @classmethod
    def probe(cls, resources: Sequence["ApiObject"]) -> List[Probe[State]]:
        """Return one probe for all objects: a run of cloud_api.py in mode "read"."""

        def parse(reply: Reply) -> Dict[str, Observed[State]]:
            """Return each object's state, by id; Unknown while the APIs do not answer."""
            if reply.code in (MODULE_MISSING, _TIMED_OUT):
                reason = "the APIs do not answer" if reply.code == _TIMED_OUT else ""
                return {api_object.id: _unknown_yet(api_object, reason) for api_object in resources}
            states = parse_json_object(reply)
            if set(states) != {api_object.id for api_object in resources}:
                raise ValueError(f"{len(states)} states for {len(resources)} objects")
            return {api_object.id: _parse_state(api_object, states[api_object.id]) for api_object in resources}

        return [Probe(_command(resources, "read", 45, "probe API objects"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff["ApiObject"]]) -> List[Action]:
        """Return one command for all objects: a run of cloud_api.py in mode "write"."""
        objects = [diff.resource for diff in diffs]
        verb = "remove" if all(api_object.absent for api_object in objects) else "create or change"
        description = f"{verb} {format_count(len(objects), 'API object')}"
        return [_command(objects, "write", 1800, description)]


def _describe_service_list(state: State) -> str:
    """Describe services that the APIs list and nobody declared, and dead ones."""
    undeclared, dead = (json.loads(str(state[key])) for key in ("undeclared", "dead"))
    parts = [
        f"{name} is listed, but not in the answers ({'dead' if name in dead else 'alive: stop it on its node'})"
        for name in undeclared
    ]
    return "services of the cloud: " + "; ".join(
        [*parts, *(f"{name} is dead" for name in dead if name not in undeclared)]
    )


def _command(objects: Sequence[ApiObject], mode: str, timeout: float, description: str) -> Command:
    """Return the command that runs cloud_api.py on the objects.

    ``mode`` is "read" or "write", ``timeout`` in seconds. Secrets are in its standard input only.
    """
    task = {
        "mode": mode,
        "api": objects[0].credentials.to_dict(),
        "wants": [api_object.task_item() for api_object in objects],
    }
    return python_command(cloud_api_source(), task, timeout, description)


def _unknown_yet(api_object: ApiObject, reason: str) -> Unknown:
    """Return the Unknown of an object whose API does not answer yet.

    Objects of phase Catalog are known after Schema, all others after Services.
    """
    # Keystone itself comes up in phase Schema; every other API answers after phase Services.
    return Unknown(Phase.SCHEMA if api_object.phase is Phase.CATALOG else Phase.SERVICES, reason)


def _parse_state(api_object: ApiObject, entry: object) -> Observed[State]:
    """Return an API object's state from its entry in cloud_api.py's reply.

    None: it does not exist. ``{"unknown": REASON}``: it cannot be read yet. Raises ValueError if the entry is neither
    None nor a dict.
    """
    if entry is None:
        return None
    if not isinstance(entry, dict):
        raise ValueError(f"not a JSON object: {entry!r}")
    if "unknown" in entry:
        return _unknown_yet(api_object, str(entry["unknown"]))
    return {key: _comparable_value(value) for key, value in entry.items()}


def _comparable_value(value: object) -> object:
    """Return a value that compares: lists and mappings as JSON.

    Lists are sorted, as the APIs do not keep their order.
    """
    if isinstance(value, (list, tuple)):
        return json.dumps(sorted(value, key=lambda item: json.dumps(item, sort_keys=True)), sort_keys=True)
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value
