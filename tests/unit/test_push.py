"""The push, run by dash with the real tools: what it starts, what it leaves, and what a killed one has left."""

from __future__ import annotations

import shutil

import pytest

from packstack_lite.remote.command import FileItem
from packstack_lite.remote.push import make_push_command
from tests.unit.dash import Dash

HOME = "var/lib/packstack-lite"
TOOLS = (
    *("cat", "chmod", "chown", "cp", "cut", "dd", "grep", "gzip", "head", "mkdir", "mktemp", "mv", "readlink", "rm"),
    *("rmdir", "stat", "sync", "tar", "tr", "xargs"),
)
FILES = 60
EL7_SYNC_HELP = "Usage: sync [OPTION]\nForce changed blocks to disk, update the super block.\n"


@pytest.fixture
def dash(tmp_path):
    """A node whose tools leave a note of each start."""
    dash = Dash(tmp_path, moved=("/var/lib/packstack-lite",))
    for name in TOOLS:
        dash.tool(name, f'echo "{name} $*" >> $T/started; exec {shutil.which(name)} "$@"')
    return dash


def items(tmp_path, text=b"x", count=FILES):
    return [FileItem(f"{tmp_path}/etc/{number % 20}/f{number}", text * 2000, 0o640) for number in range(count)]


def started(dash, *names):
    """Return what was started since the last call; of these names only, if any."""
    lines = dash.read_note("started").splitlines()
    (dash.root / "started").unlink()
    return [line for line in lines if not names or line.split()[0] in names]


def push(dash, files):
    reply = dash.run(make_push_command(files))
    assert (reply.code, reply.err) == (0, "")


def test_two_programs_for_each_file_and_one_sync_for_all(dash, tmp_path):
    push(dash, items(tmp_path))
    started(dash)
    push(dash, items(tmp_path, b"y"))
    programs = started(dash)
    assert len(programs) <= 2 * FILES + 20
    syncs = [line for line in programs if line.startswith("sync") and "--help" not in line]
    assert len(syncs) == 1 and syncs[0].count(".packstack-lite.new.") == FILES
    assert all((tmp_path / f"etc/{number % 20}/f{number}").read_bytes() == b"y" * 2000 for number in range(FILES))


def test_a_sync_that_takes_no_files_is_not_used(dash, tmp_path):
    """It would write the whole machine's memory to its disks: coreutils 8.22 of EL 7."""
    (tmp_path / "help").write_text(EL7_SYNC_HELP)
    dash.tool("sync", 'echo "sync $*" >> $T/started; [ "$*" = --help ] && cat $T/help')
    push(dash, items(tmp_path))
    programs = started(dash, "sync", "dd")
    assert [line for line in programs if line.startswith("sync")] == ["sync --help"]
    synced = [line for line in programs if line.startswith("dd") and "fsync" in line]
    assert len(synced) == FILES


def test_nothing_is_renamed_that_could_not_be_synced(dash, tmp_path):
    push(dash, items(tmp_path, count=3))
    dash.tool("sync", f'[ "$*" != --help ] || exec {shutil.which("sync")} --help; echo "I/O error" >&2; exit 1')
    reply = dash.run(make_push_command(items(tmp_path, b"y", 3)))
    assert reply.code == 1 and "I/O error" in reply.err
    assert [line for line in reply.err.splitlines() if line.startswith("cannot write")] == [
        f"cannot write {tmp_path}/etc/{number}/f{number}" for number in range(3)
    ]
    assert [path.read_bytes() for path in sorted((tmp_path / "etc").glob("*/*"))] == [b"x" * 2000] * 3
    assert leftovers(tmp_path) == []


def leftovers(tmp_path):
    """Return what a push may leave: files beside their targets, its own directory."""
    own = [path for path in (tmp_path / HOME).iterdir() if path.name != "files"]
    return sorted([*(tmp_path / "etc").rglob(".*"), *own])


def test_what_a_killed_push_left_is_removed_by_the_next(dash, tmp_path):
    dash.tool("sync", f'[ "$*" != --help ] || exec {shutil.which("sync")} --help; kill -9 $(cat $T/pid)')
    command = make_push_command(items(tmp_path, count=3))
    (tmp_path / "etc").mkdir()
    killed = type(command)(f"echo $$ > {tmp_path}/pid; {command.script}", command.stdin)
    assert dash.run(killed).code == -9
    beside = [path for path in leftovers(tmp_path) if ".packstack-lite.new." in path.name]
    assert len(beside) == 3 and list((tmp_path / HOME).glob("stage.*"))
    dash.tool("sync", f'exec {shutil.which("sync")} "$@"')
    push(dash, items(tmp_path, count=3))
    assert leftovers(tmp_path) == []


def test_a_missing_account_is_named(dash, tmp_path):
    reply = dash.run(make_push_command([FileItem(f"{tmp_path}/a", b"", owner="nobody-at-all")]))
    assert reply.code == 1
    assert f"cannot write {tmp_path}/a: user or group of nobody-at-all:root does not exist" in reply.err
    assert not (tmp_path / "a").exists()
