"""Order the fixes of a phase: what can run together goes into one batch.

Used by ``apply``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Sequence, Set, Tuple

from packstack_lite.remote.command import Action, Job
from packstack_lite.resources.base import Diff, Resource, job_name


@dataclass(frozen=True)
class Batch:
    """Diffs that are fixed together, by files and commands or by jobs."""

    diffs: Tuple[Diff[Resource], ...]
    has_jobs: bool


def needs_job(diff: Diff[Resource]) -> bool:
    """Tell whether fixing this diff is long work, which runs as a job."""
    return any(isinstance(action, Job) for action in type(diff.resource).fix([diff]))


def next_batch(open_diffs: Sequence[Diff[Resource]]) -> Batch:
    """Return what can be fixed now; an empty batch means that the needs are circular.

    ``open_diffs`` is not empty. Files and commands without open needs are the batch. If there are none, it is every job
    whose open needs are jobs of the same batch: the job runner orders those itself.
    """
    open_ids = {diff.resource.id for diff in open_diffs}
    without_jobs = [diff for diff in open_diffs if not needs_job(diff) and not open_ids & set(diff.resource.needs)]
    if without_jobs:
        return Batch(tuple(without_jobs), has_jobs=False)
    return Batch(tuple(_runnable_together([diff for diff in open_diffs if needs_job(diff)], open_ids)), has_jobs=True)


def _runnable_together(job_diffs: List[Diff[Resource]], open_ids: Set[str]) -> List[Diff[Resource]]:
    """Return the diffs whose open needs are all among the returned ones."""
    while True:
        ids = {diff.resource.id for diff in job_diffs}
        runnable = [diff for diff in job_diffs if not (open_ids - ids) & set(diff.resource.needs)]
        if len(runnable) == len(job_diffs):
            return runnable
        job_diffs = runnable


def add_needs(jobs: Sequence[Job], diffs: Sequence[Diff[Resource]]) -> List[Job]:
    """Return the jobs, each with the names of those jobs of the batch that it needs.

    They come from the needs of the jobs' resources.
    """
    names = {job.name for job in jobs}
    needs = {job_name(diff.resource.id): {job_name(need) for need in diff.resource.needs} for diff in diffs}
    return [
        replace(job, needs=tuple(sorted((set(job.needs) | needs.get(job.name, set())) & (names - {job.name}))))
        for job in jobs
    ]


def fix_actions(diffs: Sequence[Diff[Resource]]) -> List[Action]:
    """Return the actions that fix these diffs, kind by kind."""
    kinds = list(dict.fromkeys(type(diff.resource) for diff in diffs))
    return [action for kind in kinds for action in kind.fix([diff for diff in diffs if type(diff.resource) is kind])]
