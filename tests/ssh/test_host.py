"""The root shell and the push, against a real OpenSSH server, with counted flights."""

from __future__ import annotations

import hashlib
import stat
import time

import pytest

from packstack_lite.errors import ConnectError, PackstackLiteError, PhaseError
from packstack_lite.remote.command import Command, FileItem
from packstack_lite.remote.connections import LocalConnection, SshConnection
from packstack_lite.secret import Masker, Secret


def test_replies_in_order_with_code_and_both_outputs(host):
    replies = host.run([Command("echo one; echo two >&2; exit 3"), Command("cat", b"x y\n"), Command("true")])
    assert [(reply.code, reply.out, reply.err) for reply in replies] == [
        (3, "one\n", "two\n"),
        (0, "x y\n", ""),
        (0, "", ""),
    ]


def test_root_in_a_plain_environment(host):
    reply = host.run([Command("id -u; echo $LC_ALL; umask; echo $PACKSTACK_LITE_SHELL; pwd")])[0]
    uid, locale, mask, shell, _ = reply.out.splitlines()
    assert (uid, locale, mask) == ("0", "C.UTF-8", "0022")
    assert shell.isdigit()


def test_a_hung_command_is_ended_and_the_next_answers(host):
    began = time.monotonic()
    replies = host.run([Command("sleep 60", timeout=1), Command("echo next")])
    assert [reply.code for reply in replies] == [124, 0]
    assert time.monotonic() - began < 20


def test_input_that_nobody_reads_does_not_leak_into_the_next(host):
    replies = host.run([Command("true", b"x" * 5_000_000), Command("wc -c", b"y" * 3_000_000), Command("echo end")])
    assert [reply.out.strip() for reply in replies] == ["", "3000000", "end"]


def test_slow_commands_run_beside_the_others_and_keep_their_place(host):
    began = time.monotonic()
    replies = host.run(
        [Command("sleep 2; echo a", concurrent=True), Command("echo b"), Command("sleep 2; echo c", concurrent=True)]
    )
    assert [reply.out for reply in replies] == ["a\n", "b\n", "c\n"]
    assert time.monotonic() - began < 3.8


def test_large_and_binary_output_and_long_scripts(host):
    script = "# " + "x" * 300_000 + "\nhead -c 3000000 /dev/zero | tr '\\0' a"
    large, binary = host.run([Command(script), Command("printf '\\377\\000\\n'")])
    assert len(large.out) == 3_000_000
    assert binary.out == "\ufffd\x00\n"


def test_connecting_and_sixty_probes_keep_to_their_flights(target, wire, tmp_path):
    host = SshConnection(target(port=wire.port, known_hosts=str(tmp_path) + ".known", accept_new=True))
    try:
        assert wire.flights <= 8, "connect and root shell"
        assert host.round_trips == 6
        before = wire.flights
        replies = host.run([Command(f"echo {number}") for number in range(60)])
        assert [reply.out for reply in replies] == [f"{number}\n" for number in range(60)]
        assert wire.flights - before == 1
    finally:
        host.close()


def test_sixty_files_are_one_flight(target, wire, tmp_path):
    host = SshConnection(target(port=wire.port, known_hosts=str(tmp_path) + ".known", accept_new=True))
    try:
        before = wire.flights
        host.push([FileItem(f"{tmp_path}/{number}", b"x" * 2048, 0o640) for number in range(60)])
        assert wire.flights - before == 1
        assert len(list(tmp_path.iterdir())) == 60
    finally:
        host.close()


@pytest.fixture
def local(monkeypatch, tmp_path):
    """Push keeps its own records out of /var/lib in these tests."""
    monkeypatch.setattr("packstack_lite.remote.push.STATE_DIR", str(tmp_path / "home"))


HOSTILE = [
    "plain",
    "with space",
    "quo'te",
    'dou"ble',
    "$dollar`tick`",
    "-dash",
    "back\\slash",
    "ümläut",
    "a;b&c|d",
    "*",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_content_arrive_as_they_are(host, local, tmp_path, name):
    content = bytes(range(256)) * 40
    host.push([FileItem(f"{tmp_path}/deep/er/{name}", content, 0o600)])
    place = tmp_path / "deep/er" / name
    assert place.read_bytes() == content
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o755


def test_what_was_there_before_is_kept_once(host, local, tmp_path):
    place, kept = tmp_path / "a.conf", tmp_path / "a.conf.packstack-lite.orig"
    place.write_text("theirs")
    for text in (b"ours", b"ours again"):
        host.push([FileItem(str(place), text)])
    assert (place.read_bytes(), kept.read_text()) == (b"ours again", "theirs")
    host.push([FileItem(str(tmp_path / "new.conf"), b"1")])
    host.push([FileItem(str(tmp_path / "new.conf"), b"2")])
    assert not (tmp_path / "new.conf.packstack-lite.orig").exists()


def test_a_link_is_followed(host, local, tmp_path):
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    host.push([FileItem(str(tmp_path / "link"), b"y")])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "y"


def test_a_file_that_cannot_be_put_is_named_and_the_others_are(host, local, tmp_path):
    with pytest.raises(PhaseError, match=r"bad\.conf"):
        host.push(
            [FileItem(f"{tmp_path}/bad.conf", b"x", group="no-such-group"), FileItem(f"{tmp_path}/good.conf", b"y")]
        )
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["good.conf"]


def test_commands_before_and_after_a_push(host, local, tmp_path):
    place = f"{tmp_path}/f"
    replies = host.push([FileItem(place, b"in")], [Command(f"test -e {place}")], [Command(f"cat {place}")])
    assert [(reply.code, reply.out) for reply in replies] == [(1, ""), (0, "in")]


def test_nothing_of_ours_stays_in_run(target, tmp_path):
    host = SshConnection(target())
    mine = host.run([Command("ls -d /run/packstack-lite.*")])[0].out.split()
    assert mine
    host.close()
    time.sleep(1)
    local = LocalConnection()
    try:
        left = local.run([Command("ls -d /run/packstack-lite.*")])[0].out.split()
    finally:
        local.close()
    assert not set(mine) & set(left)


def test_a_lost_connection_is_told_and_the_next_run_connects_again(target, wire, tmp_path):
    host = SshConnection(target(port=wire.port, known_hosts=str(tmp_path) + ".known", accept_new=True))
    try:
        wire.cut()
        with pytest.raises(ConnectError, match="connection was lost"):
            host.run([Command("true")])
        assert host.run([Command("echo back")])[0].out == "back\n"
    finally:
        host.close()


def test_a_secret_in_a_script_is_a_bug_that_never_reaches_the_host(host):
    host.masker = Masker([Secret("open sesame")])
    with pytest.raises(PackstackLiteError, match="process list"):
        host.run([Command("echo 'open sesame'", description="tell")])
    assert host.run([Command("cat", b"open sesame")])[0].out == "open sesame"


def test_this_machine_without_ssh(tmp_path):
    host = LocalConnection()
    try:
        text = b"x" * 100_000
        reply = host.run([Command("sha256sum", text)])[0]
    finally:
        host.close()
    assert reply.out.split()[0] == hashlib.sha256(text).hexdigest()
