"""Hosts: a machine over SSH, or this very one, behind one interface."""

from __future__ import annotations

import subprocess
import threading
from abc import ABC, abstractmethod
from typing import Callable, List, Optional, Sequence

from tenacity import retry, retry_if_exception, stop_after_delay, wait_exponential

from packstack_lite.errors import ConnectFault, PackstackLiteError, PhaseFailed
from packstack_lite.remote.command import Command, FileItem, Job, JobResult, JobWatcher, Reply
from packstack_lite.remote.hostkeys import Ask
from packstack_lite.remote.jobs import Jobs
from packstack_lite.remote.push import push_command
from packstack_lite.remote.session import Password, Session, Target, connect
from packstack_lite.remote.shell import LOOP, Shell, Stream, greeting
from packstack_lite.secret import Masker, Secret, sh


class _Ended(ConnectFault):
    """The run is over; nothing is opened again."""


def _comes_back(error: BaseException) -> bool:
    return isinstance(error, ConnectFault) and not isinstance(error, _Ended)


class ShellHost(ABC):
    """What all hosts share once there is a root shell; ``_open`` makes one (again).

    Several threads may use it: one flight is whole before the next begins.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.flights = 0
        self.masker: Optional[Masker] = None
        self.told: Optional[Callable[[Command, Reply], None]] = None
        self._shell: Optional[Shell] = None
        self._turn = threading.RLock()
        self._ended = False

    @abstractmethod
    def _open(self) -> Shell:
        """A root shell, newly opened."""

    def run(self, commands: Sequence[Command]) -> List[Reply]:
        """See Host."""
        for command in commands:
            if self.masker and self.masker.holds_secret(command.script):
                raise PackstackLiteError(
                    f"{self.name}: the command '{command.says}' would show a secret in the process list"
                )
        if not commands:
            return []
        with self._turn:
            replies = self._flight(commands)
        if self.told:
            for command, reply in zip(commands, replies):
                self.told(command, reply)
        return replies

    def _flight(self, commands: Sequence[Command]) -> List[Reply]:
        if self._ended:
            raise _Ended(f"{self.name}: the run was ended", "run the same command again: it resumes")
        if self._shell is None:
            self._shell = self._open()
        self.flights += 1
        try:
            return self._shell.run(commands)
        except ConnectFault:
            self.close()
            raise

    def push(
        self, files: Sequence[FileItem], before: Sequence[Command] = (), after: Sequence[Command] = ()
    ) -> List[Reply]:
        """See Host."""
        replies = self.run([*before, push_command(files), *after])
        pushed = replies.pop(len(before))
        if not pushed.ok:
            raise PhaseFailed(
                f"{self.name}: {pushed.err.strip() or 'files could not be written'}", "see the message for the file"
            )
        return replies

    def run_jobs(self, jobs: Sequence[Job], watcher: JobWatcher) -> List[JobResult]:
        """See Host. Starting a job twice joins it, so a lost connection is simply tried again."""
        again = retry(
            retry=retry_if_exception(_comes_back),
            stop=stop_after_delay(60),
            wait=wait_exponential(0.5, max=5),
            reraise=True,
        )
        return Jobs(again(self.run), self.name, watcher).all(jobs)

    def close(self) -> None:
        """See Host."""
        if self._shell is not None:
            self._shell.close()
            self._shell = None

    def end(self) -> None:
        """See Host."""
        self._ended = True
        self.close()


class RemoteHost(ShellHost):
    """A machine over SSH. Connecting counts 4 flights, opening the root shell 2; without root's login 2 more.

    ``ask`` is asked whether an unknown host key is right, ``password`` for sudo's password
    and for passphrases; both None where nobody can answer.
    """

    def __init__(self, target: Target, ask: Ask = None, password: Password = None) -> None:
        super().__init__(target.host)
        self._target = target
        self._ask = ask
        self._password = password
        self._sudo: Optional[Secret] = None
        self._session: Optional[Session] = None
        self._shell = self._open()

    def _open(self) -> Shell:
        if self._session is not None:
            self._session.close()
        self._session = connect(self._target, self._ask, self._password)
        self.flights += 6
        word = greeting()
        loop = f"sh -c {sh(LOOP)} sh {word}"
        if self._session.route.user == "root":
            return Shell(self._session.stream(loop), self.name, word)
        return self._by_sudo(self._session, loop, word)

    def _by_sudo(self, session: Session, loop: str, word: str) -> Shell:
        user = session.route.user
        self.flights += 2
        code, said = session.run("sudo -n true")
        if code == 0:
            return Shell(session.stream(f"sudo -n {loop}"), self.name, word)
        refused = f"{self.name}: {user} is not allowed to become root by sudo"
        if code == 127 or "password" not in said:
            raise ConnectFault(
                f"{refused}: {said or 'no sudo there'}", "name root or a user with sudo rights: --host USER@HOST"
            )
        if self._sudo is None:
            if not self._password:
                raise ConnectFault(f"{refused} without a password", "run it on a terminal, which asks for it")
            self._sudo = self._password(f"Password of {user} on {self.name}, for sudo")
        # -k: a remembered login would leave the password unread, in front of what follows. Tried
        # on its own first: after a wrong one sudo asks again, and there is no more to read.
        word_line = self._sudo.reveal().encode() + b"\n"
        if session.run("sudo -k -S -p '' true", word_line)[0] != 0:
            self._sudo = None
            raise ConnectFault(f"{refused}: the password was not taken", "run it again and type the password")
        stream = session.stream(f"sudo -k -S -p '' {loop}")
        stream.send(word_line)
        return Shell(stream, self.name, word)

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
