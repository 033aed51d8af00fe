"""One persistent root shell that runs any number of commands in one round trip.

Replies are framed. Used by ``connections``.

The loop on the node is POSIX sh. A batch is a line with a length and a program of that length, which calls the
functions of SHELL_LOOP; the commands' payloads follow on the same stream. All of it is written before the reply is
read, so that a batch costs one round trip. A command costs the node two processes, a batch three more.
"""

from __future__ import annotations

import secrets
import threading
from typing import List, Protocol, Sequence

from packstack_lite.errors import ConnectError
from packstack_lite.remote.command import Command, Reply
from packstack_lite.secret import quote_sh

# Outputs go through files, so that a process left in the background cannot delay the reply. A random marker separates
# them, because such a process may still write while they are sent. Input goes through a file too, so that a command
# that does not read it leaves nothing in the stream. "head -c" reads a payload without reading ahead.
# When the run has ended or was cut off, its sshd process (or sudo, or the run itself on this machine) is gone: then no
# further command of a batch is begun.
# "ready" comes with the kernel's boot id and the start time of process 1, which alone changes when a container reboots.
# C.UTF-8 needs glibc 2.28 (EL 8). On EL 7, LC_CTYPE is en_US.UTF-8 if installed, and the rest (order, messages) is C.
# With a locale that is not installed bash prints warnings, and Python 2 and 3.6 accept nothing but ASCII.
SHELL_LOOP = r"""
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
unset LC_ALL LANGUAGE LC_COLLATE LC_MESSAGES LC_NUMERIC LC_TIME
LANG=C; export LANG
known() { command -v locale >/dev/null && LC_ALL=C locale -a 2>/dev/null | grep -ix "$1\.utf-*8"; }
if LC_CTYPE=$(known c); then LC_ALL=C.UTF-8; export LC_ALL; else LC_CTYPE=$(known en_US || echo C); fi
export LC_CTYPE
PACKSTACK_LITE_SHELL=$$; export PACKSTACK_LITE_SHELL
umask 022
word=$1
d=$(mktemp -d /run/packstack-lite.XXXXXX 2>/dev/null || mktemp -d /tmp/packstack-lite.XXXXXX) || exit 71
trap 'rm -rf "$d"' EXIT
trap 'exit 1' HUP TERM INT PIPE
command -v timeout >/dev/null || { printf '\n%s no-timeout\n' "$word"; exit 72; }
printf '\n%s next\n' "$word" > "$d/next"
boot="$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) $(sed 's/.*) //' /proc/1/stat 2>/dev/null | cut -d' ' -f20)"
printf '\n%s ready %s\n' "$word" "$boot"
script() { printf '%s' "$2" > "$d/$1.sh"; }
input() { head -c "$2" > "$d/$1.in"; }
one() {
    kill -0 $PPID 2>/dev/null || exit 1
    timeout -k 2 "$2" sh "$d/$1.sh" < "$3" > "$d/$1.out" 2> "$d/$1.err"
    echo $? > "$d/$1.code"
    [ "$3" = /dev/null ] || : > "$3"
}
answer() {
    wait
    files=
    for id in $(count "$1"); do
        read -r code < "$d/$id.code" || code=125
        printf '%s ' "$code"
        files="$files $d/next $d/$id.out $d/next $d/$id.err"
    done
    cat $files
    printf '\n%s over\n' "$word"
    rm -f "$d"/[0-9]*
}
count() { id=0; while [ $id -lt "$1" ]; do echo $id; id=$((id + 1)); done; }
while read -r size; do
    head -c "$size" > "$d/batch"
    . "$d/batch"
done
"""


