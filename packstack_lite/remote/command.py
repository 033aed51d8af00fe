"""Commands as values: builders return them, a Host runs them, tests compare them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Sequence, Tuple, Union, runtime_checkable


@dataclass(frozen=True)
class Command:
    """A piece of POSIX sh for root's shell on the host.

    ``script`` never holds a secret (it may show in the process list); secrets and other
    payload go into ``stdin``. ``timeout`` is in seconds: past it the command is killed and
    replies 124. A ``slow`` command runs beside the others of its batch.
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
    """What a command left behind: exit code, standard output, standard error."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True)
class FileItem:
    """A file to be put on the host, whole and at once (staged 0700, fsync, mv).

    The first time a file that was not ours is replaced, it is kept as
    ``PATH.packstack-lite.orig``.
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
    """Long work: a transient systemd unit that outlives a lost connection.

    ``name`` is unique on the host ([a-z0-9.@_-]). ``needs`` are names of jobs of the same
    batch that must have succeeded before. ``script`` and ``stdin`` as in Command.
    After ``timeout`` seconds it is ended, and its code is 124.
    """

    name: str
    script: str
    stdin: bytes = b""
    needs: Tuple[str, ...] = ()
    timeout: float = 600.0
    description: str = ""

    def __repr__(self) -> str:
        return f"Job({self.name!r})"


@dataclass(frozen=True)
class JobResult:
    """How a job ended. ``code`` is its exit code; -1 when a job it needs failed, so it never began."""

    name: str
    code: int
    out: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.code == 0


Action = Union[Command, FileItem, Job]


class JobWatcher(Protocol):
    """Hears of jobs while they run."""

    def job_started(self, job: Job) -> None: ...

    def job_finished(self, job: Job, result: JobResult) -> None: ...

    def job_output(self, job: Job, line: str) -> None: ...


@runtime_checkable
class Connection(Protocol):
    """A machine we are root on: over SSH, or this very one."""

    name: str
    round_trips: int

    def run(self, commands: Sequence[Command]) -> "list[Reply]":
        """Run all, in order, in one flight; a reply for each, in the same order."""
        ...

    def push(
        self, files: Sequence[FileItem], before: Sequence[Command] = (), after: Sequence[Command] = ()
    ) -> "list[Reply]":
        """Put all files, in one flight together with the commands; replies of before + after.

        Raises PhaseFailed when a file could not be put.
        """
        ...

    def run_jobs(self, jobs: Sequence[Job], watcher: JobWatcher) -> "list[JobResult]":
        """Run the jobs side by side as their needs allow; found again after a lost connection."""
        ...

    def close(self) -> None: ...

    def abort(self) -> None:
        """Close for good, from any thread: whoever is at work on it gets a ConnectFault, now and from then on."""
        ...
