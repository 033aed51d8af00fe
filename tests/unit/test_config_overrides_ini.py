"""Merging INI files: single cases, and properties of any two files, compared with an independent parser."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from packstack_lite.config_overrides import ini
from tests.conftest import PROJECT

sys.path.insert(0, str(PROJECT / "tests" / "facts"))
from check_options import read_ini


def merged(rendered, overrides):
    return ini.merge_ini(ini.parse_ini(rendered), ini.parse_ini(overrides))


RENDERED = """# Written by us.
[DEFAULT]
debug = false
# about hosts
host = one

[database]
connection = mysql://a
"""


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ("", RENDERED),
        ("# only a comment\n", RENDERED),
        ("[DEFAULT]\n", RENDERED),
        ("[DEFAULT]\ndebug = true\n", RENDERED.replace("debug = false", "debug = true")),
        ("[DEFAULT]\ndebug: true\n", RENDERED.replace("debug = false", "debug: true")),
        ("[DEFAULT]\ndebug=true", RENDERED.replace("debug = false", "debug=true")),
        ("[DEFAULT]\nnew = 1\n", RENDERED.replace("host = one\n", "host = one\nnew = 1\n")),
        ("[DEFAULT]\n# why\ndebug = true\n", RENDERED.replace("debug = false", "# why\ndebug = true")),
        ("[DEFAULT]\n# apart\n\ndebug = true\n", RENDERED.replace("debug = false", "debug = true")),
        ("[Database]\nconnection = x\n", RENDERED.replace("mysql://a", "x")),
        ("[default]\ndebug = true\n", RENDERED + "\n[default]\ndebug = true\n"),
        ("[DEFAULT]\nDebug = true\n", RENDERED.replace("host = one\n", "host = one\nDebug = true\n")),
        ("[new]\na = 1\n[new]\na = 2\n", RENDERED + "\n[new]\na = 1\na = 2\n"),
        ("[DEFAULT]\ndebug =\n", RENDERED.replace("debug = false", "debug =")),
        ("[DEFAULT]\nhost = a\n  b\n\tc\n", RENDERED.replace("host = one", "host = a\n  b\n\tc")),
    ],
)
def test_a_merge_gives_the_expected_text(overrides, expected):
    assert merged(RENDERED, overrides) == expected


def test_all_values_of_a_repeated_option_replace_all_rendered_ones():
    rendered = "[pci]\nalias = 1\nother = x\nalias = 2\n  more\n# after\n[pci]\nalias = 3\n"
    assert (
        merged(rendered, "[pci]\nalias = 8\nalias = 9\n") == "[pci]\nalias = 8\nalias = 9\nother = x\n# after\n[pci]\n"
    )


def test_a_value_of_several_lines_is_replaced_as_a_whole():
    assert merged("[a]\nx = 1\n  2\n  3\ny = 4\n", "[a]\nx = 5\n") == "[a]\nx = 5\ny = 4\n"


@pytest.mark.parametrize(
    ("text", "line_number", "message_part"),
    [
        ("[DEFAULT]\ndebug\n", 2, "neither NAME = VALUE nor a [section]"),
        ("debug = 1\n", 1, "before the first [section]"),
        ("[DEFAULT\n", 1, "does not close"),
        ("[]\n", 1, "without a name"),
        ("[a]\n= 1\n", 2, "without a name"),
        ("[a]\n\n  lost\n", 3, "indented"),
        ("[a]\nx = 1\n# ends it\n  lost\n", 4, "indented"),
        ("  x = 1\n", 1, "indented"),
    ],
)
def test_an_error_has_its_line_and_shows_no_value(text, line_number, message_part):
    ((number, message),) = ini.parse_ini(text).errors
    assert number == line_number
    assert message_part in message
    assert "hunter2" not in str(ini.parse_ini(text.replace("lost", "hunter2").replace("debug", "hunter2")).errors)


NAMES = st.sampled_from(["a", "b", "c", "long_name"])
VALUES = st.text(alphabet="xy =:#;[]'\"$%", max_size=8)
LINES = st.one_of(
    st.builds("[{}]".format, st.sampled_from(["DEFAULT", "one", "Two", "two"])),
    st.builds("{}{}{}".format, NAMES, st.sampled_from(["=", " = ", ": "]), VALUES),
    st.builds("  {}".format, VALUES),
    st.builds("{}{}".format, st.sampled_from("#;"), VALUES),
    st.just(""),
)
INI_TEXTS = st.lists(LINES, max_size=25).map(lambda lines: "".join(f"{line}\n" for line in lines))


def without_errors(text):
    """The text without the lines that cannot be parsed."""
    while ini.parse_ini(text).errors:
        number = ini.parse_ini(text).errors[0][0]
        lines = text.split("\n")
        text = "\n".join([*lines[: number - 1], *lines[number:]])
    return text


def read_independently(tmp_path, text):
    """Options as tests/facts/check_options.py parses them: {(section, name): values in order}."""
    path = tmp_path / "read"
    path.write_text(text, encoding="utf-8")
    _, items, errors = read_ini(path)
    assert errors == []
    options = {}
    for item in items:
        options.setdefault((ini.normalize_section(item.section), item.key), []).append(item.value)
    return options


OSLO_SETTINGS = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@OSLO_SETTINGS
@given(INI_TEXTS)
def test_errors_are_on_the_lines_that_the_other_parser_refuses(tmp_path, text):
    path = tmp_path / "read"
    path.write_text(text, encoding="utf-8")
    assert [number for number, _ in ini.parse_ini(text).errors] == [number for number, _ in read_ini(path)[2]]


@OSLO_SETTINGS
@given(INI_TEXTS.map(without_errors), INI_TEXTS.map(without_errors))
def test_a_merge_has_the_options_of_both_files_and_the_second_wins(tmp_path, rendered, overrides):
    assert read_independently(tmp_path, merged(rendered, overrides)) == {
        **read_independently(tmp_path, rendered),
        **read_independently(tmp_path, overrides),
    }


@OSLO_SETTINGS
@given(INI_TEXTS.map(without_errors), INI_TEXTS.map(without_errors))
def test_every_rendered_comment_stays_in_order(rendered, overrides):
    comments = [line for line in rendered.split("\n") if line.startswith(("#", ";"))]
    lines = iter(merged(rendered, overrides).split("\n"))
    assert all(comment in lines for comment in comments)


@OSLO_SETTINGS
@given(INI_TEXTS)
def test_an_empty_override_changes_nothing(text):
    assert merged(text, "") == text


@OSLO_SETTINGS
@given(INI_TEXTS.map(without_errors), INI_TEXTS.map(without_errors))
def test_merging_twice_equals_merging_once(tmp_path, rendered, overrides):
    once = merged(rendered, overrides)
    assert read_independently(tmp_path, merged(once, overrides)) == read_independently(tmp_path, once)


@pytest.mark.parametrize("line", ["# c\n", "[s{}]\na{} = 1\n", "[a]\nx{} = {}\n", "  x\n", "[[[\n", "a\n"])
def test_merging_takes_linear_time(line):
    # What is quadratic takes 4 seconds with 20000 lines if it takes 0.65 with 8000.
    text = "".join(line.format(n, n) for n in range(8000))
    start = time.process_time()
    merged(text, text)
    assert time.process_time() - start < 1
