"""The two kinds of Connection: over SSH, and to this machine itself.

Used by ``deployment`` and ``sandbox``.
"""

from __future__ import annotations

import os
import select
import subprocess
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Callable, List, Optional, Sequence

from tenacity import retry, retry_if_exception, stop_after_delay, wait_exponential

from packstack_lite import activity
from packstack_lite.activity import Activity
from packstack_lite.errors import ConnectError, PackstackLiteError, PhaseError
from packstack_lite.remote.command import Command, FileItem, Job, JobResult, JobWatcher, Reply
from packstack_lite.remote.host_keys import ConfirmPrompt
from packstack_lite.remote.jobs import FOLLOW_DESCRIPTION, JobRunner
from packstack_lite.remote.keys import Password
from packstack_lite.remote.known_hosts import Warn
from packstack_lite.remote.push import make_push_command
from packstack_lite.remote.session import SHELL_TIMEOUT, ChannelStream, Session, SshTarget, connect, ignore_warning
from packstack_lite.remote.shell import SHELL_LOOP, Shell, Stream, make_marker
from packstack_lite.secret import Masker, Secret, quote_sh

REBOOT_HINT = "find out why (on the node: last -x), then run the same command again: it resumes"


class _ConnectionAborted(ConnectError):
    """The connection was aborted, so it is not opened again."""


def _is_retryable(error: BaseException) -> bool:
    """Return whether a lost connection may be opened again."""
    return isinstance(error, ConnectError) and not isinstance(error, _ConnectionAborted)


