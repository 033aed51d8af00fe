"""Run Python programs in forks of one process that has imported their libraries already.

Importing keystoneauth1 and requests takes 0.3 s of CPU, most of a short program. What a program compiles is kept for
the next one: the smoke test compiles its modules, which takes as long as all the rest. Everything else is as in a
process of its own: the program is executed as ``__main__``, with its own arguments, environment, directory and standard
streams. Only ``time.sleep`` is shorter: what a program waits for is a stand-in that needs no time. The clocks are real,
so a wait without end takes as long as ever. This file is the server too; ``CLIENT`` stands in for the interpreter.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import gc
import hashlib
import marshal
import os
import select
import socket
import subprocess
import sys
import threading
import time
import traceback
import types
from pathlib import Path
from typing import Any, Iterator, List, NoReturn, Optional, Sequence, Tuple

# A program asks a stand-in again after this part of its seconds.
SLEEP_FACTOR = 0.05
# Without site and only with modules in C: it starts in a hundredth of a second.
CLIENT = """
import _socket, posix, sys
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
connection.connect(sys.argv[1])
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
arguments = [argument.encode("utf-8", "surrogateescape") for argument in sys.argv[2:]]
environment = [name + b"=" + value for name, value in posix.environ.items()]
words = [posix.getcwd().encode(), b"%d" % len(arguments), *arguments, *environment]
connection.sendmsg([b"x"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
connection.sendall(b"\\0".join(words))
connection.shutdown(_socket.SHUT_WR)
sys.exit(int(connection.recv(16) or b"70"))
"""


@contextlib.contextmanager
def preloaded_python(directory: Path, *modules: str) -> Iterator[str]:
    """Start a server that has imported the modules; yield a command line that runs ``-c PROGRAM [ARGUMENT]...`` there.

    It ends with this process, however that ends: its standard input closes then.
    """
    client, address = directory / "client.py", directory / "socket"
    client.write_text(CLIENT)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        server = subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno()), str(directory), *modules],
            stdin=subprocess.PIPE,
            # The locale in which Dash starts programs: it decides how the streams are encoded.
            env={**os.environ, "LC_ALL": "C"},
            pass_fds=[listener.fileno()],
        )
    try:
        yield f"{sys.executable} -I -S {client} {address}"
    finally:
        server.communicate(timeout=10)


def _serve(listener: socket.socket) -> Optional[List[str]]:
    """Fork for each connection, until standard input closes.

    Returns the arguments of a program in the process that has to run it, None in the server.
    """
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        ready = select.select([listener, 0], [], [])[0]
        if 0 in ready:
            return None
        connection, _ = listener.accept()
        if os.fork():
            connection.close()
            continue
        listener.close()
        arguments, streams = _receive(connection)
        program = os.fork()
        if program:
            _report_end(connection, program, streams)
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return arguments


def _receive(connection: socket.socket) -> Tuple[List[str], Sequence[int]]:
    """Receive streams, directory, arguments and environment of a program; take over the last and the directory."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as file:
        directory, count, *words = file.read().split(b"\0")
    arguments, environment = words[: int(count)], words[int(count) :]
    os.chdir(directory)
    os.environ.clear()
    os.environb.update(dict(setting.split(b"=", 1) for setting in environment))
    return [os.fsdecode(argument) for argument in arguments], streams


def _report_end(connection: socket.socket, program: int, streams: Sequence[int]) -> NoReturn:
    """Wait for a program, and send its exit code to the client."""
    for stream in streams:
        os.close(stream)
    _, status = os.waitpid(program, 0)
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(b"%d" % code)
    os._exit(0)


def _keep_compiled(directory: Path) -> None:
    """Make ``compile`` in this process keep what it returns in files, and read it from there."""
    compile_again = builtins.compile

    def compile_once(source: Any, filename: Any, mode: str, *arguments: Any, **options: Any) -> Any:
        # ast.parse passes flags by position; the traceback module of Python 3.13 calls it for each line that it prints.
        if arguments or options or not isinstance(source, (str, bytes)):
            return compile_again(source, filename, mode, *arguments, **options)
        key = hashlib.sha256(repr((source, filename, mode)).encode()).hexdigest()
        path = directory / f"{key}.compiled"
        if path.exists():
            return marshal.loads(path.read_bytes())
        code = compile_again(source, filename, mode)
        # A program that runs at the same time reads all of it or nothing.
        new = directory / f"{key}.{os.getpid()}"
        new.write_bytes(marshal.dumps(code))
        new.replace(path)
        return code

    builtins.compile = compile_once  # type: ignore[assignment]


def _run(source: str) -> int:
    """Run a program as ``__main__``; return its exit code."""
    program = sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        exec(compile(source, "<string>", "exec"), program.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End this process as an interpreter does, without taking its modules apart, which takes as long as importing."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Import the modules; become a program for each connection."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    directory = Path(sys.argv[2])
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(seconds * SLEEP_FACTOR)
    for name in sys.argv[3:]:
        __import__(name)
    # Forks share what was imported until something writes to it, as a search for garbage does.
    gc.freeze()
    arguments = _serve(listener)
    if arguments is not None:
        assert arguments[0] == "-c", arguments
        _keep_compiled(directory)
        sys.argv = ["-c", *arguments[2:]]
        _end(_run(arguments[1]))


if __name__ == "__main__":
    main()
