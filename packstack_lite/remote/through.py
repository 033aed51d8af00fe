"""A host that passes everything on to another: what its kinds do otherwise, they say."""

from __future__ import annotations

from typing import List, Sequence

from packstack_lite.remote.command import Command, FileItem, Host, Job, JobResult, JobWatcher, Reply


class Through:
    """``host``, under a ``name`` of its own."""

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
        """See Host."""
        self._host.close()

    def end(self) -> None:
        """See Host."""
        self._host.end()
