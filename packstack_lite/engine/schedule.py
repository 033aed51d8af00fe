"""In which order the gaps of a phase are closed: what can go together goes together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Sequence, Set, Tuple

from packstack_lite.remote.command import Action, Job
from packstack_lite.resources import job_name
from packstack_lite.resources.base import Diff


@dataclass(frozen=True)
class Batch:
    """Gaps that are closed together: either by files and commands, or by jobs."""

    gaps: Tuple[Diff, ...]
    has_jobs: bool


def needs_job(diff: Diff) -> bool:
    """Whether closing this gap is long work."""
    return any(isinstance(action, Job) for action in type(diff.resource).fix([diff]))


def next_batch(open_diffs: Sequence[Diff]) -> Batch:
    """What can be closed now. An empty wave means that the needs run in a circle.

    Files and commands first, as one flight; else every job whose open needs are jobs of
    the same wave, as the job runner orders those itself.
    """
    open_ids = {diff.resource.id for diff in open_diffs}
    without_jobs = [diff for diff in open_diffs if not needs_job(diff) and not open_ids & set(diff.resource.needs)]
    if without_jobs:
        return Batch(tuple(without_jobs), has_jobs=False)
    return Batch(tuple(_runnable_together([diff for diff in open_diffs if needs_job(diff)], open_ids)), has_jobs=True)


def _runnable_together(job_diffs: List[Diff], open_ids: Set[str]) -> List[Diff]:
    while True:
        ids = {diff.resource.id for diff in job_diffs}
        runnable = [diff for diff in job_diffs if not (open_ids - ids) & set(diff.resource.needs)]
        if len(runnable) == len(job_diffs):
            return runnable
        job_diffs = runnable


def add_needs(jobs: Sequence[Job], diffs: Sequence[Diff]) -> List[Job]:
    """The jobs with the needs of their resources, as far as those are jobs of this wave too.

    A need counts also through a resource of the wave's that needs it in turn.
    """
    names = {job.name for job in jobs}
    needs = {job_name(diff.resource.id): {job_name(need) for need in diff.resource.needs} for diff in diffs}
    return [
        replace(job, needs=tuple(sorted((set(job.needs) | needs.get(job.name, set())) & (names - {job.name}))))
        for job in jobs
    ]


def fix_actions(diffs: Sequence[Diff]) -> List[Action]:
    """What closes these gaps, kind by kind."""
    kinds = list(dict.fromkeys(type(diff.resource) for diff in diffs))
    return [action for kind in kinds for action in kind.fix([diff for diff in diffs if type(diff.resource) is kind])]
