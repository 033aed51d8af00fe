"""What every kind of resource is made of: a wanted state, a way to look, ways to close a gap.

Kinds live one per file beside this one. They are pure: looking and closing are returned
as values (``Look``, ``Action``), the engine carries them out. Looking and closing are
written for a whole group of one kind at once, so that sixty files cost one command.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import Callable, ClassVar, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, Union

from packstack_lite.remote.command import Action, Command, Reply


class Phase(str, Enum):
    """The install, in the order it happens: a list one can read aloud."""

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


PHASES: Tuple[Phase, ...] = tuple(Phase)

Scalar = Union[str, int, bool, None, Tuple[str, ...]]
State = Mapping[str, Scalar]


@dataclass(frozen=True)
class Unknown:
    """A state that cannot be read yet, because an earlier phase has not made what answers."""

    known_after: Phase
    reason: str = ""


Observed = Union[State, Unknown, None]
"""What was seen: a state, None for "not there", or Unknown."""


@dataclass(frozen=True)
class Probe:
    """One command that reads the state of several resources, and the parser of its reply.

    ``parse`` returns a Seen for every id it was made for; it raises ValueError when the
    reply makes no sense (the engine then names the host and the command).
    """

    command: Command
    parse: Callable[[Reply], Dict[str, Observed]]


@dataclass(frozen=True)
class Diff:
    """The difference between wanted and seen of one resource.

    ``keys`` are the wanted keys whose seen value differs (all of them when it is absent).
    ``caused_by`` names resources whose own change makes this one necessary (a unit that
    reads a file which will be rewritten).
    """

    resource: "Resource"
    observed: Observed
    keys: Tuple[str, ...]
    triggered_by: Tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        return self.observed is None

    @property
    def is_unknown(self) -> bool:
        return isinstance(self.observed, Unknown)


class Resource(ABC):
    """Something that shall be so on a host. Kinds are frozen dataclasses with these fields last.

    ``needs`` are ids of resources that must be right before this one is worked on; within
    a phase they order jobs and commands. ``tags`` (service names) serve ``--only``. ``concerns`` is the host, as
    the answers call it, to which a change is laid where that is not the one that it is made on.
    """

    kind: ClassVar[str]
    always_run: bool = False
    attributed_to: str = ""
    phase: Phase
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    @abstractmethod
    def id(self) -> str:
        """``kind:name``, unique on the host, e.g. ``file:/etc/nova/nova.conf``."""

    @property
    def trigger_ids(self) -> Tuple[str, ...]:
        """Ids of the resources whose change makes this one act again (a unit's files)."""
        return ()

    def invalidate(self) -> Optional[Command]:
        """Run before something in ``reads`` is changed, so that a run killed in between is made good later."""
        return None

    @abstractmethod
    def desired(self) -> Optional[State]:
        """The wanted state; None when it shall not exist. Holds no secret: hash them."""

    @classmethod
    @abstractmethod
    def probe(cls, resources: Sequence["Resource"]) -> List[Probe]:
        """How to read the states of a group of this kind, in as few commands as can be."""

    @classmethod
    @abstractmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        """What closes these gaps (all of this kind, all of one phase)."""

    def describe(self, diff: Diff) -> str:
        """How a person reads a difference that its keys do not tell well; "" leaves it to them."""
        return ""

    def diff_texts(self, diff: Diff) -> Tuple[str, str]:
        """Old and new text to show under ``--diff``; masked by whoever prints it."""
        observed = diff.observed if isinstance(diff.observed, Mapping) else {}
        desired = self.desired() or {}
        old = "".join(f"{key}: {observed[key]}\n" for key in diff.keys if key in observed)
        return old, "".join(f"{key}: {desired[key]}\n" for key in diff.keys if key in desired)
