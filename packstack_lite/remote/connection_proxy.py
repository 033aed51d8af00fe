"""A Connection that forwards every call to another one.

Subclasses change single calls. Used by ``engine``.
"""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence

from packstack_lite.remote.command import Command, Connection, FileItem, Job, JobResult, JobWatcher, Reply


class ConnectionProxy:
    """A connection that forwards every call to another one. Subclasses change some."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Forward to ``connection``, as a connection of the node ``name``.

        Messages have that name, which differs from the other connection's where a delegate works for a node.
        """
        self._connection = connection
        self.name = name

    @property
    def round_trips(self) -> int:
        """Return the number of round trips of the other connection."""
        return self._connection.round_trips

    @round_trips.setter
    def round_trips(self, count: int) -> None:
        """Set the number of round trips of the other connection."""
        self._connection.round_trips = count

    def run(self, commands: Sequence[Command]) -> List[Reply]:
        """Run commands on the other connection; return their replies in order."""
        return self._connection.run(commands)

    def push(
        self, files: Sequence[FileItem], before: Sequence[Command] = (), after: Sequence[Command] = ()
    ) -> List[Reply]:
        """Write files through the other connection."""
        return self._connection.push(files, before, after)

    def run_jobs(self, jobs: Sequence[Job], watcher: JobWatcher) -> List[JobResult]:
        """Run jobs on the other connection; return their results in order."""
        return self._connection.run_jobs(jobs, watcher)

    def after_reopening(self, action: Optional[Callable[[], None]]) -> None:
        """Set what to do when the other connection was opened again."""
        self._connection.after_reopening(action)

    def close(self) -> None:
        """Close the other connection."""
        self._connection.close()

    def abort(self) -> None:
        """Cut the other connection off, so that a call that waits for it fails."""
        self._connection.abort()
