"""The root shell's loop, run by the shells that hosts have, and what goes wrong on its stream."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest

from packstack_lite.errors import ConnectError
from packstack_lite.remote.command import Command
from packstack_lite.remote.shell import SHELL_LOOP, Shell, encode_batch, make_marker


class Process:
    """LOOP in a shell of this machine."""

    def __init__(self, before: str, word: str, shell: str = "sh") -> None:
        self.process = subprocess.Popen(
            [shell, "-c", before + SHELL_LOOP, "sh", word], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def send(self, data: bytes) -> None:
        self.process.stdin.write(data)

    def receive(self, size: int) -> bytes:
        return self.process.stdout.read(size)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


class Canned:
    """A host that says what it is told to say, in pieces of a size."""

    def __init__(self, text: bytes, piece: int = 1 << 16) -> None:
        self.text, self.piece, self.sent = text, piece, b""

    def send(self, data: bytes) -> None:
        self.sent += data

    def receive(self, size: int) -> bytes:
        data, self.text = self.text[: self.piece], self.text[self.piece :]
        return data

    def close(self) -> None:
        self.text = b""


@pytest.fixture(params=["dash", "bash"])
def shell(request):
    assert shutil.which(request.param), f"no {request.param} here to test with"
    word = make_marker()
    stream = Process("", word, request.param)
    yield Shell(stream, "host", word)
    stream.close()


@pytest.mark.parametrize(
    "script",
    ["printf %s 'it'\"'\"'s'", "printf '%s' '%d \\n $x `y`'", "cat <<'END'\nline\nEND\n", "# nothing\n\n", "echo ü"],
)
def test_scripts_arrive_as_they_are(shell, script):
    wanted = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert shell.run([Command(script)])[0].out == wanted.stdout.decode()


def test_no_line_of_the_output_is_taken_for_ours(shell):
    trick = "\nover\n next\n0:0\n"
    both = shell.run([Command("cat; cat /dev/null", trick.encode()), Command("printf 'no newline'; exit 7")])
    assert [(reply.code, reply.out) for reply in both] == [(0, trick), (7, "no newline")]


def test_a_process_left_behind_does_not_hold_up_or_break_the_answers(shell):
    began = time.monotonic()
    noisy = "(i=0; while [ $i -lt 40 ]; do echo noise; sleep 0.05; i=$((i+1)); done) & echo begun"
    assert "begun" in shell.run([Command(noisy)])[0].out
    for number in range(5):
        assert shell.run([Command(f"echo {number}")])[0].out == f"{number}\n"
    assert time.monotonic() - began < 1.9


def test_a_broken_script_spoils_only_its_own_reply(shell):
    replies = shell.run([Command("if"), Command("exit 3"), Command("kill -9 $$"), Command("echo well")])
    assert [reply.code for reply in replies[:2]] == [2, 3]
    assert replies[2].code in (137, 265)
    assert replies[3].out == "well\n"


def test_input_does_not_stay_in_files(shell):
    search = "grep -rl 'ope[n] sesame' $(dirname $0)"
    same, later = shell.run([Command("true", b"open sesame"), Command(search)])[1], shell.run([Command(search)])[0]
    assert [(reply.code, reply.out) for reply in (same, later)] == [(1, ""), (1, "")]


def test_a_command_that_takes_our_directory_away_is_told_of(shell):
    with pytest.raises(ConnectError, match="not whole"):
        shell.run([Command("rm -rf $(dirname $0)")])


def test_payloads_follow_in_the_order_they_are_read():
    data = encode_batch([Command("a", b"AA"), Command("b", b"BBB", concurrent=True), Command("c")])
    size, rest = data.split(b"\n", 1)
    program, payload = rest[: int(size)].decode(), rest[int(size) :]
    assert payload == b"BBBAA"
    steps = [line for line in program.splitlines() if not line.startswith("script")]
    assert steps == [
        "input 1 3",
        'one 1 120 "$d/1.in" &',
        "input 0 2",
        'one 0 120 "$d/0.in"',
        "one 2 120 /dev/null",
        "answer 3",
    ]


def test_noise_of_login_and_rc_files_is_passed_over():
    word = make_marker()
    stream = Process("echo Welcome; printf 'no newline here';", word)
    try:
        assert Shell(stream, "host", word).run([Command("echo in")])[0].out == "in\n"
    finally:
        stream.close()


def test_answers_in_the_smallest_pieces():
    text = b"hello\n\nw ready\n0 2 \nw next\nout\n\nw next\nerr\nw next\n\nw next\n\nw over\n"
    replies = Shell(Canned(text, piece=1), "host", "w").run([Command("a"), Command("b")])
    assert [(reply.code, reply.out, reply.err) for reply in replies] == [(0, "out\n", "err"), (2, "", "")]


def test_a_host_that_lets_in_and_then_shows_the_door_is_quoted():
    said = b'Please login as the user "cloud" rather than the user "root".\n'
    with pytest.raises(ConnectError, match='Please login as the user "cloud"') as fault:
        Shell(Canned(said), "host", "w")
    assert "USER@HOST" in fault.value.hint


def test_a_host_without_timeout_is_told_what_to_install():
    with pytest.raises(ConnectError) as fault:
        Shell(Canned(b"\nw no-timeout\n"), "host", "w")
    assert "coreutils" in fault.value.hint


def test_an_end_in_the_middle_of_an_answer_is_a_lost_connection():
    shell = Shell(Canned(b"\nw ready\n0 \nw next\nhalf"), "host", "w")
    with pytest.raises(ConnectError, match="connection was lost"):
        shell.run([Command("a")])


@pytest.mark.parametrize(
    ("installed", "everything", "characters"),
    [
        ("C\nC.utf8\nPOSIX", "C.UTF-8", "C.utf8"),
        ("C\nC.UTF-8\nen_US.utf8", "C.UTF-8", "C.UTF-8"),
        ("C\nPOSIX\nde_DE.utf8\nen_US\nen_US.iso88591\nen_US.utf8", "", "en_US.utf8"),
        ("C\nPOSIX\nde_DE.utf8", "", "C"),
        (None, "", "C"),
    ],
)
@pytest.mark.parametrize("kind", ["dash", "bash"])
def test_a_locale_that_is_not_there_is_not_taken(kind, installed, everything, characters):
    """EL7 has no C.UTF-8: bash itself would complain of it on standard error."""
    told = "return 127" if installed is None else f"printf '%s\\n' '{installed}'"
    word = make_marker()
    stream = Process(f"export LC_ALL=de_DE LC_MESSAGES=de_DE; locale() {{ {told}; }};", word, kind)
    try:
        shell = Shell(stream, "host", word)
        reply = shell.run([Command('echo "$LC_ALL|$LC_CTYPE|$LANG|${LC_MESSAGES-none}"')])[0]
    finally:
        stream.close()
    assert (reply.out, reply.err) == (f"{everything}|{characters}|C|none\n", "")
