"""A host on which something is done for another one."""

from __future__ import annotations

from typing import List, Sequence

from packstack_lite.remote.command import Command, FileItem, Host, Job, JobResult, JobWatcher, Reply


class OnBehalf:
    """The host, by the ``name`` of the one that it is done for: changes are told as that one's."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self.name = name

    @property
    def flights(self) -> int:
        """See Host; they are the host's own."""
        return self._host.flights

    @flights.setter
    def flights(self, count: int) -> None:
        self._host.flights = count

    def run(self, commands: Sequence[Command]) -> List[Reply]:
        """See Host."""
        return self._host.run(commands)

    def push(
        self, files: Sequence[FileItem], before: Sequence[Command] = (), after: Sequence[Command] = ()
    ) -> List[Reply]:
        """See Host."""
        return self._host.push(files, before, after)

    def run_jobs(self, jobs: Sequence[Job], watcher: JobWatcher) -> List[JobResult]:
        """See Host."""
        return self._host.run_jobs(jobs, watcher)

    def close(self) -> None:
        """Not ours to close."""

    def end(self) -> None:
        """Not ours to end."""
