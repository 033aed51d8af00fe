"""``--timeout``: the caller's own limit for a single step on the host."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Sequence

from packstack_lite.remote.command import Command, FileItem, Host, Job, JobResult, JobWatcher, Reply


class Patient:
    """A host on which every job may take ``timeout`` seconds, whatever it says itself."""

    def __init__(self, host: Host, timeout: float) -> None:
        self._host = host
        self._timeout = timeout
        self.name = host.name

    @property
    def flights(self) -> int:
        """See Host."""
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
        """See Host; the jobs' own timeouts are replaced."""
        return self._host.run_jobs([replace(job, timeout=self._timeout) for job in jobs], watcher)

    def close(self) -> None:
        """See Host."""
        self._host.close()

    def end(self) -> None:
        """See Host."""
        self._host.end()
