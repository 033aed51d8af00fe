"""The base of every kind of resource: desired state, probe, diff and fix.

Kinds live one per module in this package. They do no I/O: ``probe`` and ``fix`` return commands as values, which
``engine`` runs. Both work on all resources of a kind at once, so that sixty files cost one command.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import (
    Callable,
    ClassVar,
    FrozenSet,
    Generic,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
    cast,
)

from packstack_lite.remote.command import Action, Command, Reply


class Phase(str, Enum):
    """A step of the install, as a person reads it.

    Phases run in the order of their definition.
    """

    CONNECT = "Connect"
    FACTS = "Facts"
    PREFLIGHT = "Preflight"
    PREPARE = "Prepare"
    PACKAGES = "Packages"
    PLATFORM = "Platform"
    DATABASES = "Databases"
    CONFIGURE = "Configure"
    SCHEMA = "Schema"
    CATALOG = "Catalog"
    SERVICES = "Services"
    NETWORKS = "Networks"
    DEMO = "Demo"
    VERIFY = "Verify"
    REMOVE = "Remove"


PHASES: Tuple[Phase, ...] = tuple(Phase)

State = Mapping[str, object]
"""A state of any kind of resource: scalars or tuples of strings by key. Kinds narrow it to a TypedDict or a mapping."""

StateT = TypeVar("StateT", bound=State)
StateT_co = TypeVar("StateT_co", bound=State, covariant=True)
ResourceT = TypeVar("ResourceT", bound="TypedResource[State]")
ResourceT_co = TypeVar("ResourceT_co", bound="TypedResource[State]", covariant=True)
IndividualT = TypeVar("IndividualT", bound="IndividualResource[State]")

# Keys whose values are digests: they show that something differs, not what.
DIGEST_KEYS = frozenset({"sha256", "stamp", "token"})
# Why a thing of an earlier run is removed.
NO_LONGER_DECLARED = "no longer in the answers"
# Differences and names that are spelled out in one description; further ones are counted.
_MAX_ITEMS = 5


@dataclass(frozen=True)
class Unknown:
    """A state that cannot be read before phase ``known_after`` has run."""

    known_after: Phase
    reason: str = ""


Observed = Union[StateT, Unknown, None]
"""What a probe read: a state, None for "does not exist", or Unknown."""


@dataclass(frozen=True)
class Probe(Generic[StateT_co]):
    """A command that reads states of several resources, and its reply's parser.

    ``parse`` returns the observed state of every resource, by id. It raises ValueError when the reply does not have
    the expected form; the engine adds node and command to that error.
    """

    command: Command
    parse: Callable[[Reply], Mapping[str, Union[StateT_co, Unknown, None]]]


class Description(NamedTuple):
    """A change in words: what is done, and why.

    ``action`` is verb and object ("start mariadb"), ``reason`` says why ("was inactive") or is "".
    """

    action: str
    reason: str = ""


@dataclass(frozen=True)
class Diff(Generic[ResourceT_co]):
    """The difference between a resource's desired and observed state.

    ``keys`` are the desired keys whose observed value differs; all of them when the resource is missing.
    ``triggered_by`` are ids of changing resources that this one has to follow (a unit's configuration files).
    """

    resource: ResourceT_co
    observed: Observed[State]
    keys: Tuple[str, ...]
    triggered_by: Tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Return whether the resource does not exist on the node."""
        return self.observed is None

    @property
    def is_unknown(self) -> bool:
        """Return whether the state cannot be read before a later phase."""
        return isinstance(self.observed, Unknown)

    def state(self: "Diff[TypedResource[StateT]]") -> Optional[StateT]:
        """Return the observed state in its kind's type; None when missing or unknown."""
        return None if isinstance(self.observed, Unknown) else cast("Optional[StateT]", self.observed)

    def without_digests(self: "Diff[ResourceT]") -> "Diff[ResourceT]":
        """Return the diff without keys whose values say nothing to a reader."""
        keys = tuple(key for key in self.keys if key not in DIGEST_KEYS)
        return Diff(self.resource, self.observed, keys, self.triggered_by)


class TypedResource(ABC, Generic[StateT_co]):
    """Something that packstack-lite makes so on a node.

    Kinds are frozen dataclasses that declare these fields last. ``kind`` names the kind in ids. ``needs`` are ids of
    resources that have to be right before this one is fixed; they order commands and jobs within a phase. ``tags`` are
    service names, for ``--only``. ``attributed_to`` names the node whose change this is, where that is not the node it
    is made on. ``always_run``: part of every run, whatever phase the run starts from. ``brought_by`` are packages that
    bring what shall not exist: while one of them is not installed, nobody knows whether there will be something to
    remove.
    """

    kind: ClassVar[str]
    always_run: bool = False
    attributed_to: str = ""
    brought_by: Tuple[str, ...] = ()
    phase: Phase
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    @abstractmethod
    def id(self) -> str:
        """Return ``kind:name``, unique on the node, such as ``file:/etc/nova/nova.conf``."""

    @property
    def label(self) -> str:
        """Return kind and name in words, such as "database nova"."""
        kind, name = self.id.split(":", 1)
        return f"{kind.replace('_', ' ')} {name}"

    @property
    def opaque_keys(self) -> FrozenSet[str]:
        """Return the keys whose values say nothing to a reader: digests, secrets."""
        return DIGEST_KEYS

    @property
    def trigger_ids(self) -> Tuple[str, ...]:
        """Return the ids of resources whose change this one has to follow.

        A unit follows its configuration files.
        """
        return ()

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return what this makes and what is taken back once it is not declared.

        Each is ``KIND:NAME``, for the node's manifest; ``services.removals`` knows the kinds.
        """
        return ()

    def invalidate(self) -> Optional[Command]:
        """Return a command to run before a trigger changes; None for none.

        It marks this resource as outdated, so that a run killed in between is completed by the next one.
        """
        return None

    @abstractmethod
    def desired(self) -> Optional[StateT_co]:
        """Return the desired state; None when it shall not exist.

        Holds no secret, only digests of secrets.
        """

    @classmethod
    @abstractmethod
    def probe(cls: "Type[ResourceT]", resources: Sequence[ResourceT]) -> List[Probe[StateT_co]]:
        """Return the probes of these resources, in as few commands as possible."""

    @classmethod
    @abstractmethod
    def fix(cls: "Type[ResourceT]", diffs: Sequence[Diff[ResourceT]]) -> List[Action]:
        """Return the actions that close these diffs (all of this kind and of one phase)."""

    def describe(self: ResourceT, diff: Diff[ResourceT]) -> Description:
        """Describe what ``fix`` does about the diff, for plan and apply.

        An unknown state is described like a missing one; the engine adds "if needed" and the phase.
        """
        if self.desired() is None:
            return Description(f"remove {self.label}")
        if diff.state() is None:
            return Description(f"create {self.label}")
        return Description(f"change {self.label}", describe_keys(diff))

    def describe_drift(self: ResourceT, diff: Diff[ResourceT]) -> str:
        """Describe what is wrong now, as a sentence without a full stop, for verify."""
        state, desired = diff.state(), self.desired()
        if state is None:
            return f"{self.label} is missing"
        if desired is None:
            return f"{self.label} exists (should not)"
        opaque = [key_label(key) for key in diff.keys if key in self.opaque_keys]
        values = [
            f"{key} is {_shorten(state.get(key))} (should be {_shorten(desired.get(key))})"
            for key in diff.keys
            if key not in self.opaque_keys
        ]
        if not opaque:
            return f"{self.label}: {join_names(values)}"
        return join_names([f"{self.label} differs in {join_names(opaque)}", *values])

    def describe_failure(self: ResourceT, diff: Diff[ResourceT]) -> str:
        """Describe a failed fix, such as "nova-compute did not start"."""
        return f"cannot {self.describe(diff).action}"

    def diff_texts(self: ResourceT, diff: Diff[ResourceT]) -> Tuple[str, str]:
        """Return old and new text for ``plan --diff``. Secrets are masked by the caller."""
        observed, desired = diff.state() or {}, self.desired() or {}
        old = "".join(f"{key}: {observed[key]}\n" for key in diff.keys if key in observed)
        return old, "".join(f"{key}: {desired[key]}\n" for key in diff.keys if key in desired)


Resource = TypedResource[State]
"""A resource of any kind."""


class IndividualResource(TypedResource[StateT_co]):
    """A kind whose resources are probed and fixed one by one, a command each."""

    @classmethod
    def probe(cls, resources: "Sequence[IndividualResource[StateT_co]]") -> List[Probe[StateT_co]]:
        """Return the probe of each resource, from its ``probe_one``."""
        return [resource.probe_one() for resource in resources]

    @abstractmethod
    def probe_one(self) -> Probe[StateT_co]:
        """Return the probe of this resource."""

    @classmethod
    def fix(cls: "Type[IndividualT]", diffs: Sequence[Diff[IndividualT]]) -> List[Action]:
        """Return the action for each diff, from its resource's ``fix_one``."""
        return [diff.resource.fix_one(diff) for diff in diffs]

    @abstractmethod
    def fix_one(self: IndividualT, diff: Diff[IndividualT]) -> Action:
        """Return the action that closes this diff."""


def job_name(resource_id: str) -> str:
    """Return a resource's job name: ``unit:nova-api`` becomes ``unit-nova-api``.

    It fits a directory and a systemd unit.
    """
    return re.sub(r"[^a-z0-9.@_-]+", "-", resource_id.lower())


def key_label(key: str) -> str:
    """Return a state's key as a person reads it."""
    return "content" if key == "sha256" else key


def join_names(names: Sequence[str], limit: int = _MAX_ITEMS) -> str:
    """Join names with commas, above ``limit`` as "a, b and 3 more"."""
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[: limit - 1])} and {len(names) - limit + 1} more"


def describe_keys(diff: Diff[ResourceT]) -> str:
    """Describe the keys that differ: ``content, mode 0644 → 0640``."""
    observed, desired = diff.state() or {}, diff.resource.desired() or {}
    opaque_keys = diff.resource.opaque_keys
    return join_names(
        [
            key_label(key) if key in opaque_keys else _describe_value(key, observed.get(key), desired.get(key))
            for key in diff.keys
        ]
    )


def _describe_value(key: str, old: object, new: object) -> str:
    """Describe one key that differs: ``KEY OLD → NEW``, or ``KEY NEW`` without an old."""
    return f"{key} {_shorten(new)}" if old is None else f"{key} {_shorten(old)} → {_shorten(new)}"


def _shorten(value: object) -> str:
    """Return a value as text of at most 60 characters; "none" for an empty one."""
    text = (",".join(map(str, value)) if isinstance(value, tuple) else str(value)) or "none"
    return text if len(text) <= 60 else text[:57] + "..."
