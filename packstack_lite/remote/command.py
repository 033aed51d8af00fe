"""Commands, files and jobs as values.

Resources return them, a Connection runs them, tests compare them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional, Protocol, Sequence, Tuple, Union, runtime_checkable

# For scripts that wait. uptime_seconds: seconds for measuring a wait. "date" jumps when chrony sets the clock.
UPTIME_SH = r"""
uptime_seconds() { read -r uptime _ </proc/uptime && echo "${uptime%.*}"; }
"""


@dataclass(frozen=True)
class Command:
    """A POSIX sh script for root's shell on the node.

    ``script`` never holds a secret, because the process list may show it; secrets and other payload go into ``stdin``.
    ``timeout`` is in seconds; a command that exceeds it is killed and its exit code is 124. A ``concurrent`` command
    runs in the background while the others of its batch run.
    """

    script: str
    stdin: bytes = b""
    timeout: float = 120.0
    description: str = ""
    concurrent: bool = False

    def __repr__(self) -> str:
        return f"Command({self.description or self.script!r})"


@dataclass(frozen=True)
class Reply:
    """The result of a command: exit code, standard output, standard error."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        """Return whether the exit code is 0."""
        return self.code == 0


@dataclass(frozen=True)
class FileItem:
    """A file to write on the node atomically.

    It is staged in a directory of mode 0700, synced to disk and renamed. A file that packstack-lite did not write is
    kept once, as ``PATH.packstack-lite.orig``, before it is replaced.
    """

    path: str
    content: bytes
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"

    def __repr__(self) -> str:
        return f"FileItem({self.path!r}, {self.mode:o} {self.owner}:{self.group})"


@dataclass(frozen=True)
class Job:
    """A long script, run as a transient systemd unit.

    It survives a lost connection. ``name`` is unique on the node ([a-z0-9.@_-]). ``needs`` names jobs of the same batch
    that must succeed first. ``script`` and ``stdin`` are those of Command. After ``timeout`` seconds the job is killed
    and its exit code is 124. A running job of the same name that does something else is stopped first; one that
    ``must_end`` is followed to its end instead.
    """

    name: str
    script: str
    stdin: bytes = b""
    needs: Tuple[str, ...] = ()
    timeout: float = 600.0
    description: str = ""
    must_end: bool = False

    def __repr__(self) -> str:
        return f"Job({self.name!r})"


@dataclass(frozen=True)
class JobResult:
    """The result of a job.

    ``code`` is its exit code, or -1 if a job that it needs failed and it was not started.
    """

    name: str
    code: int
    out: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Return whether the exit code is 0."""
        return self.code == 0


Action = Union[Command, FileItem, Job]


class JobWatcher(Protocol):
    """A listener for jobs: their start, their end, and each line of their output."""

    def job_started(self, job: Job) -> None:
        """Handle the start of a job on the node. Called by JobRunner."""

    def job_finished(self, job: Job, result: JobResult) -> None:
        """Handle a job's end: exit code, output and seconds; code -1 if it never started."""

    def job_output(self, job: Job, line: str) -> None:
        """Handle a line that a running job printed, without its line break."""


@runtime_checkable
class Connection(Protocol):
    """Root access to a node: over SSH, or on this machine itself.

    ``name`` is the node's name in messages, ``round_trips`` counts the round trips since connecting.
    """

    name: str
    round_trips: int

    def run(self, commands: Sequence[Command]) -> "list[Reply]":
        """Run the commands in order, in one round trip.

        Return their replies in the same order.
        """
        ...

    def push(
        self, files: Sequence[FileItem], before: Sequence[Command] = (), after: Sequence[Command] = ()
    ) -> "list[Reply]":
        """Write the files in one round trip, with commands ``before`` and ``after`` them.

        Return the commands' replies. Raises PhaseError if a file cannot be written.
        """
        ...

    def run_jobs(self, jobs: Sequence[Job], watcher: JobWatcher) -> "list[JobResult]":
        """Run jobs in parallel, as their needs allow; return results in the jobs' order.

        After a lost connection the running jobs are joined again. A job that needs a failed one is not started; its
        result has code -1. The watcher is called at the start and end of each job, and for each line of its output.
        """
        ...

    def after_reopening(self, action: Optional[Callable[[], None]]) -> None:
        """Set what to do after a lost connection was opened again; None for nothing.

        It is called before the command that opened the connection, which is not run if ``action`` raises.
        """
        ...

    def close(self) -> None:
        """Close the connection; the next command opens it again."""
        ...

    def abort(self) -> None:
        """Close the connection for good, from any thread.

        Running and later calls raise ConnectError.
        """
        ...
