"""The reader accepts what Packstack's parser accepts, and reports what that parser ignores."""

from __future__ import annotations

import configparser
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packstack_lite.answers import PARAMETERS, read_answer_file, render_answer_file, resolve_answers
from packstack_lite.answers.parameter_table import CURRENT_NAME_BY_OLD_NAME
from packstack_lite.errors import UsageError


def read_content(tmp_path, content):
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
    answer_file = read_content(tmp_path, f"[general]{end or chr(10)}{line}{end}")
    assert answer_file.answers == {"CONFIG_KEYSTONE_REGION": (value, 2)}
    assert answer_file.errors == answer_file.warnings == []
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


def test_a_byte_order_mark_is_ignored_with_a_warning(tmp_path):
    answer_file = read_content(tmp_path, b"\xef\xbb\xbf[general]\nCONFIG_DEBUG_MODE=y\n")
    assert answer_file.answers == {"CONFIG_DEBUG_MODE": ("y", 2)}
    assert "byte order mark" in answer_file.warnings[0]


def test_control_characters_do_not_move_line_numbers(tmp_path):
    answer_file = read_content(tmp_path, "[general]\nCONFIG_KEYSTONE_REGION=a\x0cb\x85c\u2028d\nCONFIG_DEBUG_MODE=y\n")
    assert answer_file.answers["CONFIG_DEBUG_MODE"] == ("y", 3)


def test_a_missing_section_is_one_error_and_all_lines_are_read(tmp_path):
    answer_file = read_content(tmp_path, "# words\nCONFIG_DEBUG_MODE=y\nnonsense\nCONFIG_KEYSTONE_REGION=a\n")
    assert [error.split(":", 2)[1] for error in answer_file.errors] == ["2", "3"]
    assert "[general]" in answer_file.errors[0]
    assert set(answer_file.answers) == {"CONFIG_DEBUG_MODE", "CONFIG_KEYSTONE_REGION"}


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n"])
def test_an_empty_file_is_an_error(tmp_path, content):
    assert "has no answers" in read_content(tmp_path, content).errors[0]


def test_another_section_is_an_error_and_its_lines_are_ignored(tmp_path):
    answer_file = read_content(
        tmp_path, "[general]\nCONFIG_DEBUG_MODE=y\n[DEFAULT]\nCONFIG_DEBUG_MODE=n\n[general]\nNOBODY=1\n"
    )
    assert answer_file.answers == {"CONFIG_DEBUG_MODE": ("y", 2)}
    assert len(answer_file.errors) == 1 and ":3: section [DEFAULT]" in answer_file.errors[0]
    assert answer_file.warnings == [f"{answer_file.path}:6: NOBODY is unknown and ignored"]


def test_of_a_repeated_name_the_last_is_used_with_a_warning(tmp_path):
    answer_file = read_content(tmp_path, "[general]\nCONFIG_DEBUG_MODE=y\nconfig_debug_mode=n\n")
    assert answer_file.answers == {"CONFIG_DEBUG_MODE": ("n", 3)}
    assert answer_file.warnings == [f"{answer_file.path}:3: CONFIG_DEBUG_MODE is also in line 2; this line is used"]


@pytest.mark.parametrize(
    "line", ["CONFIG_KEYSTONE_ADMIN_PW open-sesame", "open-sesame", "=open-sesame", "a\nopen-sesame"]
)
def test_an_invalid_line_is_never_shown_whole(tmp_path, line):
    answer_file = read_content(tmp_path, f"[general]\n{line}\n")
    assert answer_file.errors
    assert "sesame" not in "".join(answer_file.errors)


def test_the_parameter_on_an_invalid_line_is_shown(tmp_path):
    answer_file = read_content(tmp_path, "[general]\nCONFIG_DEBUG_MODE y\n")
    assert answer_file.errors == [f"{answer_file.path}:2: is not NAME=VALUE: CONFIG_DEBUG_MODE ..."]


def test_an_old_name_is_read_with_a_warning(tmp_path):
    answer_file = read_content(tmp_path, "[general]\nCONFIG_MYSQL_PW=a\n")
    assert answer_file.answers == {"CONFIG_MARIADB_PW": ("a", 2)}
    assert answer_file.warnings == [
        f"{answer_file.path}:2: CONFIG_MYSQL_PW is an old name of CONFIG_MARIADB_PW and is read as such"
    ]


