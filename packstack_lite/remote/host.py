"""Hosts: a machine over SSH, or this very one, behind one interface."""

from __future__ import annotations

import subprocess
from typing import Callable, List, Optional, Sequence

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_exponential

from packstack_lite.errors import ConnectFault, PackstackLiteError, PhaseFailed
from packstack_lite.remote.command import Command, FileItem, Job, JobResult, JobWatcher, Reply
from packstack_lite.remote.jobs import Jobs
from packstack_lite.remote.push import push_command
from packstack_lite.remote.session import Session, Target, connect
from packstack_lite.remote.shell import LOOP, Shell, Stream, greeting
from packstack_lite.secret import Masker, sh


class ShellHost:
    """What all hosts share once there is a root shell; ``_open`` makes one (again)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.flights = 0
        self.masker: Optional[Masker] = None
        self.told: Optional[Callable[[Command, Reply], None]] = None
        self._shell: Optional[Shell] = None

    def _open(self) -> Shell:
        raise NotImplementedError

    def run(self, commands: Sequence[Command]) -> List[Reply]:
        """See Host."""
        for command in commands:
            if self.masker and self.masker.holds_secret(command.script):
                raise PackstackLiteError(f"{self.name}: the command '{command.says}' would show a secret in the process list")
        if not commands:
            return []
        if self._shell is None:
            self._shell = self._open()
        self.flights += 1
        try:
            replies = self._shell.run(commands)
        except ConnectFault:
            self.close()
            raise
        if self.told:
            for command, reply in zip(commands, replies):
                self.told(command, reply)
        return replies

    def push(self, files: Sequence[FileItem], before: Sequence[Command] = (), after: Sequence[Command] = ()) -> List[Reply]:
        """See Host."""
        replies = self.run([*before, push_command(files), *after])
        pushed = replies.pop(len(before))
        if not pushed.ok:
            raise PhaseFailed(f"{self.name}: {pushed.err.strip() or 'files could not be written'}", "see the message for the file")
        return replies

    def run_jobs(self, jobs: Sequence[Job], watcher: JobWatcher) -> List[JobResult]:
        """See Host. Starting a job twice joins it, so a lost connection is simply tried again."""
        again = retry(
            retry=retry_if_exception_type(ConnectFault), stop=stop_after_delay(60), wait=wait_exponential(0.5, max=5), reraise=True
        )
        return Jobs(again(self.run), self.name, watcher).all(jobs)

    def close(self) -> None:
        """See Host."""
        if self._shell is not None:
            self._shell.close()
            self._shell = None


class RemoteHost(ShellHost):
    """A machine over SSH. Connecting counts 4 flights, opening the root shell 2."""

    def __init__(self, target: Target, **policy: Callable[..., object]) -> None:
        super().__init__(target.host)
        self._target = target
        self._session: Optional[Session] = None
        self._shell = self._open()

    def _open(self) -> Shell:
        if self._session is not None:
            self._session.close()
        self._session = connect(self._target)
        self.flights += 6
        word = greeting()
        return Shell(self._session.root_shell(f"sh -c {sh(LOOP)} sh {word}"), self.name, word)

    def close(self) -> None:
        """See Host."""
        super().close()
        if self._session is not None:
            self._session.close()
            self._session = None


class _Pipe(Stream):
    def __init__(self, argv: Sequence[str]) -> None:
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self._process.stdin.write(view) :]

    def receive(self, size: int) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.read(size)

    def close(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(timeout=10)


class LocalHost(ShellHost):
    """This very machine, as root, without SSH."""

    def __init__(self, name: str = "localhost") -> None:
        super().__init__(name)
        self._shell = self._open()

    def _open(self) -> Shell:
        word = greeting()
        return Shell(_Pipe(["sh", "-c", LOOP, "sh", word]), self.name, word)
