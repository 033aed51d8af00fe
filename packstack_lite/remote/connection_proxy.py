"""A host that passes everything on to another: what its kinds do otherwise, they say."""

from __future__ import annotations

from typing import List, Sequence

from packstack_lite.remote.command import Command, Connection, FileItem, Job, JobResult, JobWatcher, Reply


class ConnectionProxy:
    """``host``, under a ``name`` of its own."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    @property
    def round_trips(self) -> int:
        """See Host; they are the host's own."""
        return self._connection.round_trips

    @round_trips.setter
    def round_trips(self, count: int) -> None:
        self._connection.round_trips = count

    def run(self, commands: Sequence[Command]) -> List[Reply]:
        """See Host."""
        return self._connection.run(commands)

    def push(
        self, files: Sequence[FileItem], before: Sequence[Command] = (), after: Sequence[Command] = ()
    ) -> List[Reply]:
        """See Host."""
        return self._connection.push(files, before, after)

    def run_jobs(self, jobs: Sequence[Job], watcher: JobWatcher) -> List[JobResult]:
        """See Host."""
        return self._connection.run_jobs(jobs, watcher)

    def close(self) -> None:
        """See Host."""
        self._connection.close()

    def abort(self) -> None:
        """See Host."""
        self._connection.abort()
