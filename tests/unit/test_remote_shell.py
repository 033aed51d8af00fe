"""SHELL_LOOP in the shells that nodes have, and errors on its stream."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest

from packstack_lite.errors import ConnectError, PhaseError
from packstack_lite.remote.command import Command, Job
from packstack_lite.remote.connections import LocalConnection
from packstack_lite.remote.shell import SHELL_LOOP, Shell, encode_batch, make_marker


class Process:
    """SHELL_LOOP in a shell of this machine."""

    def __init__(self, prelude: str, marker: str, shell: str = "sh") -> None:
        self.process = subprocess.Popen(
            [shell, "-c", prelude + SHELL_LOOP, "sh", marker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def send(self, data: bytes) -> None:
        self.process.stdin.write(data)

    def receive(self, size: int) -> bytes:
        return self.process.stdout.read(size)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


class CannedStream:
    """A stream that returns a fixed text, in pieces of at most ``piece`` bytes."""

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
    assert shutil.which(request.param), f"{request.param} is not installed"
    marker = make_marker()
    stream = Process("", marker, request.param)
    yield Shell(stream, "node", marker)
    stream.close()


@pytest.mark.parametrize(
    "script",
    ["printf %s 'it'\"'\"'s'", "printf '%s' '%d \\n $x `y`'", "cat <<'END'\nline\nEND\n", "# nothing\n\n", "echo ü"],
)
def test_scripts_arrive_unchanged(shell, script):
    expected = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert shell.run([Command(script)])[0].out == expected.stdout.decode()


def test_output_that_looks_like_the_protocol_is_kept(shell):
    fake_protocol = "\nover\n next\n0:0\n"
    replies = shell.run([Command("cat; cat /dev/null", fake_protocol.encode()), Command("printf 'no newline'; exit 7")])
    assert [(reply.code, reply.out) for reply in replies] == [(0, fake_protocol), (7, "no newline")]


def test_a_background_process_neither_delays_nor_breaks_replies(shell, tmp_path):
    started_at = time.monotonic()
    going = tmp_path / "going"
    going.touch()
    noisy = f"(i=0; while [ $i -lt 400 ] && [ -e {going} ]; do echo noise; sleep 0.05; i=$((i+1)); done) & echo begun"
    assert "begun" in shell.run([Command(noisy)])[0].out
    for number in range(5):
        assert shell.run([Command(f"echo {number}")])[0].out == f"{number}\n"
    assert time.monotonic() - started_at < 19
    going.unlink()


def test_a_broken_script_affects_only_its_own_reply(shell):
    replies = shell.run([Command("if"), Command("exit 3"), Command("kill -9 $$"), Command("echo well")])
    assert [reply.code for reply in replies[:2]] == [2, 3]
    assert replies[2].code in (137, 265)
    assert replies[3].out == "well\n"


def test_no_input_remains_in_files(shell):
    search = "grep -rl 'ope[n] sesame' $(dirname $0)"
    same, later = shell.run([Command("true", b"open sesame"), Command(search)])[1], shell.run([Command(search)])[0]
    assert [(reply.code, reply.out) for reply in (same, later)] == [(1, ""), (1, "")]


def test_a_command_that_removes_the_shell_s_directory_is_an_error(shell):
    with pytest.raises(ConnectError, match="is incomplete"):
        shell.run([Command("rm -rf $(dirname $0)")])


def test_payloads_follow_in_the_order_they_are_read():
    data = encode_batch([Command("a", b"AA"), Command("b", b"BBB", concurrent=True), Command("c")])
    size, remaining = data.split(b"\n", 1)
    program, payload = remaining[: int(size)].decode(), remaining[int(size) :]
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


def test_output_of_login_and_rc_files_is_skipped():
    marker = make_marker()
    stream = Process("echo Welcome; printf 'no newline here';", marker)
    try:
        assert Shell(stream, "node", marker).run([Command("echo in")])[0].out == "in\n"
    finally:
        stream.close()


def test_replies_may_arrive_byte_by_byte():
    text = b"hello\n\nw ready\n0 2 \nw next\nout\n\nw next\nerr\nw next\n\nw next\n\nw over\n"
    replies = Shell(CannedStream(text, piece=1), "node", "w").run([Command("a"), Command("b")])
    assert [(reply.code, reply.out, reply.err) for reply in replies] == [(0, "out\n", "err"), (2, "", "")]


def test_a_login_without_a_shell_is_quoted():
    banner = b'Please login as the user "cloud" rather than the user "root".\n'
    with pytest.raises(ConnectError, match='Please login as the user "cloud"') as caught:
        Shell(CannedStream(banner), "node", "w")
    assert "USER@HOST" in caught.value.hint


def test_a_missing_timeout_command_names_its_package():
    with pytest.raises(ConnectError) as caught:
        Shell(CannedStream(b"\nw no-timeout\n"), "node", "w")
    assert "coreutils" in caught.value.hint


def test_an_end_in_the_middle_of_a_reply_is_a_lost_connection():
    shell = Shell(CannedStream(b"\nw ready\n0 \nw next\nhalf"), "node", "w")
    with pytest.raises(ConnectError, match="connection was lost"):
        shell.run([Command("a")])


@pytest.mark.parametrize(
    ("installed", "lc_all", "lc_ctype"),
    [
        ("C\nC.utf8\nPOSIX", "C.UTF-8", "C.utf8"),
        ("C\nC.UTF-8\nen_US.utf8", "C.UTF-8", "C.UTF-8"),
        ("C\nPOSIX\nde_DE.utf8\nen_US\nen_US.iso88591\nen_US.utf8", "", "en_US.utf8"),
        ("C\nPOSIX\nde_DE.utf8", "", "C"),
        (None, "", "C"),
    ],
)
@pytest.mark.parametrize("shell_name", ["dash", "bash"])
def test_a_locale_that_is_not_installed_is_not_used(shell_name, installed, lc_all, lc_ctype):
    """EL 7 has no C.UTF-8; with it bash would print a warning on standard error."""
    locale_body = "return 127" if installed is None else f"printf '%s\\n' '{installed}'"
    marker = make_marker()
    stream = Process(f"export LC_ALL=de_DE LC_MESSAGES=de_DE; locale() {{ {locale_body}; }};", marker, shell_name)
    try:
        shell = Shell(stream, "node", marker)
        reply = shell.run([Command('echo "$LC_ALL|$LC_CTYPE|$LANG|${LC_MESSAGES-none}"')])[0]
    finally:
        stream.close()
    assert (reply.out, reply.err) == (f"{lc_all}|{lc_ctype}|C|none\n", "")


class Watcher:
    """Hears of no job's end."""

    def job_started(self, job):
        pass


def test_a_node_that_has_rebooted_ends_the_run():
    connection = LocalConnection()
    try:
        assert len(connection._boot_id.split()) == 2
        connection.close()
        # The same boot: the connection is opened again.
        assert connection.run([Command("echo a")])[0].out == "a\n"
        connection._boot_id = "another 1"
        connection.close()
        with pytest.raises(PhaseError, match="localhost: it has rebooted since this run began") as error:
            connection.run_jobs([Job("a", "true")], Watcher())
        assert "run the same command again" in error.value.hint
    finally:
        connection.close()
