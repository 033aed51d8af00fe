"""The reader, compared with the parser of a real CPython 2.7, which Packstack until Train ran on.

It reads the same text as this reader. Each difference is an error here, or in the table of docs/packstack.md.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from packstack_lite.answers import read_answer_file
from packstack_lite.errors import UsageError
from tests import pythons
from tests.conftest import PROJECT

# Reads a text in base64 per line; answers with the values in [general], or with the name of the exception.
PROGRAM = """
import base64, ConfigParser, json, StringIO, sys
for line in iter(sys.stdin.readline, ""):
    parser = ConfigParser.RawConfigParser()
    try:
        parser.readfp(StringIO.StringIO(base64.b64decode(line)))
        reply = dict((name, base64.b64encode(value)) for name, value in parser.items("general"))
    except ConfigParser.Error as error:
        reply = type(error).__name__
    sys.stdout.write(json.dumps(reply) + "\\n")
    sys.stdout.flush()
"""
NAMES = ("CONFIG_KEYSTONE_REGION", "CONFIG_DEBUG_MODE", "CONFIG_NTP_SERVERS", "CONFIG_NOVA_KS_PW")


@pytest.fixture(scope="module")
def python_2(request):
    """Return a function that reads a text with CPython 2.7: a dict of values, or an exception's name."""
    path = pythons.equipped("2.7", "ConfigParser")
    if path is None:
        pytest.skip("no Python 2.7 with its standard library; `make test-tools` makes one")
    with subprocess.Popen([path, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def read(text):
            process.stdin.write(base64.b64encode(text.encode()).decode() + "\n")
            process.stdin.flush()
            reply = json.loads(process.stdout.readline())
            if isinstance(reply, str):
                return reply
            return {name.upper(): base64.b64decode(value).decode() for name, value in reply.items()}

        yield read
        process.stdin.close()


def read_here(directory, text):
    """Return our values, or the text of an error."""
    path = directory / "a.txt"
    path.write_bytes(text.encode())
    try:
        answer_file = read_answer_file(path)
    except UsageError as error:
        return error.message
    if answer_file.errors:
        return answer_file.errors[0]
    # The reader leaves "" to the one function that knows what is no answer.
    values = {name: "" if value == '""' else value for name, (value, _) in answer_file.answers.items()}
    return {name: value for name, value in values.items() if name in NAMES}


def is_documented(text):
    """Return whether the text has one of the differences in docs/packstack.md, "Read answer files"."""
    return bool(
        re.search(r"^[ \t\x0b\x0c\r]+[^ \t\x0b\x0c\r\n]", text, re.MULTILINE)  # an indented line
        or re.search(r"[=:][^;\n]*[ \t\x0b\x0c\r];", text)  # " ;" within a value
        or re.search(r"[=:][ \t]*;.*[ \t]$", text, re.MULTILINE)  # a value that is ";" and a space at the end
        or re.search(r"\r(?!\n)", text)  # a line that ends as on old Macs
        or re.search(r"^\[(\s+general\s*|\s*general\s+)\]", text, re.MULTILINE)
    )


NAME = st.sampled_from([*NAMES, *map(str.lower, NAMES), "UNKNOWN", "Config_Debug_Mode", "rem", "REM", "remx", ""])
SEPARATOR = st.sampled_from(["=", ":", " = ", " : ", "\t=", "= ", "==", " =: ", "", " "])
VALUE = st.text(st.sampled_from("ab1 \t#;\"'=:[]%(){}$\\é\u00a0\u2003,"), max_size=8)
ANSWER = st.tuples(NAME, SEPARATOR, VALUE | st.sampled_from(['""', '"" ', "''", "%(x)s", '"a"'])).map("".join)
LINE = (
    ANSWER
    | ANSWER
    | st.sampled_from(["", "  ", "\t", "#", "# a=b", ";", "; CONFIG_DEBUG_MODE=y", "rem CONFIG_DEBUG_MODE=y", "rem"])
    | st.sampled_from(["[general]", "[ general ]", "[general] x", "[DEFAULT]", "[other]", "[", "[]", "nothing"])
    | st.sampled_from([" CONFIG_DEBUG_MODE=y", "\t# a comment", "  more of it", " rem x"])
)
TEXT = st.tuples(
    st.sampled_from(["[general]\n", "[general]\n", "[general]\r\n", "# a\n[general]\n", ""]),
    st.lists(st.tuples(LINE, st.sampled_from(["\n", "\n", "\n", "\r\n"])).map("".join), max_size=6).map("".join),
).map("".join)


@pytest.mark.old_python
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXT)
def test_any_text_reads_as_with_python_2_or_is_an_error(python_2, tmp_path_factory, text):
    ours = read_here(tmp_path_factory.mktemp("p"), text)
    if isinstance(ours, str) or is_documented(text):
        return
    theirs = python_2(text)
    if theirs == "NoSectionError":
        theirs = {}
    assert isinstance(theirs, dict), (theirs, ours)
    assert {name: value for name, value in theirs.items() if name in NAMES} == ours


# What docs/packstack.md says about each difference: a text, what Python 2.7 reads, what this reader reads.
DIFFERENCES = {
    "a semicolon behind a space": (
        "[general]\nCONFIG_NOVA_KS_PW=a ;b\n",
        {"CONFIG_NOVA_KS_PW": "a"},
        {"CONFIG_NOVA_KS_PW": "a ;b"},
    ),
    "an indented answer": (
        "[general]\nCONFIG_DEBUG_MODE=y\n CONFIG_KEYSTONE_REGION=a\n",
        {"CONFIG_DEBUG_MODE": "y\nCONFIG_KEYSTONE_REGION=a"},
        {"CONFIG_DEBUG_MODE": "y", "CONFIG_KEYSTONE_REGION": "a"},
    ),
    "an indented comment": (
        "[general]\nCONFIG_DEBUG_MODE=y\n # a\n",
        {"CONFIG_DEBUG_MODE": "y\n# a"},
        {"CONFIG_DEBUG_MODE": "y"},
    ),
    "spaces in the heading": (
        "[ general ]\nCONFIG_DEBUG_MODE=y\n",
        "NoSectionError",
        {"CONFIG_DEBUG_MODE": "y"},
    ),
    "lines as on old Macs": (
        "[general]\nCONFIG_DEBUG_MODE=y\rCONFIG_KEYSTONE_REGION=a\n",
        {"CONFIG_DEBUG_MODE": "y\rCONFIG_KEYSTONE_REGION=a"},
        {"CONFIG_DEBUG_MODE": "y", "CONFIG_KEYSTONE_REGION": "a"},
    ),
    "a byte order mark": (
        "\ufeff[general]\nCONFIG_DEBUG_MODE=y\n",
        "MissingSectionHeaderError",
        {"CONFIG_DEBUG_MODE": "y"},
    ),
}


@pytest.mark.old_python
@pytest.mark.parametrize("case", DIFFERENCES)
def test_documented_differences(python_2, tmp_path, case):
    text, theirs, ours = DIFFERENCES[case]
    assert python_2(text) == theirs
    assert read_here(tmp_path, text) == ours


def test_the_documented_differences_are_all_that_there_are():
    page = (PROJECT / "docs/packstack.md").read_text()
    table = page.partition("## Read answer files")[2].partition("\n## ")[0]
    assert table.count("\n|") - 2 == len(DIFFERENCES)
    assert all(is_documented(text) or "\ufeff" in text for text, _, _ in DIFFERENCES.values())


@pytest.mark.parametrize(
    "line, value",
    [("rem CONFIG_DEBUG_MODE=n", "y"), ("REM", "y"), ("Remx=1", "y"), ("CONFIG_DEBUG_MODE=n\u00a0", "n\u00a0")],
)
def test_comments_and_white_space_are_those_of_python_2(tmp_path, line, value):
    assert read_here(tmp_path, f"[general]\nCONFIG_DEBUG_MODE=y\n{line}\n") == {"CONFIG_DEBUG_MODE": value}
