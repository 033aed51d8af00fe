"""``answers migrate`` and ``answers diff`` on the command line."""

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


def run(*argv):
    return cli_runner().invoke(cli, [str(word) for word in argv])


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.txt"
    lines = ["CONFIG_MYSQL_PW=open-sesame", "CONFIG_KEYSTONE_TOKEN_FORMAT=UUID", "CONFIG_NAGIOS_PW=close-sesame"]
    path.write_text("\n".join(["[general]", *lines, "CONFIG_NOBODY=some-sesame", ""]))
    return path


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_migrate_writes_a_private_file_and_reports_each_change_without_secrets(old, tmp_path):
    before, new = old.read_bytes(), tmp_path / "new.txt"
    result = run("answers", "migrate", old, "--to", new)
    assert result.exit_code == 0 and result.stdout == ""
    assert mode(new) == 0o600 and old.read_bytes() == before
    assert {name: text for name, (text, _) in read_answer_file(new).answers.items()} == {
        "CONFIG_MARIADB_PW": "open-sesame",
        "CONFIG_KEYSTONE_TOKEN_FORMAT": "FERNET",
    }
    for sentence in (
        "old.txt:2: CONFIG_MYSQL_PW is an old name of CONFIG_MARIADB_PW",
        "=UUID is read as FERNET",
        "Nagios",
    ):
        assert sentence in result.stderr
    assert "CONFIG_NOBODY is unknown" in result.stderr and "4 changes" in result.stderr
    assert "sesame" not in result.stderr
    assert run("--validate-answer-file", new).stdout.endswith("valid, 0 warnings\n")


def test_migrate_prints_its_changes_as_json_without_secrets(old, tmp_path):
    result = run("answers", "migrate", old, "--output", "json")
    assert result.exit_code == 0 and "sesame" not in result.output
    payload = json.loads(result.stdout)
    assert payload["schema"] == 1 and payload["written"] is None
    changes = {change["name"]: change for change in payload["changes"]}
    assert changes["CONFIG_MYSQL_PW"]["now"] == "CONFIG_MARIADB_PW"
    assert changes["CONFIG_MYSQL_PW"]["before"] is changes["CONFIG_MYSQL_PW"]["after"] is None
    format = changes["CONFIG_KEYSTONE_TOKEN_FORMAT"]
    assert (format["kind"], format["before"], format["after"]) == ("replaced", "UUID", "FERNET")
    assert [changes[name]["kind"] for name in ("CONFIG_NAGIOS_PW", "CONFIG_NOBODY")] == ["removed", "unknown"]
    assert all("why" in change and change["line"] for change in changes.values())
    new = tmp_path / "new.txt"
    assert json.loads(run("answers", "migrate", old, "--to", new, "--output=json").stdout)["written"] == str(new)
    assert mode(new) == 0o600


@pytest.mark.parametrize("existing", ["file", "link", "itself"])
def test_migrate_never_replaces_a_file(old, tmp_path, existing):
    new = old if existing == "itself" else tmp_path / "new.txt"
    if existing == "file":
        new.write_text("mine")
    elif existing == "link":
        new.symlink_to(tmp_path / "nowhere")
    before = old.read_bytes()
    result = cli_runner().invoke(cli, ["answers", "migrate", str(old), "--to", str(new)], standalone_mode=True)
    assert result.exit_code == 2 and "never replaced" in result.stderr
    assert old.read_bytes() == before
    assert existing != "file" or new.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("case", ["a missing file", "a file of bytes"])
def test_migrate_refuses_a_file_that_cannot_be_read(tmp_path, case):
    path = tmp_path / "old.txt"
    if "bytes" in case:
        path.write_bytes(b"\0\1")
    result = run("answers", "migrate", path)
    assert result.exit_code == 2 and result.stdout == "" and "old.txt" in result.stderr


def test_migrate_makes_the_file_behind_a_redirection_private(tmp_path):
    """Run in a process of its own, whose stdout is the file."""
    new = tmp_path / "new.txt"
    new.touch(0o644)
    argv = [sys.executable, "-m", "packstack_lite", "answers", "migrate", str(HAVANA)]
    with new.open("w") as target:
        completed = subprocess.run(argv, stdout=target, stderr=subprocess.PIPE, cwd=PROJECT, timeout=60, check=False)
    assert completed.returncode == 0 and mode(new) == 0o600
    assert read_answer_file(new).answers["CONFIG_MARIADB_PW"][0] == "of-havana-mysql-pw"


def test_diff_of_equal_answers_reports_no_difference(old):
    result = run("answers", "diff", old, old)
    assert (result.exit_code, result.stdout) == (0, "the answers are the same\n")
    result = run("answers", "diff", old, old, "--output=json")
    assert json.loads(result.stdout) == {"schema": 1, "differences": []}


def test_diff_finds_nothing_after_migrate(old, tmp_path):
    run("answers", "migrate", old, "--to", tmp_path / "new.txt")
    assert run("answers", "diff", old, tmp_path / "new.txt").exit_code == 0


def test_diff_prints_values_and_origins_and_masks_secrets(old, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("[general]\nCONFIG_DEBUG_MODE=y\nCONFIG_MARIADB_PW=other-sesame\n")
    result = run("answers", "diff", old, other, "--color=never")
    assert result.exit_code == 10
    assert "sesame" not in result.output
    assert result.stdout.splitlines() == [
        f"--- {old}",
        f"+++ {other}",
        "CONFIG_DEBUG_MODE",
        "  - n  from default",
        f"  + y  from {other}:2",
        "CONFIG_MARIADB_PW",
        f"  - differs  from {old}:2",
        f"  + differs  from {other}:3",
    ]
    assert "2 differences" in result.stderr


def test_diff_prints_json(old, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("[general]\nCONFIG_MARIADB_PW=other-sesame\nCONFIG_SWIFT_STORAGE_ZONES=3\n")
    result = run("answers", "diff", old, other, "--output=json")
    assert result.exit_code == 10 and "sesame" not in result.output
    assert json.loads(result.stdout)["differences"] == [
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


def test_diff_reports_the_errors_of_both_files(old, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("[general]\nCONFIG_NEUTRON_INSTALL=n\n")
    result = run("answers", "diff", old, other)
    assert result.exit_code == 2 and f"{other}:2: CONFIG_NEUTRON_INSTALL=n" in result.stderr
