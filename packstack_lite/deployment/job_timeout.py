"""``--timeout``: the caller's own limit for a single step on the host."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Sequence

from packstack_lite.remote.command import Connection, Job, JobResult, JobWatcher
from packstack_lite.remote.connection_proxy import ConnectionProxy


class JobTimeoutConnection(ConnectionProxy):
    """A host on which every job may take ``timeout`` seconds, whatever it says itself."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        super().__init__(connection, connection.name)
        self._timeout = timeout

    def run_jobs(self, jobs: Sequence[Job], watcher: JobWatcher) -> List[JobResult]:
        """See Host; the jobs' own timeouts are replaced."""
        return super().run_jobs([replace(job, timeout=self._timeout) for job in jobs], watcher)