class ShellConnection(ABC):
    """A Connection over one root shell, which ``_open_shell`` opens when it is needed.

    Several threads may use it; a lock lets one round trip finish before the next begins. ``masker`` refuses commands
    with a secret in their script, ``on_reply`` gets each command with its reply.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.round_trips = 0
        self.masker: Optional[Masker] = None
        self.on_reply: Optional[Callable[[Command, Reply], None]] = None
        self._shell: Optional[Shell] = None
        self._after_reopening: Optional[Callable[[], None]] = None
        self._lock = threading.RLock()
        self._is_aborted = False
        # Of the first shell, which a subclass's constructor opens.
        self._boot_id = ""

    @abstractmethod
    def _open_shell(self) -> Shell:
        """Open a new root shell. Raises ConnectError."""

    def run(self, commands: Sequence[Command]) -> List[Reply]:
        """Run the commands in order, in one round trip; return their replies.

        Raises PackstackLiteError, before anything runs, if a script holds a known secret.
        """
        for command in commands:
            if self.masker and self.masker.contains_secret(command.script):
                raise PackstackLiteError(
                    f"{self.name}: the command '{command.description}' would show a secret in the process list"
                )
        if not commands:
            return []
        with self._lock:
            replies = self._round_trip(commands)
        if self.on_reply:
            for command, reply in zip(commands, replies):
                self.on_reply(command, reply)
        return replies

    def _round_trip(self, commands: Sequence[Command]) -> List[Reply]:
        """Run the commands in the shell, which is opened if there is none; count it."""
        if self._is_aborted:
            raise _ConnectionAborted(f"{self.name}: the run was stopped", "run the same command again: it resumes")
        if self._shell is None:
            self._reopen()
            assert self._shell
        self.round_trips += 1
        if running := _describe_commands(commands):
            longest = max(command.timeout for command in commands)
            activity.begin(Activity(self.name, running, seconds=longest))
        try:
            replies = self._shell.run(commands)
        except ConnectError:
            self.close()
            raise
        except BaseException:
            # The next command would get the reply to this one.
            self._cut_off()
            raise
        activity.end(self.name)
        return replies

    def _reopen(self) -> None:
        """Open the shell again, and do what ``after_reopening`` set."""
        self._shell = self._open_shell()
        self._require_same_boot(self._shell)
        if self._after_reopening:
            try:
                self._after_reopening()
            except BaseException:
                self.close()
                raise

    def _require_same_boot(self, shell: Shell) -> None:
        """Raise PhaseError if the node has booted since its first shell."""
        boot_id, self._boot_id = self._boot_id, shell.boot_id
        if boot_id and boot_id != shell.boot_id:
            self.close()
            raise PhaseError(f"{self.name}: it has rebooted since this run began", REBOOT_HINT)

    def after_reopening(self, action: Optional[Callable[[], None]]) -> None:
        """Set what to do each time that the shell was opened again; None for nothing."""
        self._after_reopening = action

    def push(
        self, files: Sequence[FileItem], before: Sequence[Command] = (), after: Sequence[Command] = ()
    ) -> List[Reply]:
        """Write the files in one round trip, with commands ``before`` and ``after`` them.

        Return the commands' replies. Raises PhaseError if a file cannot be written.
        """
        replies = self.run([*before, make_push_command(files), *after])
        push_reply = replies.pop(len(before))
        if not push_reply.ok:
            raise PhaseError(
                f"{self.name}: {push_reply.err.strip() or 'files could not be written'}", "see the message for the file"
            )
        return replies

    def run_jobs(self, jobs: Sequence[Job], watcher: JobWatcher) -> List[JobResult]:
        """Run jobs in parallel, as their needs allow; return results in the jobs' order.

        A lost connection is opened again for up to 60 seconds: starting a running job again only joins it.
        """
        with_retry = retry(
            retry=retry_if_exception(_is_retryable),
            stop=stop_after_delay(60),
            wait=wait_exponential(0.5, max=5),
            reraise=True,
        )
        return JobRunner(with_retry(self.run), self.name, watcher).run_all(jobs)

    def close(self) -> None:
        """Close the shell; the next command opens a new one."""
        if self._shell is not None:
            self._shell.close()
            self._shell = None

    def abort(self) -> None:
        """Close the shell for good, from any thread.

        Running and later calls raise ConnectError.
        """
        self._is_aborted = True
        self._cut_off()

    def _cut_off(self) -> None:
        """Close the shell without waiting for the node."""
        self.close()


def _describe_commands(commands: Sequence[Command]) -> str:
    """Return what commands do that go on when the run ends; "" if they only wait."""
    descriptions = list(dict.fromkeys(command.description for command in commands if command.description))
    descriptions = [description for description in descriptions if description != FOLLOW_DESCRIPTION]
    return ", ".join(descriptions[:3]) + (f" and {len(descriptions) - 3} more" if len(descriptions) > 3 else "")


class SshConnection(ShellConnection):
    """A connection over SSH.

    It counts 4 round trips to connect and 2 to open the root shell, with sudo 2 more. ``confirm`` asks whether an
    unknown host key is accepted, ``ask_password`` asks for sudo's password and for passphrases; both are None without a
    terminal. ``warn`` gets a message for each damaged file that is skipped.
    """

    def __init__(
        self,
        target: SshTarget,
        confirm: ConfirmPrompt = None,
        ask_password: Password = None,
        warn: Warn = ignore_warning,
    ) -> None:
        super().__init__(target.host)
        self._target = target
        self._confirm = confirm
        self._ask_password = ask_password
        self._warn = warn
        self._sudo_password: Optional[Secret] = None
        self._session: Optional[Session] = None
        self._shell = self._open_shell()
        self._require_same_boot(self._shell)

    def _open_shell(self) -> Shell:
        """Connect and start the root shell, by sudo if the user is not root."""
        if self._session is not None:
            self._session.close()
        self._session = connect(self._target, self._confirm, self._ask_password, self._warn)
        self.round_trips += 6
        marker = make_marker()
        shell_command = f"sh -c {quote_sh(SHELL_LOOP)} sh {marker}"
        if self._session.route.user == "root":
            return self._start_shell(self._session.open_stream(shell_command), marker)
        return self._open_with_sudo(self._session, shell_command, marker)

    def _open_with_sudo(self, session: Session, shell_command: str, marker: str) -> Shell:
        """Open the root shell with sudo; ask for the password if sudo needs one."""
        user = session.route.user
        self.round_trips += 2
        code, stderr = session.run("sudo -n true")
        if code == 0:
            return self._start_shell(session.open_stream(f"sudo -n {shell_command}"), marker)
        message = f"{self.name}: {user} cannot become root with sudo"
        if code == 127 or "password" not in stderr:
            raise ConnectError(
                f"{message}: {stderr or 'sudo is not installed'}",
                "use root or a user with sudo rights: --host USER@HOST",
            )
        if self._sudo_password is None:
            if not self._ask_password:
                raise ConnectError(
                    f"{message} without a password", "run it on a terminal, where it asks for the password"
                )
            self._sudo_password = self._ask_password(f"Password of {user} on {self.name}, for sudo")
        # -k: with cached credentials sudo would not read the password, and the shell would read it as a command.
        # The password is tried alone first, because after a wrong one sudo waits for another on stdin.
        password_line = self._sudo_password.reveal().encode() + b"\n"
        if session.run("sudo -k -S -p '' true", password_line)[0] != 0:
            self._sudo_password = None
            raise ConnectError(f"{message}: the password was refused", "run it again and type the password")
        stream = session.open_stream(f"sudo -k -S -p '' {shell_command}")
        stream.send(password_line)
        return self._start_shell(stream, marker)

    def _start_shell(self, stream: ChannelStream, marker: str) -> Shell:
        """Wait until the shell is ready, for at most SHELL_TIMEOUT seconds."""
        stream.set_timeout(SHELL_TIMEOUT)
        shell = Shell(stream, self.name, marker)
        stream.set_timeout(None)
        return shell

    def close(self) -> None:
        """Close the shell and the SSH session; the next command opens new ones."""
        super().close()
        if self._session is not None:
            self._session.close()
            self._session = None

    def _cut_off(self) -> None:
        """Close the session before the channel.

        The channel would tell sshd, and wait while that takes no data.
        """
        if self._session is not None:
            self._session.close()
        self.close()


class _ProcessStream(Stream):
    """Standard input and output of a local process."""

    def __init__(self, argv: Sequence[str]) -> None:
        # In a session of its own Ctrl-C on the terminal ends the run, and as over SSH not the command on the node. The
        # run's own stderr, maybe a pipe, is not held open by a command that outlives it.
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        self._is_closed = False

    def send(self, data: bytes) -> None:
        """Write all bytes to the process's standard input."""
        assert self._process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self._process.stdin.write(view) :]

    def receive(self, size: int) -> bytes:
        """Return up to ``size`` bytes that the process printed; b"" at its end."""
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        # Closing the pipe would not wake a thread that reads it.
        while not self._is_closed:
            if poll.poll(200):
                return os.read(self._process.stdout.fileno(), size)
        return b""

    def close(self) -> None:
        """Close the process's input and wait for its end, for at most 10 seconds."""
        self.abandon()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)

    def abandon(self) -> None:
        """Close the process's input; it ends after the command that it runs."""
        self._is_closed = True
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()


class LocalConnection(ShellConnection):
    """A connection to this machine itself, as root, without SSH."""

    def __init__(self, name: str = "localhost") -> None:
        super().__init__(name)
        self._shell = self._open_shell()
        self._require_same_boot(self._shell)

    def _open_shell(self) -> Shell:
        """Start the shell on this machine."""
        marker = make_marker()
        self._stream = _ProcessStream(["sh", "-c", SHELL_LOOP, "sh", marker])
        return Shell(self._stream, self.name, marker)

    def _cut_off(self) -> None:
        """Leave the shell, which ends after the command that it runs."""
        self._stream.abandon()
        self._shell = None
