"""One persistent root shell with framed replies: any number of commands, one flight.

The loop on the host is POSIX sh. A batch is a line with a length and a program of that
length, made of the functions of LOOP; the payloads of the commands follow it on the same
stream. All of it is written before the first byte of the answer is awaited, so that a batch
costs one turn-around. A command costs the host two processes, a batch three more.
"""

from __future__ import annotations

import secrets
import threading
from typing import List, Protocol, Sequence

from packstack_lite.errors import ConnectError
from packstack_lite.remote.command import Command, Reply
from packstack_lite.secret import quote_sh

# Outputs go through files, so that a process left in the background cannot hold the answer
# up; and a random word parts them, since such a process may still write while they are sent.
# Input is laid in a file too: a command that does not read it must not leave it in the
# stream. A payload is read with head -c, which takes no byte more than it is asked for.
# C.UTF-8 came to EL with glibc 2.28 of EL8: on EL7 characters are those of en_US.UTF-8 where it is
# installed, and everything else (order, messages) is as in C. A locale that is not there would make
# bash itself complain on standard error, and Python 2 and 3.6 refuse all but ASCII.
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
printf '\n%s ready\n' "$word"
script() { printf '%s' "$2" > "$d/$1.sh"; }
input() { head -c "$2" > "$d/$1.in"; }
one() {
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
    """Bytes both ways to a root ``sh``; ``receive`` returns b"" at the end."""

    def send(self, data: bytes) -> None: ...

    def receive(self, size: int) -> bytes: ...

    def close(self) -> None: ...


class Shell:
    """Talks to LOOP over a stream; ``greeting`` is the word LOOP was started with."""

    def __init__(self, stream: Stream, name: str, marker: str) -> None:
        self._stream = stream
        self._name = name
        self._marker = marker
        self._buffer = bytearray()
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        """Past whatever login banners and rc files print."""
        banner_lines: List[str] = []
        while True:
            try:
                line = self._read_until(b"\n").decode(errors="replace").strip()
            except ConnectError as error:
                raise self._no_shell_error([*banner_lines, self._buffer.decode(errors="replace").strip()]) from error
            if line == f"{self._marker} ready":
                return
            if line == f"{self._marker} no-timeout":
                raise ConnectError(f"{self._name}: has no 'timeout' command", "install its package coreutils")
            banner_lines.append(line)

    def _no_shell_error(self, banner_lines: Sequence[str]) -> ConnectError:
        banner = " / ".join(line for line in banner_lines if line)[-300:]
        return ConnectError(
            f"{self._name}: lets us in, but gives no root shell; it says: {banner or 'nothing'}",
            "name another user with --host USER@HOST (one with sudo rights), or try: ssh USER@HOST sh -c id",
        )

    def run(self, commands: Sequence[Command]) -> List[Reply]:
        """Replies in the order of the commands; slow ones run beside the others."""
        if not commands:
            return []
        writer = threading.Thread(target=self._send, args=(encode_batch(commands),), daemon=True)
        writer.start()
        answer = self._read_until(f"\n{self._marker} over\n".encode())
        writer.join()
        return self._parse_replies(answer, len(commands))

    def _send(self, data: bytes) -> None:
        try:
            self._stream.send(data)
        except OSError:
            # The reader meets the same end of the stream and tells of it.
            self._stream.close()

    def _parse_replies(self, answer: bytes, count: int) -> List[Reply]:
        codes, *outputs = answer.split(f"\n{self._marker} next\n".encode())
        exit_codes = [int(code) for code in codes.split() if code.isdigit()]
        if len(exit_codes) != count or len(outputs) != 2 * count:
            raise ConnectError(
                f"{self._name}: the answer of the root shell is not whole",
                "look for a full /run on the host (df /run), then run the same command again",
            )
        text = [output.decode(errors="replace") for output in outputs]
        return [Reply(code, *text[2 * index : 2 * index + 2]) for index, code in enumerate(exit_codes)]

    def _read_until(self, terminator: bytes) -> bytes:
        """What comes before ``end``, which is taken off the stream too."""
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
        data = self._stream.receive(1 << 16)
        if not data:
            raise ConnectError(f"{self._name}: the connection was lost", "run the same command again: it resumes")
        self._buffer += data

    def close(self) -> None:
        """End the loop on the host; it removes its directory."""
        self._stream.close()


def make_marker() -> str:
    """A word that no login banner prints, and no command's output holds."""
    return "packstack-lite-" + secrets.token_hex(8)


def encode_batch(commands: Sequence[Command]) -> bytes:
    """The bytes of a batch for LOOP: slow commands begin first."""
    order = sorted(range(len(commands)), key=lambda index: not commands[index].concurrent)
    steps = [_encode_command(index, commands[index]) for index in order]
    program = "".join([*steps, f"answer {len(commands)}\n"]).encode()
    return b"".join([b"%d\n" % len(program), program, *(commands[index].stdin for index in order)])


def _encode_command(index: int, command: Command) -> str:
    stdin_path, read_input = "/dev/null", ""
    if command.stdin:
        stdin_path, read_input = f'"$d/{index}.in"', f"input {index} {len(command.stdin)}\n"
    background_suffix = " &" * command.concurrent
    return f"{read_input}script {index} {quote_sh(command.script)}\none {index} {command.timeout:g} {stdin_path}{background_suffix}\n"
