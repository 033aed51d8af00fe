"""The root shell and the push, against a real OpenSSH server, with counted round trips."""

from __future__ import annotations

import hashlib
import stat
import time

import pytest

from packstack_lite.engine import lock
from packstack_lite.errors import ConnectError, LockedError, PackstackLiteError, PhaseError
from packstack_lite.remote.command import Command, FileItem
from packstack_lite.remote.connections import LocalConnection, SshConnection
from packstack_lite.secret import Masker, Secret


def test_replies_come_in_order_with_code_and_both_outputs(connection):
    replies = connection.run([Command("echo one; echo two >&2; exit 3"), Command("cat", b"x y\n"), Command("true")])
    assert [(reply.code, reply.out, reply.err) for reply in replies] == [
        (3, "one\n", "two\n"),
        (0, "x y\n", ""),
        (0, "", ""),
    ]


def test_commands_run_as_root_in_a_plain_environment(connection):
    reply = connection.run([Command("id -u; echo $LC_ALL; umask; echo $PACKSTACK_LITE_SHELL; pwd")])[0]
    uid, locale, mask, shell, _ = reply.out.splitlines()
    assert (uid, locale, mask) == ("0", "C.UTF-8", "0022")
    assert shell.isdigit()


def test_a_hung_command_is_killed_and_the_next_one_runs(connection):
    started_at = time.monotonic()
    replies = connection.run([Command("sleep 60", timeout=1), Command("echo next")])
    assert [reply.code for reply in replies] == [124, 0]
    assert time.monotonic() - started_at < 20


def test_unread_input_does_not_reach_the_next_command(connection):
    replies = connection.run(
        [Command("true", b"x" * 5_000_000), Command("wc -c", b"y" * 3_000_000), Command("echo end")]
    )
    assert [reply.out.strip() for reply in replies] == ["", "3000000", "end"]


def test_concurrent_commands_run_in_parallel_and_replies_keep_their_order(connection):
    started_at = time.monotonic()
    replies = connection.run(
        [Command("sleep 2; echo a", concurrent=True), Command("echo b"), Command("sleep 2; echo c", concurrent=True)]
    )
    assert [reply.out for reply in replies] == ["a\n", "b\n", "c\n"]
    assert time.monotonic() - started_at < 3.8


def test_large_and_binary_output_and_long_scripts_arrive(connection):
    script = "# " + "x" * 300_000 + "\nhead -c 3000000 /dev/zero | tr '\\0' a"
    large, binary = connection.run([Command(script), Command("printf '\\377\\000\\n'")])
    assert len(large.out) == 3_000_000
    assert binary.out == "\ufffd\x00\n"


def test_connecting_takes_eight_round_trips_and_sixty_commands_take_one(target, relay, tmp_path):
    connection = SshConnection(
        target(port=relay.port, known_hosts_file=str(tmp_path) + ".known", accept_new_host_key=True)
    )
    try:
        assert relay.round_trips <= 8, "connect and root shell"
        assert connection.round_trips == 6
        before = relay.round_trips
        replies = connection.run([Command(f"echo {number}") for number in range(60)])
        assert [reply.out for reply in replies] == [f"{number}\n" for number in range(60)]
        assert relay.round_trips - before == 1
    finally:
        connection.close()


def test_sixty_files_take_one_round_trip(target, relay, tmp_path):
    connection = SshConnection(
        target(port=relay.port, known_hosts_file=str(tmp_path) + ".known", accept_new_host_key=True)
    )
    try:
        before = relay.round_trips
        connection.push([FileItem(f"{tmp_path}/{number}", b"x" * 2048, 0o640) for number in range(60)])
        assert relay.round_trips - before == 1
        assert len(list(tmp_path.iterdir())) == 60
    finally:
        connection.close()


@pytest.fixture
def local(monkeypatch, tmp_path):
    """Keep push's records out of /var/lib."""
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
def test_names_and_content_arrive_unchanged(connection, local, tmp_path, name):
    content = bytes(range(256)) * 40
    connection.push([FileItem(f"{tmp_path}/deep/er/{name}", content, 0o600)])
    path = tmp_path / "deep/er" / name
    assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o755


def test_a_replaced_file_is_kept_once(connection, local, tmp_path):
    path, kept = tmp_path / "a.conf", tmp_path / "a.conf.packstack-lite.orig"
    path.write_text("theirs")
    for text in (b"ours", b"ours again"):
        connection.push([FileItem(str(path), text)])
    assert (path.read_bytes(), kept.read_text()) == (b"ours again", "theirs")
    connection.push([FileItem(str(tmp_path / "new.conf"), b"1")])
    connection.push([FileItem(str(tmp_path / "new.conf"), b"2")])
    assert not (tmp_path / "new.conf.packstack-lite.orig").exists()


