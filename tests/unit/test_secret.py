"""Secrets print as a mask, are quoted for every format, and are masked in logs and diffs."""

from __future__ import annotations

import json
import re
import shlex
import time
from urllib.parse import unquote

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from packstack_lite.config_overrides.user_files import UserFile, UserTree
from packstack_lite.secret import (
    Masker,
    Secret,
    quote_ini,
    quote_py,
    quote_sh,
    quote_sql,
    quote_url,
    quote_yaml,
    reveal_text,
)

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)


def test_a_secret_prints_as_a_mask():
    word = Secret("open sesame")
    shown = [str(word), repr(word), f"{word}", f"{word!r:>20}".strip(), "%s" % word, str([word]), str({"a": word})]
    assert not any("sesame" in text for text in shown)
    with pytest.raises(TypeError):
        json.dumps(word)


def test_secrets_compare_by_value():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")


@given(PRINTABLE)
def test_each_quoted_form_reads_back(word):
    value = Secret(word)
    assert shlex.split(quote_sh(value)) == [word]
    assert unquote(quote_url(value)) == word
    assert json.loads(quote_py(value)) == word
    assert pyyaml.safe_load(quote_yaml(value)) == word
    assert quote_sql(value)[1:-1].replace("''", "'").replace("\\\\", "\\") == word


@given(PRINTABLE.filter(lambda word: len(word) >= 4 and not word.isalnum()))
def test_every_quoted_form_is_masked(word):
    masker = Masker([Secret(word)])
    for quoting in (
        reveal_text,
        quote_url,
        quote_sql,
        quote_sh,
        quote_py,
        quote_yaml,
        quote_ini,
    ):
        assert word not in masker(f"before\n{quoting(Secret(word))}\nafter").split("\n")[1]


def test_a_plain_word_as_password_does_not_mask_paths_and_names():
    masker = Masker([Secret("packstack"), Secret("admin")])
    assert masker("/var/lib/packstack-lite and packstack_lite") == "/var/lib/packstack-lite and packstack_lite"
    assert masker("password = packstack") == "password = ***"
    assert masker("mysql://nova:packstack@198.18.1.10/nova") == "mysql://nova:***@198.18.1.10/nova"
    assert not masker.contains_secret("mkdir -p /var/lib/packstack-lite; openstack --os-username admin")


def test_a_secret_in_a_script_is_detected():
    masker = Masker([Secret("aF3 !x9"), Secret("0123456789abcdef")])
    assert masker.contains_secret("mysql -p'aF3 !x9'")
    assert masker.contains_secret("PW=0123456789abcdef mysql")
    assert not masker.contains_secret("mysql")


@pytest.mark.parametrize(
    "line, shown",
    [
        ("connection = mysql+pymysql://nova:old@h/nova", "connection = mysql+pymysql://nova:***@h/nova"),
        ("-password = older", "-password = ***"),
        ("+metadata_proxy_shared_secret = x", "+metadata_proxy_shared_secret = ***"),
        ("cpu_allocation_ratio = 16.0", "cpu_allocation_ratio = 16.0"),
    ],
)
def test_mask_lines_hides_unknown_secrets(line, shown):
    assert Masker().mask_lines(line) == shown


# What mask_lines hides, as patterns: right, but quadratic.
USERINFO = re.compile(r"(://[^:/@\s]*:)[^@\s]+(@)")
WORDS = r"(?:passw(?:or)?d|(?<![a-z])pass(?:phrase)?(?![a-z])|_pw|secret|token|credential|kek|_key|hash_)"
ASSIGNMENT = re.compile(rf"^([+\- ]?\s*[\w.\-\"']*{WORDS}[\w.\-\"']*\s*[=:]\s*)(?=\S).+$", re.IGNORECASE)
PARTS = st.sampled_from(
    ["://", ":", "@", "a", " ", "\t", "=", "password", "pass", "_key", "-", "+", '"', "x.y", "/", "A"]
)


@given(st.lists(PARTS, max_size=12).map("".join))
def test_mask_lines_hides_what_the_patterns_say(line):
    assert Masker().mask_lines(line) == ASSIGNMENT.sub(r"\1***", USERINFO.sub(r"\1***\2", line))


@pytest.mark.parametrize("part", ["a", "a://b:", "_key", "token ", "@", " ", "a://b:c@", "\t=", '"'])
def test_masking_takes_no_quadratic_time(part):
    """A node's file with a long word kept the run busy for minutes."""
    text = (part * 400_000)[:400_000]
    tree = UserTree((UserFile("nova/nova.conf", "nova.conf", text),))
    before = time.process_time()
    Masker().mask_lines(text)
    tree.find_secrets()
    assert time.process_time() - before < 2
