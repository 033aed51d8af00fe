"""Several hosts side by side: a lane each, which waits for another one only where it needs something of it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from packstack_lite.engine.apply import Run, chosen
from packstack_lite.engine.changes import by_phase
from packstack_lite.engine.events import Listener, Skipped
from packstack_lite.engine.on_behalf import OnBehalf
from packstack_lite.engine.read import read
from packstack_lite.engine.results import AppliedReport
from packstack_lite.errors import PackstackLiteError
from packstack_lite.remote.command import Host
from packstack_lite.resources.base import PHASES, Phase, Resource
from packstack_lite.secret import Masker
from packstack_lite.services.waits import Wait

_END = len(PHASES)


@dataclass(frozen=True)
class Lane:
    """A host's work: what is declared for it, and what is to be done ``elsewhere`` for it, on the host ``at``.

    A lane without a ``host`` is that of one that could not be reached, as ``trouble`` says.
    """

    name: str
    roles: Tuple[str, ...]
    host: Optional[Host]
    resources: Sequence[Resource] = ()
    elsewhere: Sequence[Resource] = ()
    at: Optional[Host] = None
    trouble: str = ""


@dataclass(frozen=True)
class Scope:
    """What of the work is done: see ``chosen``."""

    only: FrozenSet[str] = frozenset()
    start: Optional[Phase] = None


EVERYTHING = Scope()


def apply_all(
    lanes: Sequence[Lane],
    waits: Sequence[Wait],
    listener: Listener,
    masker: Masker,
    scope: Scope = EVERYTHING,
) -> List[AppliedReport]:
    """Make every host as declared, side by side; a report for each lane, in their order.

    A host that fails does not stop the others, except those that wait for it: its report and theirs have
    ``trouble``. The hosts' states are read in one flight each, before anything is changed.
    """
    board = _Board(lanes, waits)
    works = [_Work(lane, listener, masker, scope, board) for lane in lanes]
    for work in works:
        work.others = {other.lane.name: other for other in works if other is not work}
    with ThreadPoolExecutor(max(1, len(works)), "host") as pool:
        try:
            list(pool.map(_Work.look, works))
            return list(pool.map(_Work.do, works))
        except BaseException:
            # An interrupt reaches this thread alone; the others are to end now, not when their jobs do.
            board.stop()
            for lane in lanes:
                if lane.host:
                    lane.host.end()
            raise


class _Board:
    """How far each lane is; lanes wait here for each other."""

    def __init__(self, lanes: Sequence[Lane], waits: Sequence[Wait]) -> None:
        self._changed = threading.Condition()
        self._roles = {lane.name: lane.roles for lane in lanes}
        self._reached = {lane.name: 0 for lane in lanes}
        self._over: Dict[str, str] = {}
        self._waits = waits
        self._stopped = False

    def reach(self, lane: Lane, place: int) -> None:
        """The lane is through with every phase before this place."""
        with self._changed:
            self._reached[lane.name] = place
            self._changed.notify_all()

    def give_up(self, lane: Lane, why: str) -> None:
        """The lane goes no further."""
        with self._changed:
            self._over[lane.name] = why
            self._changed.notify_all()

    def stop(self) -> None:
        """Nobody begins anything new."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def needs(self, lane: Lane, phase: Phase) -> Iterator[Tuple[str, Wait]]:
        """The lanes that this one waits for before a phase or an earlier one, each with the reason."""
        for wait in self._waits:
            if wait.role in lane.roles and PHASES.index(wait.phase) <= PHASES.index(phase):
                for name, roles in self._roles.items():
                    if name != lane.name and wait.other in roles:
                        yield name, wait

    def await_all(self, lane: Lane, phase: Phase) -> str:
        """Return once the lane may begin the phase; or why it never may."""
        for name, wait in self.needs(lane, phase):
            place = PHASES.index(wait.until)
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or name in self._over or self._reached[name] > place)  # noqa: B023
                if self._stopped:
                    return "the run was interrupted"
                if self._reached[name] <= place:
                    return f"it needs {wait.why}, and {name} did not get through {wait.until.value}"
        return ""


@dataclass
class _Work:
    """One lane at work."""

    lane: Lane
    listener: Listener
    masker: Masker
    scope: Scope
    board: _Board
    own: Optional[Run] = None
    beside: Optional[Run] = None
    trouble: str = ""
    others: Mapping[str, "_Work"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lane = self.lane
        self.trouble = lane.trouble
        if lane.host:
            self.own = Run(lane.host, lane.resources, self.listener, self.masker)
        if lane.at:
            self.beside = Run(OnBehalf(lane.at, lane.name), lane.elsewhere, self.listener, self.masker)

    def wanted(self, resources: Sequence[Resource]) -> List[Resource]:
        """Those within the scope."""
        return chosen(resources, self.scope.only, self.scope.start)

    def look(self) -> None:
        """Read this host's states, those that are another lane's affair too."""
        if self.own is None or self.trouble:
            return
        guests = [work for work in self.others.values() if work.lane.at is self.lane.host and work.beside]
        asked = [*self.lane.resources, *(resource for work in guests for resource in work.lane.elsewhere)]
        try:
            seen = read(self.own.host, self.wanted(asked))
        except PackstackLiteError as error:
            self.trouble = error.message
            return
        for run in (self.own, *(work.beside for work in guests if work.beside)):
            run.seen = dict(seen)

    def do(self) -> AppliedReport:
        """Every phase in its order, each once what it waits for is there."""
        try:
            self.trouble = self.trouble or self._phases()
        except PackstackLiteError as error:
            self.trouble = error.message
        except BaseException as error:
            # Whoever waits for this lane must not wait for ever.
            self.board.give_up(self.lane, str(error))
            raise
        if self.trouble:
            self.board.give_up(self.lane, self.trouble)
        else:
            self.board.reach(self.lane, _END)
        if self.own is None:
            return AppliedReport((), (), 0, 0.0, (), self.lane.name, self.trouble)
        return self.own.report(*([self.beside] if self.beside else []), trouble=self.trouble)

    def _phases(self) -> str:
        """Returns what kept the lane from going on, "" for nothing."""
        assert self.own
        own, beside = by_phase(self.wanted(self.lane.resources)), by_phase(self.wanted(self.lane.elsewhere))
        for place, phase in enumerate(PHASES):
            self.board.reach(self.lane, place)
            if phase not in own and phase not in beside:
                continue
            why = self.board.await_all(self.lane, phase)
            if why:
                self.listener.heard(Skipped(self.lane.name, phase, "what is left", why))
                return f"{self.lane.name}: phase {phase.value} was not begun: {why}"
            self.own.touched = self.own.touched or self._moved({name for name, _ in self.board.needs(self.lane, phase)})
            self._phase(self.own, phase, own.get(phase, []))
            if self.beside and phase in beside:
                host_of_it = {name for name, other in self.others.items() if other.lane.host is self.lane.at}
                self.beside.touched = self.beside.touched or self.own.touched or self._moved(host_of_it)
                self._phase(self.beside, phase, beside[phase])
        return ""

    def _moved(self, names: Set[str]) -> bool:
        """Whether one of these has changed something, so that what was seen at first may be so no more."""
        return any(other.own is not None and other.own.touched for name, other in self.others.items() if name in names)

    def _phase(self, run: Run, phase: Phase, group: Sequence[Resource]) -> None:
        if group:
            run.phase(phase, group)


def failed(reports: Sequence[AppliedReport]) -> List[AppliedReport]:
    """The reports of the hosts that did not come to their end."""
    return [report for report in reports if report.trouble]