def test_a_directory_in_a_file_s_place_makes_room(connection, local, tmp_path):
    """mv would put the file into it and say that all is well."""
    (tmp_path / "a.conf").mkdir()
    (tmp_path / "b.conf").mkdir()
    (tmp_path / "b.conf/note").write_text("theirs")
    connection.push([FileItem(f"{tmp_path}/{name}.conf", b"ours") for name in "ab"])
    assert [(tmp_path / f"{name}.conf").read_bytes() for name in "ab"] == [b"ours", b"ours"]
    assert not (tmp_path / "a.conf.packstack-lite.orig").exists()
    assert (tmp_path / "b.conf.packstack-lite.orig/note").read_text() == "theirs"


def test_a_second_directory_in_a_file_s_place_is_left_alone(connection, local, tmp_path):
    (tmp_path / "a.conf").mkdir()
    (tmp_path / "a.conf/note").write_text("theirs")
    (tmp_path / "a.conf.packstack-lite.orig").write_text("the package's")
    with pytest.raises(PhaseError, match=r"a\.conf: it is a directory with files; move it away"):
        connection.push([FileItem(f"{tmp_path}/a.conf", b"ours")])
    assert (tmp_path / "a.conf/note").read_text() == "theirs"
    assert (tmp_path / "a.conf.packstack-lite.orig").read_text() == "the package's"


def test_a_link_is_followed(connection, local, tmp_path):
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    connection.push([FileItem(str(tmp_path / "link"), b"y")])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "y"


def test_a_file_that_cannot_be_written_is_named_and_the_others_are_written(connection, local, tmp_path):
    with pytest.raises(PhaseError, match=r"bad\.conf"):
        connection.push(
            [FileItem(f"{tmp_path}/bad.conf", b"x", group="no-such-group"), FileItem(f"{tmp_path}/good.conf", b"y")]
        )
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name != "home") == ["good.conf"]


def test_commands_run_before_and_after_a_push(connection, local, tmp_path):
    path = f"{tmp_path}/f"
    replies = connection.push([FileItem(path, b"in")], [Command(f"test -e {path}")], [Command(f"cat {path}")])
    assert [(reply.code, reply.out) for reply in replies] == [(1, ""), (0, "in")]


def test_no_directory_of_ours_remains_in_run(target, tmp_path):
    connection = SshConnection(target())
    # A command's script is in the shell's directory.
    own_directories = connection.run([Command('echo "${0%/*}"')])[0].out.split()
    assert own_directories[0].startswith("/run/packstack-lite.")
    connection.close()
    time.sleep(1)
    local = LocalConnection()
    try:
        remaining = local.run([Command("ls -d /run/packstack-lite.*")])[0].out.split()
    finally:
        local.close()
    assert not set(own_directories) & set(remaining)


def test_a_lost_connection_is_reported_and_the_next_run_reconnects(target, relay, tmp_path):
    connection = SshConnection(
        target(port=relay.port, known_hosts_file=str(tmp_path) + ".known", accept_new_host_key=True)
    )
    try:
        relay.cut()
        with pytest.raises(ConnectError, match="connection was lost"):
            connection.run([Command("true")])
        assert connection.run([Command("echo back")])[0].out == "back\n"
    finally:
        connection.close()


def test_a_secret_in_a_script_is_a_bug_that_never_reaches_the_host(connection):
    connection.masker = Masker([Secret("open sesame")])
    with pytest.raises(PackstackLiteError, match="process list"):
        connection.run([Command("echo 'open sesame'", description="tell")])
    assert connection.run([Command("cat", b"open sesame")])[0].out == "open sesame"


def test_a_local_connection_needs_no_ssh(tmp_path):
    connection = LocalConnection()
    try:
        text = b"x" * 100_000
        reply = connection.run([Command("sha256sum", text)])[0]
    finally:
        connection.close()
    assert reply.out.split()[0] == hashlib.sha256(text).hexdigest()


def test_a_lock_is_taken_again_by_the_shell_of_a_new_connection(target, relay, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_DIR", str(tmp_path / "state" / "lock"))
    known = str(tmp_path) + ".known"
    connection = SshConnection(target(port=relay.port, known_hosts_file=known, accept_new_host_key=True))
    rival = SshConnection(target())
    try:
        with lock.hold_lock(connection, "ann"):
            old_holder = (tmp_path / "state/lock/holder").read_text()
            relay.cut()
            with pytest.raises(ConnectError):
                connection.run([Command("true")])
            shell = connection.run([Command("echo $PACKSTACK_LITE_SHELL")])[0].out.strip()
            new_holder = (tmp_path / "state/lock/holder").read_text()
            assert new_holder.split("\n")[0] == old_holder.split("\n")[0]
            assert new_holder.split("\n")[1].split()[0] == shell
            with pytest.raises(LockedError, match="ann"), lock.hold_lock(rival, "bob"):
                raise AssertionError("two runs at once")
        with lock.hold_lock(rival, "bob"):
            pass
    finally:
        connection.close()
        rival.close()
