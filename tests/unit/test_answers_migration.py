"""Migrated answer files keep the answers, list every change, and lose no line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packstack_lite.answers import (
    PARAMETERS_BY_NAME,
    PasswordStore,
    compare_answers,
    describe_changes,
    migrate_answer_file,
    read_answer_file,
    resolve_answers,
)
from packstack_lite.answers.legacy.history import load_old_parameters, modernize_value
from tests.conftest import PROJECT

SAMPLES = PROJECT / "tests/facts/answers"
RELEASES = json.loads((PROJECT / "tests/facts/packstack-history.json").read_text())["releases"]
KINDS = {"renamed", "ignored", "overruled", "disagree", "idle", "removed", "replaced", "added"}
KINDS |= {"unknown", "repeated", "unreadable"}


def sample_answers(release):
    lines = (SAMPLES / f"{release}.txt").read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and line[0] != "#"]


PAIRS = sorted({pair for release in RELEASES for pair in sample_answers(release)})
PRINTABLE = st.text(st.characters(blacklist_categories=("C", "Z"), whitelist_characters=" ")).map(str.strip)
OLD_PASSWORDS = st.tuples(st.sampled_from(["CONFIG_MYSQL_PW", "CONFIG_QUANTUM_KS_PW", "CONFIG_NAGIOS_PW"]), PRINTABLE)
UNKNOWN = st.tuples(st.sampled_from(["CONFIG_NOBODY", "CONFIG_X_PW"]), PRINTABLE)


def write_lines(directory: Path, *lines: str) -> Path:
    path = directory / "old.txt"
    path.write_text("\n".join(["[general]", *lines, ""]), encoding="utf-8")
    return path


def migrate(directory: Path, *lines: str):
    """Return the old file as read, its migration, and the new file as read."""
    old = read_answer_file(write_lines(directory, *lines))
    migration = migrate_answer_file(old)
    path = directory / "new.txt"
    path.write_text(migration.text, encoding="utf-8")
    return old, migration, read_answer_file(path)


@given(st.lists(st.one_of(st.sampled_from(PAIRS), OLD_PASSWORDS, UNKNOWN), max_size=30))
@settings(max_examples=60)
def test_answers_of_any_old_file_survive_the_migration(tmp_path_factory, pairs):
    old, migration, new = migrate(tmp_path_factory.mktemp("m"), *(f"{name}={text}" for name, text in pairs))
    assert new.errors == new.warnings == new.changes == []
    kept = {name: text for name, (text, _) in new.answers.items()}
    for name, (text, _) in old.answers.items():
        retired = modernize_value(name, text)
        assert kept[name] == (retired.new_value if retired else text)
    assert migrate_answer_file(new).changes == ()
    assert all(change.kind in KINDS for change in migration.changes)
    comments = migration.text.split("# === Lines of the old file")[-1]
    for name, text in pairs:
        read_as = {
            change.current_name for change in migration.changes if change.name == name and change.kind == "renamed"
        }
        is_kept = kept.get(name) == text or any(kept.get(now) == text for now in read_as)
        assert is_kept or f"{name}={text}\n" in comments, f"{name}={text} was lost"


@given(
    st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=20), max_size=8)
)
@settings(max_examples=60)
def test_a_migrated_file_can_be_read_whatever_the_old_one_contained(tmp_path_factory, lines):
    _, _, new = migrate(tmp_path_factory.mktemp("m"), *lines)
    assert new.errors == []
    assert set(new.answers) <= set(PARAMETERS_BY_NAME)


@pytest.mark.parametrize("release", RELEASES)
def test_a_migrated_sample_resolves_to_the_same_answers_without_warnings(release, tmp_path):
    path = SAMPLES / f"{release}.txt"
    migration = migrate_answer_file(read_answer_file(path))
    new = tmp_path / "new.txt"
    new.write_text(migration.text, encoding="utf-8")
    password_file = PasswordStore()
    answers = resolve_answers([new], password_store=password_file)
    assert answers.warnings == ()
    assert compare_answers(resolve_answers([path], password_store=password_file), answers) == []
    for name, text in sample_answers(release):
        assert name not in load_old_parameters() or any(change.name == name for change in migration.changes), (
            f"{name}={text}: no word"
        )


def test_of_hosts_that_disagree_the_majority_is_used_and_the_others_reported(tmp_path):
    lines = ["CONFIG_CINDER_HOST=198.18.1.11", "CONFIG_KEYSTONE_HOST=198.18.1.10", "CONFIG_GLANCE_HOST=198.18.1.10"]
    old, migration, new = migrate(tmp_path, *lines)
    assert old.errors and "CONFIG_CONTROLLER_HOST" not in old.answers
    assert new.answers["CONFIG_CONTROLLER_HOST"][0] == "198.18.1.10"
    (stray,) = [change for change in migration.changes if change.kind == "disagree"]
    assert (stray.name, stray.line_number, stray.other_line_number) == ("CONFIG_CINDER_HOST", 2, 3)
    assert "# disagree, line 2: CONFIG_CINDER_HOST=198.18.1.11\n" in migration.text
    assert any(
        "CONFIG_CINDER_HOST disagrees about CONFIG_CONTROLLER_HOST with line 3" in s
        for s in describe_changes("o", migration.changes)
    )


@pytest.mark.parametrize(
    "line, now",
    [
        ("CONFIG_NEUTRON_INSTALL=n", "CONFIG_NEUTRON_INSTALL=y"),
        ("CONFIG_CINDER_BACKEND=gluster,nfs", "CONFIG_CINDER_BACKEND=lvm,nfs"),
    ],
)
def test_a_retired_value_is_replaced_and_kept_as_a_comment(tmp_path, line, now):
    _, migration, new = migrate(tmp_path, "CONFIG_CINDER_INSTALL=y", line)
    assert f"\n{now}\n" in migration.text and f"# replaced, line 3: {line}\n" in migration.text
    resolve_answers([new.path])
    assert any(line in sentence for sentence in describe_changes("old", migration.changes))


def test_a_parameter_without_an_answer_is_a_comment_with_its_default(tmp_path):
    _, migration, new = migrate(tmp_path, "CONFIG_KEYSTONE_HOST=198.18.1.10")
    assert list(new.answers) == ["CONFIG_CONTROLLER_HOST"]
    assert "\n#CONFIG_DEBUG_MODE=n\n" in migration.text
    assert "\n#CONFIG_COMPUTE_HOSTS=198.18.1.10\n" in migration.text
    assert "\n#CONFIG_TROVE_NOVA_PW=PW_PLACEHOLDER\n" in migration.text
    assert all(f"{name}=" in migration.text for name in PARAMETERS_BY_NAME)


@pytest.mark.parametrize("line", ["oh dear", "open-sesame", "CONFIG_KEYSTONE_ADMIN_PW open-sesame"])
def test_lines_that_cannot_be_read_are_kept_and_not_shown(tmp_path, line):
    old, migration, _ = migrate(tmp_path, "CONFIG_DEBUG_MODE=y", line)
    assert f"# unreadable, line 3: {line}\n" in migration.text
    assert "sesame" not in "".join(describe_changes(old.path, migration.changes))


def test_lines_of_other_sections_and_repeated_ones_are_kept(tmp_path):
    _, migration, new = migrate(
        tmp_path, "CONFIG_DEBUG_MODE=y", "CONFIG_DEBUG_MODE=n", "[other]", "CONFIG_NTP_SERVERS=a"
    )
    assert {name: text for name, (text, _) in new.answers.items()} == {"CONFIG_DEBUG_MODE": "n"}
    assert "# repeated, line 2: CONFIG_DEBUG_MODE=y\n# unreadable, line 5: CONFIG_NTP_SERVERS=a\n" in migration.text


def test_differences_are_of_values_not_of_spelling(tmp_path):
    one, other = (tmp_path / name for name in ("a", "b"))
    one.write_text("[general]\nCONFIG_NTP_SERVERS=a, b\nCONFIG_NOVA_KS_PW=x1\n")
    other.write_text(
        "[general]\nCONFIG_NTP_SERVERS=a,b\nCONFIG_NOVA_KS_PW=x2\nCONFIG_SWIFT_KS_PW=x3\nCONFIG_HEAT_INSTALL=y\n"
    )
    differences = compare_answers(resolve_answers([one]), resolve_answers([other]))
    assert [(d.name, d.is_secret, d.applies) for d in differences] == [
        ("CONFIG_HEAT_INSTALL", False, True),
        ("CONFIG_NOVA_KS_PW", True, True),
        ("CONFIG_SWIFT_KS_PW", True, False),
    ]
    assert (differences[0].first.text, differences[0].first.origin) == ("n", "default")
    assert (differences[0].second.text, differences[0].second.origin) == ("y", f"{other}:5")


def test_an_empty_answer_that_was_extended_is_kept_as_a_comment(tmp_path):
    _, migration, new = migrate(tmp_path, "CONFIG_AMQP_SERVER=qpid", "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS=")
    assert "# added, line 3: CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS=\n" in migration.text
    assert new.answers["CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS"][0] == "extnet:br-ex"
