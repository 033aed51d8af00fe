"""answers migrate and answers diff, as they are typed."""

from __future__ import annotations

import json
import stat
import subprocess
import sys

import pytest

from packstack_lite.answers import read_answer_file
from packstack_lite.cli.app import cli
from tests.conftest import PROJECT, cli_runner

HAVANA = PROJECT / "tests/facts/answers/havana.txt"


def run(*words):
    return cli_runner().invoke(cli, [str(word) for word in words])


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.txt"
    lines = ["CONFIG_MYSQL_PW=open-sesame", "CONFIG_KEYSTONE_TOKEN_FORMAT=UUID", "CONFIG_NAGIOS_PW=close-sesame"]
    path.write_text("\n".join(["[general]", *lines, "CONFIG_NOBODY=some-sesame", ""]))
    return path


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_migrate_writes_a_private_file_and_tells_each_change_without_secrets(old, tmp_path):
    before, new = old.read_bytes(), tmp_path / "new.txt"
    ended = run("answers", "migrate", old, "--to", new)
    assert ended.exit_code == 0 and ended.stdout == ""
    assert mode(new) == 0o600 and old.read_bytes() == before
    assert {name: text for name, (text, _) in read_answer_file(new).answers.items()} == {
        "CONFIG_MARIADB_PW": "open-sesame",
        "CONFIG_KEYSTONE_TOKEN_FORMAT": "FERNET",
    }
    for word in ("old.txt:2: CONFIG_MYSQL_PW is an old name of CONFIG_MARIADB_PW", "=UUID is read as FERNET", "Nagios"):
        assert word in ended.stderr
    assert "CONFIG_NOBODY is unknown" in ended.stderr and "4 changes" in ended.stderr
    assert "sesame" not in ended.stderr
    assert run("--validate-answer-file", new).stdout.endswith("valid, 0 warnings\n")


def test_migrate_tells_its_changes_to_scripts_without_secrets(old, tmp_path):
    ended = run("answers", "migrate", old, "--output", "json")
    assert ended.exit_code == 0 and "sesame" not in ended.output
    told = json.loads(ended.stdout)
    assert told["schema"] == 1 and told["written"] is None
    changes = {change["name"]: change for change in told["changes"]}
    assert changes["CONFIG_MYSQL_PW"]["now"] == "CONFIG_MARIADB_PW"
    assert changes["CONFIG_MYSQL_PW"]["before"] is changes["CONFIG_MYSQL_PW"]["after"] is None
    format = changes["CONFIG_KEYSTONE_TOKEN_FORMAT"]
    assert (format["kind"], format["before"], format["after"]) == ("replaced", "UUID", "FERNET")
    assert [changes[name]["kind"] for name in ("CONFIG_NAGIOS_PW", "CONFIG_NOBODY")] == ["removed", "unknown"]
    assert all("why" in change and change["line"] for change in changes.values())
    new = tmp_path / "new.txt"
    assert json.loads(run("answers", "migrate", old, "--to", new, "--output=json").stdout)["written"] == str(new)
    assert mode(new) == 0o600


@pytest.mark.parametrize("what", ["file", "link", "itself"])
def test_migrate_never_replaces_a_file(old, tmp_path, what):
    new = old if what == "itself" else tmp_path / "new.txt"
    if what == "file":
        new.write_text("mine")
    elif what == "link":
        new.symlink_to(tmp_path / "nowhere")
    before = old.read_bytes()
    ended = cli_runner().invoke(cli, ["answers", "migrate", str(old), "--to", str(new)], standalone_mode=True)
    assert ended.exit_code == 2 and "never replaced" in ended.stderr
    assert old.read_bytes() == before
    assert what != "file" or new.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("told", ["a file that is not there", "a file of bytes"])
def test_migrate_says_when_there_is_nothing_to_read(tmp_path, told):
    path = tmp_path / "old.txt"
    if "bytes" in told:
        path.write_bytes(b"\0\1")
    ended = run("answers", "migrate", path)
    assert ended.exit_code == 2 and ended.stdout == "" and "old.txt" in ended.stderr


def test_migrate_behind_an_arrow_makes_that_file_private(tmp_path):
    """A process of its own: the shell's file is its stdout."""
    new = tmp_path / "new.txt"
    new.touch(0o644)
    words = [sys.executable, "-m", "packstack_lite", "answers", "migrate", str(HAVANA)]
    with new.open("w") as target:
        done = subprocess.run(words, stdout=target, stderr=subprocess.PIPE, cwd=PROJECT, timeout=60, check=False)
    assert done.returncode == 0 and mode(new) == 0o600
    assert read_answer_file(new).answers["CONFIG_MARIADB_PW"][0] == "of-havana-mysql-pw"


def test_diff_is_quiet_about_what_is_the_same(old):
    ended = run("answers", "diff", old, old)
    assert (ended.exit_code, ended.stdout) == (0, "the answers are the same\n")
    ended = run("answers", "diff", old, old, "--output=json")
    assert json.loads(ended.stdout) == {"schema": 1, "differences": []}


def test_diff_after_migrate_finds_nothing(old, tmp_path):
    run("answers", "migrate", old, "--to", tmp_path / "new.txt")
    assert run("answers", "diff", old, tmp_path / "new.txt").exit_code == 0


def test_diff_tells_values_and_origins_and_masks_secrets(old, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("[general]\nCONFIG_DEBUG_MODE=y\nCONFIG_MARIADB_PW=other-sesame\n")
    ended = run("answers", "diff", old, other, "--color=never")
    assert ended.exit_code == 10
    assert "sesame" not in ended.output
    assert ended.stdout.splitlines() == [
        f"--- {old}",
        f"+++ {other}",
        "CONFIG_DEBUG_MODE",
        "  - n  from default",
        f"  + y  from {other}:2",
        "CONFIG_MARIADB_PW",
        f"  - differs  from {old}:2",
        f"  + differs  from {other}:3",
    ]
    assert "2 differences" in ended.stderr


def test_diff_for_scripts(old, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("[general]\nCONFIG_MARIADB_PW=other-sesame\nCONFIG_SWIFT_STORAGE_ZONES=3\n")
    ended = run("answers", "diff", old, other, "--output=json")
    assert ended.exit_code == 10 and "sesame" not in ended.output
    assert json.loads(ended.stdout)["differences"] == [
        {
            "name": "CONFIG_MARIADB_PW",
            "secret": True,
            "counts": True,
            "a": {"value": "***", "origin": f"{old}:2"},
            "b": {"value": "***", "origin": f"{other}:2"},
        },
        {
            "name": "CONFIG_SWIFT_STORAGE_ZONES",
            "secret": False,
            "counts": False,
            "a": {"value": "1", "origin": "default"},
            "b": {"value": "3", "origin": f"{other}:3"},
        },
    ]


def test_diff_tells_faults_of_both_files(old, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("[general]\nCONFIG_NEUTRON_INSTALL=n\n")
    ended = run("answers", "diff", old, other)
    assert ended.exit_code == 2 and f"{other}:2: CONFIG_NEUTRON_INSTALL=n" in ended.stderr