class Stream(Protocol):
    """A byte stream to and from a root ``sh``; ``receive`` returns b"" at the end."""

    def send(self, data: bytes) -> None:
        """Send all bytes to the shell's standard input."""

    def receive(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the shell's output; b"" at its end."""

    def close(self) -> None:
        """Close the stream, which ends the shell."""


class Shell:
    """Run batches of commands in SHELL_LOOP over a stream.

    ``marker`` is the random word that the loop was started with: a line that begins with it says that the loop is
    ready, or ends an output in a reply. ``name`` is the node's name in messages. ``boot_id`` differs after each boot of
    the node.
    """

    def __init__(self, stream: Stream, name: str, marker: str) -> None:
        """Wait until the loop is ready. Raises ConnectError if it does not start."""
        self._stream = stream
        self._name = name
        self._marker = marker
        self._buffer = bytearray()
        self.boot_id = ""
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        """Skip what login banners and rc files print.

        Raises ConnectError if no root shell starts.
        """
        banner_lines: List[str] = []
        while True:
            try:
                line = self._read_until(b"\n").decode(errors="replace").strip()
            except ConnectError as error:
                raise self._no_shell_error([*banner_lines, self._buffer.decode(errors="replace").strip()]) from error
            if line.startswith(f"{self._marker} ready"):
                self.boot_id = line[len(f"{self._marker} ready") :].strip()
                return
            if line == f"{self._marker} no-timeout":
                raise ConnectError(f"{self._name}: has no 'timeout' command", "install its package coreutils")
            banner_lines.append(line)

    def _no_shell_error(self, banner_lines: Sequence[str]) -> ConnectError:
        """Return the error for a login that starts no root shell, with its output."""
        banner = " / ".join(line for line in banner_lines if line)[-300:]
        return ConnectError(
            f"{self._name}: the login works, but starts no root shell; its output: {banner or 'none'}",
            "use another user with --host USER@HOST (one with sudo rights), or try: ssh USER@HOST sh -c id",
        )

    def run(self, commands: Sequence[Command]) -> List[Reply]:
        """Run the commands in one round trip; return replies in their order.

        Concurrent ones run in the background.
        """
        if not commands:
            return []
        writer = threading.Thread(target=self._send, args=(encode_batch(commands),), daemon=True)
        writer.start()
        answer = self._read_until(f"\n{self._marker} over\n".encode())
        writer.join()
        return self._parse_replies(answer, len(commands))

    def _send(self, data: bytes) -> None:
        """Send data; if that fails, close the stream, so that the reader raises."""
        try:
            self._stream.send(data)
        except OSError:
            # The reader meets the same end of the stream and raises the error.
            self._stream.close()

    def _parse_replies(self, answer: bytes, count: int) -> List[Reply]:
        """Split the answer to a batch into ``count`` replies. Raises ConnectError."""
        codes, *outputs = answer.split(f"\n{self._marker} next\n".encode())
        exit_codes = [int(code) for code in codes.split() if code.isdigit()]
        if len(exit_codes) != count or len(outputs) != 2 * count:
            raise ConnectError(
                f"{self._name}: the reply of the root shell is incomplete",
                "check whether /run on the node is full (df /run), then run the same command again",
            )
        text = [output.decode(errors="replace") for output in outputs]
        return [Reply(code, *text[2 * index : 2 * index + 2]) for index, code in enumerate(exit_codes)]

    def _read_until(self, terminator: bytes) -> bytes:
        """Read up to the terminator and return what comes before it.

        Raises ConnectError at the end of the stream.
        """
        search_start = 0
        while True:
            position = self._buffer.find(terminator, search_start)
            if position >= 0:
                data = bytes(self._buffer[:position])
                del self._buffer[: position + len(terminator)]
                return data
            search_start = max(0, len(self._buffer) - len(terminator))
            self._receive_more()

    def _receive_more(self) -> None:
        """Append more data to the buffer. Raises ConnectError at the end of the stream."""
        data = self._stream.receive(1 << 16)
        if not data:
            raise ConnectError(f"{self._name}: the connection was lost", "run the same command again: it resumes")
        self._buffer += data

    def close(self) -> None:
        """End the loop on the node; it removes its temporary directory."""
        self._stream.close()


def make_marker() -> str:
    """Return a random word that no login banner and no command's output contains."""
    return "packstack-lite-" + secrets.token_hex(8)


def encode_batch(commands: Sequence[Command]) -> bytes:
    """Encode a batch of commands for SHELL_LOOP; concurrent commands start first."""
    order = sorted(range(len(commands)), key=lambda index: not commands[index].concurrent)
    steps = [_encode_command(index, commands[index]) for index in order]
    program = "".join([*steps, f"answer {len(commands)}\n"]).encode()
    return b"".join([b"%d\n" % len(program), program, *(commands[index].stdin for index in order)])


def _encode_command(index: int, command: Command) -> str:
    """Return a command's lines for the shell loop.

    ``index`` is the command's number in the batch.
    """
    stdin_path, read_input = "/dev/null", ""
    if command.stdin:
        stdin_path, read_input = f'"$d/{index}.in"', f"input {index} {len(command.stdin)}\n"
    background = " &" * command.concurrent
    write_script = f"script {index} {quote_sh(command.script)}\n"
    return f"{read_input}{write_script}one {index} {command.timeout:g} {stdin_path}{background}\n"
