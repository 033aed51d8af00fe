"""One persistent root shell with framed replies: any number of commands, one flight.

The loop on the host is POSIX sh. A request is a header line (id, lengths of script and
stdin, timeout, slow flag) followed by the bytes; a reply is a header line (id, exit code,
lengths of both outputs) followed by the bytes. All requests of a batch are written
before the first reply is awaited, so that a batch costs one turn-around.
"""

from __future__ import annotations

import secrets
import threading
from typing import Dict, List, Protocol, Sequence

from packstack_lite.errors import ConnectFault
from packstack_lite.remote.command import Command, Reply

# Outputs go through files, since only they have a length before they are sent. Input is
# laid in a file too: a command that does not read it must not leave it in the stream.
# A request is read with head -c, which takes no byte more than it is asked for.
LOOP = r"""
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
LC_ALL=C.UTF-8; export LC_ALL
PACKSTACK_LITE_SHELL=$$; export PACKSTACK_LITE_SHELL
umask 022
d=$(mktemp -d /run/packstack-lite.XXXXXX 2>/dev/null || mktemp -d) || exit 71
trap 'rm -rf "$d"' EXIT
trap 'exit 1' HUP TERM INT PIPE
command -v timeout >/dev/null || { printf '%s no-timeout\n' "$1"; exit 72; }
printf '%s ready\n' "$1"
one() {
    timeout -k 2 "$2" sh "$d/$1.sh" < "$d/$1.in" > "$d/$1.out" 2> "$d/$1.err"
    echo $? > "$d/$1.code"
}
tell() {
    o=$(wc -c < "$d/$1.out"); e=$(wc -c < "$d/$1.err")
    printf '%s %s %s %s\n' "$1" "$(cat "$d/$1.code")" $o $e
    cat "$d/$1.out" "$d/$1.err"
    rm -f "$d/$1."*
}
late=
while read -r id script stdin limit slow; do
    if [ "$id" = end ]; then
        wait
        for id in $late; do tell "$id"; done
        late=
        continue
    fi
    head -c "$script" > "$d/$id.sh"
    head -c "$stdin" > "$d/$id.in"
    if [ "$slow" = 1 ]; then
        one "$id" "$limit" &
        late="$late $id"
    else
        one "$id" "$limit"
        tell "$id"
    fi
done
"""


class Stream(Protocol):
    """Bytes both ways to a root ``sh``; ``receive`` returns b"" at the end."""

    def send(self, data: bytes) -> None: ...

    def receive(self, size: int) -> bytes: ...

    def close(self) -> None: ...


class Shell:
    """Talks to LOOP over a stream."""

    def __init__(self, stream: Stream, name: str, greeting: str) -> None:
        self._stream = stream
        self._name = name
        self._buffer = b""
        self._await(greeting)

    def _await(self, greeting: str) -> None:
        while True:
            line = self._line().decode(errors="replace")
            if line == f"{greeting} ready":
                return
            if line == f"{greeting} no-timeout":
                raise ConnectFault(f"{self._name}: has no 'timeout' command", "install its package coreutils")

    def run(self, commands: Sequence[Command]) -> List[Reply]:
        """Replies in the order of the commands; slow ones run beside the others."""
        if not commands:
            return []
        order = sorted(range(len(commands)), key=lambda place: not commands[place].slow)
        request = b"".join(_request(place, commands[place]) for place in order) + b"end\n"
        writer = threading.Thread(target=self._write, args=(request,), daemon=True)
        writer.start()
        replies: Dict[int, Reply] = dict(self._reply() for _ in commands)
        writer.join()
        return [replies[place] for place in range(len(commands))]

    def _write(self, request: bytes) -> None:
        try:
            self._stream.send(request)
        except OSError:
            # The reader meets the same end of the stream and tells of it.
            self._stream.close()

    def _reply(self) -> "tuple[int, Reply]":
        place, code, out, err = (int(word) for word in self._line().split())
        stdout, stderr = self._bytes(out), self._bytes(err)
        return place, Reply(code, stdout.decode(errors="replace"), stderr.decode(errors="replace"))

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._more()
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def _bytes(self, count: int) -> bytes:
        parts = [self._buffer]
        have = len(self._buffer)
        while have < count:
            self._buffer = b""
            self._more()
            parts.append(self._buffer)
            have += len(self._buffer)
        data = b"".join(parts)
        self._buffer = data[count:]
        return data[:count]

    def _more(self) -> None:
        data = self._stream.receive(1 << 16)
        if not data:
            raise ConnectFault(f"{self._name}: the connection was lost", "run the same command again: it resumes")
        self._buffer += data

    def close(self) -> None:
        """End the loop on the host; it removes its directory."""
        self._stream.close()


def greeting() -> str:
    """A word that no login banner prints."""
    return "packstack-lite-" + secrets.token_hex(8)


def _request(place: int, command: Command) -> bytes:
    script = command.script.encode()
    header = f"{place} {len(script)} {len(command.stdin)} {command.timeout:g} {int(command.slow)}\n"
    return header.encode() + script + command.stdin
