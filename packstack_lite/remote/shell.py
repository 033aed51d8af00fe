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

from packstack_lite.errors import ConnectFault
from packstack_lite.remote.command import Command, Reply
from packstack_lite.secret import sh

# Outputs go through files, so that a process left in the background cannot hold the answer
# up; and a random word parts them, since such a process may still write while they are sent.
# Input is laid in a file too: a command that does not read it must not leave it in the
# stream. A payload is read with head -c, which takes no byte more than it is asked for.
# C.UTF-8 came to EL with glibc 2.28 of EL8: on EL7 characters are those of en_US.UTF-8 where it is
# installed, and everything else (order, messages) is as in C. A locale that is not there would make
# bash itself complain on standard error, and Python 2 and 3.6 refuse all but ASCII.
LOOP = r"""
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

    def __init__(self, stream: Stream, name: str, greeting: str) -> None:
        self._stream = stream
        self._name = name
        self._word = greeting
        self._buffer = bytearray()
        self._await()

    def _await(self) -> None:
        """Past whatever login banners and rc files print."""
        said: List[str] = []
        while True:
            try:
                line = self._until(b"\n").decode(errors="replace").strip()
            except ConnectFault as fault:
                raise self._no_shell([*said, self._buffer.decode(errors="replace").strip()]) from fault
            if line == f"{self._word} ready":
                return
            if line == f"{self._word} no-timeout":
                raise ConnectFault(f"{self._name}: has no 'timeout' command", "install its package coreutils")
            said.append(line)

    def _no_shell(self, said: Sequence[str]) -> ConnectFault:
        words = " / ".join(line for line in said if line)[-300:]
        return ConnectFault(
            f"{self._name}: lets us in, but gives no root shell; it says: {words or 'nothing'}",
            "name another user with --host USER@HOST (one with sudo rights), or try: ssh USER@HOST sh -c id",
        )

    def run(self, commands: Sequence[Command]) -> List[Reply]:
        """Replies in the order of the commands; slow ones run beside the others."""
        if not commands:
            return []
        writer = threading.Thread(target=self._write, args=(request(commands),), daemon=True)
        writer.start()
        answer = self._until(f"\n{self._word} over\n".encode())
        writer.join()
        return self._replies(answer, len(commands))

    def _write(self, data: bytes) -> None:
        try:
            self._stream.send(data)
        except OSError:
            # The reader meets the same end of the stream and tells of it.
            self._stream.close()

    def _replies(self, answer: bytes, count: int) -> List[Reply]:
        codes, *outputs = answer.split(f"\n{self._word} next\n".encode())
        numbers = [int(code) for code in codes.split()]
        if len(numbers) != count or len(outputs) != 2 * count:
            raise ConnectFault(
                f"{self._name}: the answer of the root shell is not whole",
                "look for a full /run on the host (df /run), then run the same command again",
            )
        text = [output.decode(errors="replace") for output in outputs]
        return [Reply(code, *text[2 * place : 2 * place + 2]) for place, code in enumerate(numbers)]

    def _until(self, end: bytes) -> bytes:
        """What comes before ``end``, which is taken off the stream too."""
        searched = 0
        while True:
            place = self._buffer.find(end, searched)
            if place >= 0:
                found = bytes(self._buffer[:place])
                del self._buffer[: place + len(end)]
                return found
            searched = max(0, len(self._buffer) - len(end))
            self._more()

    def _more(self) -> None:
        data = self._stream.receive(1 << 16)
        if not data:
            raise ConnectFault(f"{self._name}: the connection was lost", "run the same command again: it resumes")
        self._buffer += data

    def close(self) -> None:
        """End the loop on the host; it removes its directory."""
        self._stream.close()


def greeting() -> str:
    """A word that no login banner prints, and no command's output holds."""
    return "packstack-lite-" + secrets.token_hex(8)


def request(commands: Sequence[Command]) -> bytes:
    """The bytes of a batch for LOOP: slow commands begin first."""
    order = sorted(range(len(commands)), key=lambda place: not commands[place].slow)
    steps = [_step(place, commands[place]) for place in order]
    program = "".join([*steps, f"answer {len(commands)}\n"]).encode()
    return b"".join([b"%d\n" % len(program), program, *(commands[place].stdin for place in order)])


def _step(place: int, command: Command) -> str:
    source, read = "/dev/null", ""
    if command.stdin:
        source, read = f'"$d/{place}.in"', f"input {place} {len(command.stdin)}\n"
    beside = " &" * command.slow
    return f"{read}script {place} {sh(command.script)}\none {place} {command.timeout:g} {source}{beside}\n"
