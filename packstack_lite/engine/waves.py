"""In which order the gaps of a phase are closed: what can go together goes together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Sequence, Set, Tuple

from packstack_lite.remote.command import Action, Job
from packstack_lite.resources import job_name
from packstack_lite.resources.base import Gap


@dataclass(frozen=True)
class Wave:
    """Gaps that are closed together: either by files and commands, or by jobs."""

    gaps: Tuple[Gap, ...]
    jobs: bool


def is_job(gap: Gap) -> bool:
    """Whether closing this gap is long work."""
    return any(isinstance(action, Job) for action in type(gap.resource).close([gap]))


def next_wave(open_gaps: Sequence[Gap]) -> Wave:
    """What can be closed now. An empty wave means that the needs run in a circle.

    Files and commands first, as one flight; else every job whose open needs are jobs of
    the same wave, as the job runner orders those itself.
    """
    open_ids = {gap.resource.id for gap in open_gaps}
    quick = [gap for gap in open_gaps if not is_job(gap) and not open_ids & set(gap.resource.needs)]
    if quick:
        return Wave(tuple(quick), jobs=False)
    return Wave(tuple(_together([gap for gap in open_gaps if is_job(gap)], open_ids)), jobs=True)


def _together(jobs: List[Gap], open_ids: Set[str]) -> List[Gap]:
    while True:
        ids = {gap.resource.id for gap in jobs}
        kept = [gap for gap in jobs if not (open_ids - ids) & set(gap.resource.needs)]
        if len(kept) == len(jobs):
            return kept
        jobs = kept


def with_needs(jobs: Sequence[Job], gaps: Sequence[Gap]) -> List[Job]:
    """The jobs with the needs of their resources, as far as those are jobs of this wave too.

    A need counts also through a resource of the wave's that needs it in turn.
    """
    names = {job.name for job in jobs}
    needs = {job_name(gap.resource.id): {job_name(need) for need in gap.resource.needs} for gap in gaps}
    return [
        replace(job, needs=tuple(sorted((set(job.needs) | needs.get(job.name, set())) & (names - {job.name}))))
        for job in jobs
    ]


def actions(gaps: Sequence[Gap]) -> List[Action]:
    """What closes these gaps, kind by kind."""
    kinds = list(dict.fromkeys(type(gap.resource) for gap in gaps))
    return [action for kind in kinds for action in kind.close([gap for gap in gaps if type(gap.resource) is kind])]
