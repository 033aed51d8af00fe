"""Apply: look, close what differs, look again; phase by phase."""

from __future__ import annotations

import time
from typing import Dict, FrozenSet, List, Optional, Sequence, Set

from packstack_lite.engine.changes import by_phase, changes, in_words
from packstack_lite.engine.events import Changed, Failed, Listener, PhaseFinished, PhaseStarted, Skipped
from packstack_lite.engine.read import read
from packstack_lite.engine.results import AppliedReport, Change, PhaseTime, joined
from packstack_lite.engine.steps import Steps
from packstack_lite.engine.waves import next_wave
from packstack_lite.errors import PackstackLiteError, PhaseFailed
from packstack_lite.remote.command import Host
from packstack_lite.resources.base import PHASES, Gap, Phase, Resource, Seen
from packstack_lite.secret import Masker


def chosen(resources: Sequence[Resource], only: FrozenSet[str], start: Optional[Phase]) -> List[Resource]:
    """The resources that carry one of the tags, from a phase on; all of them by default. What guards the rest stays."""
    first = PHASES.index(start) if start else 0
    return [
        resource
        for resource in resources
        if (not only or only & resource.tags) and (resource.guards or PHASES.index(resource.phase) >= first)
    ]


def apply(
    host: Host,
    resources: Sequence[Resource],
    listener: Listener,
    masker: Masker,
    only: FrozenSet[str] = frozenset(),
    start: Optional[Phase] = None,
) -> AppliedReport:
    """Make the host as declared.

    All states are read in one flight; as long as nothing has been changed they stay true,
    after that each phase reads its own again. Raises PhaseFailed at the end of the first
    phase in which a resource is still wrong.
    """
    run = Run(host, resources, listener, masker)
    wanted = chosen(resources, only, start)
    run.seen = read(host, wanted)
    for phase, group in by_phase(wanted).items():
        run.phase(phase, group)
    return run.report()


class Run:
    """One apply: what has been seen, changed, restarted, and how long each phase took."""

    def __init__(self, host: Host, everything: Sequence[Resource], listener: Listener, masker: Masker) -> None:
        self.host = host
        self.everything = everything
        self.listener = listener
        self.masker = masker
        self.seen: Dict[str, Seen] = {}
        self.changed: List[Change] = []
        self.restarted: List[str] = []
        self.times: List[PhaseTime] = []
        self.touched = False
        self._began = time.monotonic()

    def report(self, *others: "Run", trouble: str = "") -> AppliedReport:
        """What it came to by now; what ``others`` did for this host is laid to it."""
        runs = (self, *others)
        return AppliedReport(
            tuple(change for run in runs for change in run.changed),
            tuple(unit for run in runs for unit in run.restarted),
            self.host.flights,
            time.monotonic() - self._began,
            joined([time for run in runs for time in run.times]),
            self.host.name,
            trouble,
        )

    def phase(self, phase: Phase, group: Sequence[Resource]) -> None:
        """Bring one phase's resources to their wanted state."""
        began = time.monotonic()
        before = len(self.changed)
        self.listener.heard(PhaseStarted(self.host.name, phase))
        if self.touched:
            self.seen.update(read(self.host, group))
        gaps = changes(group, self.seen)
        failed = self._close(phase, gaps) if gaps else []
        seconds, count = time.monotonic() - began, len(self.changed) - before
        self.times.append(PhaseTime(phase.value, seconds, count))
        self.listener.heard(PhaseFinished(self.host.name, phase, count, seconds, not failed))
        if failed:
            raise PhaseFailed(
                f"{self.host.name}: phase {phase.value} failed at {', '.join(failed)}",
                "mend the cause named above, then run the same command again: it resumes here",
            )

    def _close(self, phase: Phase, gaps: Sequence[Gap]) -> List[str]:
        steps = Steps(self.host, phase, self.listener, self.masker)
        skipped = self._waves(gaps, steps)
        self.seen.update(read(self.host, [gap.resource for gap in gaps]))
        still = {gap.resource.id: gap for gap in changes([gap.resource for gap in gaps], self.seen) if gap.keys}
        for gap in gaps:
            self._tell(phase, gap, still.get(gap.resource.id), steps, skipped)
        return [*still]

    def _waves(self, gaps: Sequence[Gap], steps: Steps) -> Dict[str, str]:
        """Close the gaps wave by wave; returns what had to be skipped, and why."""
        waiting: List[Gap] = list(gaps)
        skipped: Dict[str, str] = {}
        failed: Set[str] = set()
        while waiting:
            while blocked := [gap for gap in waiting if failed & set(gap.resource.needs)]:
                for gap in blocked:
                    skipped[gap.resource.id] = "needs " + ", ".join(sorted(failed & set(gap.resource.needs)))
                    failed.add(gap.resource.id)
                    waiting.remove(gap)
            wave = next_wave(waiting)
            if waiting and not wave.gaps:
                raise PackstackLiteError("needs run in a circle: " + ", ".join(gap.resource.id for gap in waiting))
            self.touched = self.touched or bool(wave.gaps)
            failed |= steps.carry_out(wave, self.everything)
            waiting = [gap for gap in waiting if gap not in wave.gaps]
        return skipped

    def _tell(self, phase: Phase, gap: Gap, still: Optional[Gap], steps: Steps, skipped: Dict[str, str]) -> None:
        identity = gap.resource.id
        if still is None:
            words = self.masker(in_words(gap))
            self.changed.append(Change(self.host.name, phase.value, identity, words))
            if gap.resource.kind == "unit":
                self.restarted.append(identity.split(":", 1)[1])
            self.listener.heard(Changed(self.host.name, phase, identity, words))
        elif identity in skipped:
            self.listener.heard(Skipped(self.host.name, phase, identity, skipped[identity]))
        else:
            message = steps.trouble(gap) or f"is still wrong after its change: {in_words(still)}"
            self.listener.heard(Failed(self.host.name, phase, identity, self.masker.lines(message)))