@pytest.mark.parametrize("new", ["b", ""])
def test_the_new_name_wins_over_the_old_one(tmp_path, new):
    answer_file = read_content(tmp_path, f"[general]\nCONFIG_MYSQL_PW=a\nCONFIG_MARIADB_PW={new}\n")
    assert answer_file.answers == {"CONFIG_MARIADB_PW": (new, 3)}
    assert "is ignored: line 3 has the answer" in answer_file.warnings[0]


def test_old_names_of_one_parameter_must_agree(tmp_path):
    lines = "CONFIG_KEYSTONE_HOST=198.18.1.10\nCONFIG_GLANCE_HOST=198.18.1.{}\n"
    agreed = read_content(tmp_path, "[general]\n" + lines.format(10))
    assert agreed.answers == {"CONFIG_CONTROLLER_HOST": ("198.18.1.10", 2)} and not agreed.errors
    answer_file = read_content(tmp_path, "[general]\n" + lines.format(11))
    assert answer_file.answers == {}
    assert answer_file.errors == [
        f"{answer_file.path}:3: CONFIG_KEYSTONE_HOST (line 2), CONFIG_GLANCE_HOST (line 3) disagree;"
        " replace them with one CONFIG_CONTROLLER_HOST"
    ]


def test_no_name_is_old_and_current_at_once():
    assert not set(CURRENT_NAME_BY_OLD_NAME) & {parameter.name for parameter in PARAMETERS}
    assert len(CURRENT_NAME_BY_OLD_NAME) == sum(len(parameter.old_names) for parameter in PARAMETERS)


def test_a_directory_is_no_answer_file(tmp_path):
    with pytest.raises(UsageError, match="Is a directory"):
        read_answer_file(tmp_path)


def test_a_file_without_permission_is_refused_with_a_hint(tmp_path, monkeypatch):
    def refuse(self, mode):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match="cannot be read: Permission denied") as failure:
        read_answer_file(tmp_path / "a.txt")
    assert "owner" in failure.value.hint


@pytest.mark.parametrize(
    "markers", [("<<<<<<< HEAD", "=======", ">>>>>>> x"), ("<<<<<<<", "||||||| a", "=======", ">>>>>>>")]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_with_merge_conflicts_is_refused(tmp_path, markers, end):
    lines = ["[general]", *(line for marker in markers for line in (marker, "CONFIG_DEBUG_MODE=y"))]
    with pytest.raises(UsageError) as error:
        read_content(tmp_path, end.join(lines))
    numbers = ", ".join(str(2 + 2 * index) for index in range(len(markers)))
    assert f"a.txt:2: has merge-conflict markers (lines {numbers})" in error.value.message


def test_a_line_of_equals_signs_is_no_conflict(tmp_path):
    answer_file = read_content(tmp_path, "[general]\n# Title\n=======\nCONFIG_DEBUG_MODE=y\n")
    assert len(answer_file.errors) == 1


PACKSTACK_NAMES = [parameter.name for parameter in PARAMETERS if not parameter.extension]


def test_half_a_file_generated_by_packstack_has_a_warning(tmp_path):
    whole = "[general]\n" + "".join(f"{name}=\n" for name in PACKSTACK_NAMES)
    assert not [warning for warning in read_content(tmp_path, whole).warnings if "end" in warning]
    half = whole[: whole.index("CONFIG_MAGNUM_KS_PW")]
    (warning,) = [warning for warning in read_content(tmp_path, half).warnings if "end" in warning]
    assert f":{half.count(chr(10))}: the file seems to have lost its end" in warning
    (warning,) = [warning for warning in read_content(tmp_path, whole[:-1]).warnings if "end" in warning]
    assert "the file ends in the middle of a line" in warning


def test_a_short_file_may_end_anywhere(tmp_path):
    assert read_content(tmp_path, "[general]\nCONFIG_DEBUG_MODE=y").warnings == []


def test_half_a_file_of_ours_has_a_warning(tmp_path):
    whole = render_answer_file(resolve_answers())
    assert whole.endswith("\n# End.\n")
    assert read_content(tmp_path, whole).warnings == []
    assert read_content(tmp_path, whole + "EXCLUDE_SERVERS=\n").errors == []
    for size in range(200, len(whole) - 1, 4001):
        (warning,) = [one for one in read_content(tmp_path, whole[:size]).warnings if "lost its end" in one]
        assert f":{whole[:size].rstrip(chr(10)).count(chr(10)) + 1}: " in warning
