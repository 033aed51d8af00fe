"""Fuzzing: any text that the tool reads from a user's files or from a node ends in a message and an exit code.

A target is a strategy of ``Input``: a command line, files, environment and a node's replies, of which one is damaged.
``run`` runs the command line in this process and checks what holds for every input. Used by ``test_fuzz``.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Iterator, List, Mapping, Sequence, Tuple

import pytest

from packstack_lite.cli import failures
from packstack_lite.cli.app import cli
from packstack_lite.deployment import connect, connection_target, obvious_target
from packstack_lite.deployment import deployment as deployment_module
from packstack_lite.engine.results import ApplyReport
from packstack_lite.errors import ConnectError, ExitCode
from packstack_lite.remote import session
from packstack_lite.remote.command import Command, Job, JobResult, Reply
from packstack_lite.remote.keys import iter_keys
from packstack_lite.sandbox import model
from tests.conftest import cli_runner
from tests.unit.test_hostile_text import forbidden
from tests.unit.test_nodes_gather import LINKS, PORTS, SYSTEM

ADDRESS = "198.18.1.10"
# CPU seconds that a run may take, and after which it is stopped. Wall time depends on other processes.
LIMIT, HARD_LIMIT = 2.0, 20.0
# What a node answers whose replies are not fuzzed, by the command's description.
FACTS = {
    "gather facts of the system": SYSTEM,
    "ask the package source": "package_source=reachable\n",
    "try KVM": "kvm_works=yes\n",
    "gather interfaces": LINKS,
    "gather listening ports": PORTS,
}


class ExecutedError(BaseException):
    """The input made the tool start a program. No ``except Exception`` hides it."""


class TooSlowError(BaseException):
    """The run was stopped at HARD_LIMIT."""


@dataclass(frozen=True)
class Input:
    """A run of the tool: ``@/`` in an argument or variable is the home directory.

    ``files`` are by path below the home directory. ``replies`` are a node's, by a command's description: each is used
    for the commands whose description starts so. ``job_output`` is what each job on the node prints. With
    ``is_over_ssh`` the node is reached by the real client, up to the login. ``kind`` limits the run to resources of one
    kind.
    """

    arguments: Tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    replies: Mapping[str, Reply] = field(default_factory=dict)
    job_output: str = ""
    is_over_ssh: bool = False
    kind: str = ""


class FuzzedNode:
    """A connection with the replies of an Input."""

    def __init__(self, name: str, given: Input) -> None:
        self.name = name
        self.round_trips = 0
        self.masker = self.on_reply = None
        self._given = given

    def run(self, commands: Sequence[Any]) -> "list[Reply]":
        """Return the replies by description; success without output for all others."""
        return [self._reply(command) for command in commands]

    def _reply(self, command: Command) -> Reply:
        for start, reply in self._given.replies.items():
            if command.description.startswith(start):
                names = command.stdin.decode(errors="replace").split()
                return replace(reply, out=expand(reply.out, names[:500]))
        return Reply(0, FACTS.get(command.description, ""))

    def run_jobs(self, jobs: Sequence[Job], watcher: Any) -> "list[JobResult]":
        """Pass the lines of output on; every job succeeds."""
        for job in jobs:
            for line in self._given.job_output.split("\n"):
                watcher.job_output(job, line)
            watcher.job_finished(job, JobResult(job.name, 0, self._given.job_output, 1.0))
        return [JobResult(job.name, 0, self._given.job_output, 1.0) for job in jobs]

    def after_reopening(self, action: object) -> None:
        """Do nothing: no connection is lost."""

    def close(self) -> None:
        """Do nothing."""

    abort = close


class Runner:
    """Runs inputs below a directory of its own. ``patched`` makes one."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.given = Input(())
        # Runs by exit code.
        self.codes: Counter[int] = Counter()

    def run(self, given: Input) -> None:
        """Run an input and check it. Raises AssertionError."""
        code, printed, seconds = self._measure(given)
        self.codes[code] += 1
        assert code in [*ExitCode], f"exit code {code}"
        assert "the check itself failed" not in printed, printed
        assert code != ExitCode.BUG or "cannot parse the reply to" in printed, printed
        assert forbidden(printed) == [], repr(printed)
        if seconds > LIMIT:
            # The first run that needs a template or a table reads it.
            seconds = self._measure(given)[2]
        assert seconds <= LIMIT, f"{seconds:.1f} s"

    def _measure(self, given: Input) -> "tuple[int, str, float]":
        """Run an input; return exit code, output and CPU seconds."""
        self.given = given
        self._write_files(given.files)
        arguments = [argument.replace("@/", f"{self.home}/") for argument in given.arguments]
        own = {name: text.replace("@/", f"{self.home}/") for name, text in given.environment.items()}
        environment = {"HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "200", **own}
        os.chdir(self.home)
        removed = {name: None for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME") if name not in given.environment}
        start = time.process_time()
        try:
            with stop_after(HARD_LIMIT):
                outcome = cli_runner(env={**removed, **environment}).invoke(cli, arguments)
        except ExecutedError as executed:
            raise AssertionError(f"started a program: {executed}") from None
        except TooSlowError:
            raise AssertionError(f"took more than {HARD_LIMIT} s") from None
        if outcome.exception and not isinstance(outcome.exception, SystemExit):
            raise outcome.exception
        printed = (outcome.stdout_bytes + (outcome.stderr_bytes or b"")).decode()
        return outcome.exit_code, printed, time.process_time() - start

    def _write_files(self, files: Mapping[str, bytes]) -> None:
        """Replace what is below the home directory by these files."""
        shutil.rmtree(self.home)
        self.home.mkdir(mode=0o700)
        for name, content in files.items():
            path = os.path.join(os.fsencode(self.home), os.fsencode(name))
            # A name may be too long, or another file be in its way.
            with suppress(OSError, ValueError):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as stream:
                    stream.write(content)


def expand(text: str, names: Sequence[str]) -> str:
    """Return a reply with each line of %EACH%, and each part of %EACH_BLOCK% to %END%, once for each name."""
    before, mark, rest = text.partition("%EACH_BLOCK%")
    block, _, after = rest.partition("%END%")
    text = f"{before}{chr(10).join([block] * len(names))}{after}" if mark else text
    expanded: List[str] = []
    for line in text.splitlines(keepends=True):
        expanded += [line.replace("%EACH%", name) for name in names] if "%EACH%" in line else [line]
    return "".join(expanded)


@contextmanager
def stop_after(seconds: float) -> Iterator[None]:
    """Raise TooSlowError after this CPU time of the process."""

    def stop(number: int, frame: object) -> None:
        raise TooSlowError

    previous = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def refuse_to_start(name: str) -> Callable[..., Any]:
    """Return a function that raises in place of starting a program."""

    def start(*arguments: Any, **options: Any) -> Any:
        raise ExecutedError(f"{name}{arguments!r}"[:500])

    return start


def resolve_numbers_only(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
    """Resolve addresses, and refuse names as where no name server answers; names are encoded as always."""
    flags = options.pop("flags", 0) | socket.AI_NUMERICHOST
    return REAL_GETADDRINFO(host, port, *arguments[:3], flags=flags, **options)


REAL_GETADDRINFO = socket.getaddrinfo


def connect_nowhere(address: Tuple[str, int], timeout: float) -> socket.socket:
    """Return a socket without a peer, after the address was resolved."""
    with suppress(socket.gaierror):
        resolve_numbers_only(*address)
    return socket.socket()


@contextmanager
def patched(home: Path, server_key: Any) -> Iterator[Runner]:
    """Return a Runner; meanwhile no program is started, no name resolved, and each node is a FuzzedNode.

    The SSH client gets ``server_key`` from the host, reads its own keys and ends there.
    """

    def open_connection(target: Any, *options: Any) -> Any:
        return real_open(target, *options) if runner.given.is_over_ssh else FuzzedNode(target.address, runner.given)

    def authenticate(transport: Any, route: Any, ask_password: Any) -> None:
        attempts: List[str] = []
        labels = [label for label, _ in iter_keys(route, ask_password, attempts)]
        raise ConnectError(f"{route.name}: {'; '.join([*labels, *attempts])}", "end of the test")

    def report_bug(bug: BaseException, *arguments: object) -> None:
        raise bug

    def resources_to_probe(deployment: Any, session: Any) -> Any:
        resources = real_resources(deployment, session)
        return [one for one in resources if runner.given.kind in ("", one.kind)]

    runner, real_open = Runner(home), connect.open_connection
    real_resources = deployment_module.Deployment._resources_to_probe
    with pytest.MonkeyPatch.context() as patch:
        # Files of relative names are below the home directory too. The directory of before is restored.
        patch.chdir(home.parent)
        patch.setattr(subprocess.Popen, "_execute_child", refuse_to_start("Popen"))
        for name in ("system", "fork", "execv", "execve", "posix_spawn"):
            patch.setattr(os, name, refuse_to_start(name))
        # It asks uname(1) for the machine.
        patch.setattr(failures, "_report_bug", report_bug)
        patch.setattr(socket, "getaddrinfo", resolve_numbers_only)
        patch.setattr(session.socket, "create_connection", connect_nowhere)
        patch.setattr(session, "_handshake", lambda *arguments: None)
        patch.setattr(session.paramiko.Transport, "get_remote_server_key", lambda transport: server_key)
        patch.setattr(session, "_authenticate", authenticate)
        patch.setattr(connect, "open_connection", open_connection)
        patch.setattr(connection_target, "is_this_machine", lambda host: False)
        patch.setattr(obvious_target, "carries_cloud", lambda: False)
        patch.setattr(model, "SANDBOX_HOME", home / "sandboxes")
        patch.setattr(deployment_module.Deployment, "_resources_to_probe", resources_to_probe)
        patch.setattr(deployment_module, "apply", lambda *arguments: ApplyReport((), (), 9, 1.0, ()))
        yield runner
