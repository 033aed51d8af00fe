"""Reading: what Packstack's parser takes, and what is told where that parser is silent."""

from __future__ import annotations

import configparser
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packstack_lite.answers import PARAMETERS, read_answer_file
from packstack_lite.answers.parameter_table import CURRENT_NAME_BY_OLD_NAME
from packstack_lite.errors import UsageError


def found(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_answer_file(path)


@pytest.mark.parametrize(
    "line, value",
    [
        ("CONFIG_KEYSTONE_REGION=a", "a"),
        ("CONFIG_KEYSTONE_REGION = a b ", "a b"),
        ("CONFIG_KEYSTONE_REGION: a", "a"),
        ("config_keystone_region=a", "a"),
        ("CONFIG_KEYSTONE_REGION==a", "=a"),
        ("CONFIG_KEYSTONE_REGION=a=b:c", "a=b:c"),
        ("CONFIG_KEYSTONE_REGION=a ; b # c", "a ; b # c"),
        ("CONFIG_KEYSTONE_REGION=#a", "#a"),
        ('CONFIG_KEYSTONE_REGION="a"', '"a"'),
        ("CONFIG_KEYSTONE_REGION=%(x)s %{::y} $z", "%(x)s %{::y} $z"),
        ("CONFIG_KEYSTONE_REGION=", ""),
        ("  CONFIG_KEYSTONE_REGION=a", "a"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_lines_read_as_packstacks_parser_reads_them(tmp_path, line, value, end):
    told = found(tmp_path, f"[general]{end or chr(10)}{line}{end}")
    assert told.answers == {"CONFIG_KEYSTONE_REGION": (value, 2)}
    assert told.errors == told.warnings == []
    parser = configparser.RawConfigParser()
    parser.read_string(f"[general]\n{line}\n")
    assert parser.get("general", "config_keystone_region") == value


@given(st.text(st.characters(blacklist_categories=("C", "Z"), whitelist_characters=" ")).map(str.strip))
def test_any_printable_value_reads_as_in_packstacks_parser(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("r") / "a.txt"
    path.write_text(f"[general]\nCONFIG_KEYSTONE_REGION={value}\n", encoding="utf-8")
    parser = configparser.RawConfigParser()
    parser.read(path, encoding="utf-8")
    assert (
        read_answer_file(path).answers["CONFIG_KEYSTONE_REGION"][0]
        == parser.get("general", "config_keystone_region")
        == value
    )


def test_a_byte_order_mark_is_skipped_and_told(tmp_path):
    told = found(tmp_path, b"\xef\xbb\xbf[general]\nCONFIG_DEBUG_MODE=y\n")
    assert told.answers == {"CONFIG_DEBUG_MODE": ("y", 2)}
    assert "byte order mark" in told.warnings[0]


def test_control_characters_do_not_move_line_numbers(tmp_path):
    told = found(tmp_path, "[general]\nCONFIG_KEYSTONE_REGION=a\x0cb\x85c\u2028d\nCONFIG_DEBUG_MODE=y\n")
    assert told.answers["CONFIG_DEBUG_MODE"] == ("y", 3)


def test_a_missing_section_is_one_fault_and_the_rest_is_read(tmp_path):
    told = found(tmp_path, "# words\nCONFIG_DEBUG_MODE=y\nnonsense\nCONFIG_KEYSTONE_REGION=a\n")
    assert [fault.split(":", 2)[1] for fault in told.errors] == ["2", "3"]
    assert "[general]" in told.errors[0]
    assert set(told.answers) == {"CONFIG_DEBUG_MODE", "CONFIG_KEYSTONE_REGION"}


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n"])
def test_a_file_without_anything_is_a_fault(tmp_path, content):
    assert "has no answers" in found(tmp_path, content).errors[0]


def test_another_section_is_a_fault_and_its_lines_do_not_count(tmp_path):
    told = found(tmp_path, "[general]\nCONFIG_DEBUG_MODE=y\n[DEFAULT]\nCONFIG_DEBUG_MODE=n\n[general]\nNOBODY=1\n")
    assert told.answers == {"CONFIG_DEBUG_MODE": ("y", 2)}
    assert len(told.errors) == 1 and ":3: section [DEFAULT]" in told.errors[0]
    assert told.warnings == [f"{told.path}:6: NOBODY is unknown and ignored"]


def test_a_name_twice_is_told_and_the_last_one_counts(tmp_path):
    told = found(tmp_path, "[general]\nCONFIG_DEBUG_MODE=y\nconfig_debug_mode=n\n")
    assert told.answers == {"CONFIG_DEBUG_MODE": ("n", 3)}
    assert told.warnings == [f"{told.path}:3: CONFIG_DEBUG_MODE is also in line 2; this line is used"]


@pytest.mark.parametrize(
    "line", ["CONFIG_KEYSTONE_ADMIN_PW open-sesame", "open-sesame", "=open-sesame", "a\nopen-sesame"]
)
def test_a_line_that_cannot_be_read_is_never_shown_whole(tmp_path, line):
    told = found(tmp_path, f"[general]\n{line}\n")
    assert told.errors
    assert "sesame" not in "".join(told.errors)


def test_the_name_on_such_a_line_is_shown(tmp_path):
    told = found(tmp_path, "[general]\nCONFIG_DEBUG_MODE y\n")
    assert told.errors == [f"{told.path}:2: is not NAME=VALUE: CONFIG_DEBUG_MODE ..."]


def test_an_old_name_is_read_and_told(tmp_path):
    told = found(tmp_path, "[general]\nCONFIG_MYSQL_PW=a\n")
    assert told.answers == {"CONFIG_MARIADB_PW": ("a", 2)}
    assert told.warnings == [f"{told.path}:2: CONFIG_MYSQL_PW is an old name of CONFIG_MARIADB_PW and is read as such"]


@pytest.mark.parametrize("new", ["b", ""])
def test_the_new_name_wins_over_the_old_one(tmp_path, new):
    told = found(tmp_path, f"[general]\nCONFIG_MYSQL_PW=a\nCONFIG_MARIADB_PW={new}\n")
    assert told.answers == {"CONFIG_MARIADB_PW": (new, 3)}
    assert "is ignored: line 3 has the answer" in told.warnings[0]


def test_old_names_of_one_parameter_have_to_agree(tmp_path):
    lines = "CONFIG_KEYSTONE_HOST=198.18.1.10\nCONFIG_GLANCE_HOST=198.18.1.{}\n"
    agreed = found(tmp_path, "[general]\n" + lines.format(10))
    assert agreed.answers == {"CONFIG_CONTROLLER_HOST": ("198.18.1.10", 2)} and not agreed.errors
    told = found(tmp_path, "[general]\n" + lines.format(11))
    assert told.answers == {}
    assert told.errors == [
        f"{told.path}:3: CONFIG_KEYSTONE_HOST (line 2), CONFIG_GLANCE_HOST (line 3) disagree;"
        " replace them with one CONFIG_CONTROLLER_HOST"
    ]


def test_no_name_is_old_and_new_at_once():
    assert not set(CURRENT_NAME_BY_OLD_NAME) & {parameter.name for parameter in PARAMETERS}
    assert len(CURRENT_NAME_BY_OLD_NAME) == sum(len(parameter.old_names) for parameter in PARAMETERS)


def test_a_directory_is_no_answer_file(tmp_path):
    with pytest.raises(UsageError, match="Is a directory"):
        read_answer_file(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(self, mode):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match="cannot be read: Permission denied") as failure:
        read_answer_file(tmp_path / "a.txt")
    assert "owner" in failure.value.hint
