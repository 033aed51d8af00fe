"""Written answer files are private and complete, and read back unchanged."""

from __future__ import annotations

import os
import stat
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from packstack_lite.answers import (
    PARAMETERS,
    render_answer_file,
    resolve_answers,
    write_answer_file,
)
from packstack_lite.answers.templates import is_template
from packstack_lite.answers.values import is_given, parse_value
from packstack_lite.deployment.answer_sources import find_earlier_answer_files
from packstack_lite.errors import AnswersError, UsageError
from packstack_lite.secret import Secret
from tests.conftest import PROJECT

NAME = "CONFIG_NOVA_KS_PW"
# Of another system, so that it may have any characters.
FOREIGN = "CONFIG_KEYSTONE_LDAP_USER_PASSWORD"
PRINTABLE = st.text(st.characters(blacklist_categories=("C", "Z"), whitelist_characters=" "), min_size=1)


# A word that looks like a template, as $A does, is refused; '' in quotation marks is no answer.
ANSWERS = PRINTABLE.map(str.strip).filter(
    lambda word: word != "PW_PLACEHOLDER" and is_given(word, True) and not is_template(word, True)
)


@settings(max_examples=50)
@given(ANSWERS)
@example("$ % \" ' \\ # ; @ / : & !")
@example("=a")
@example(": a = b")
@example("[general]")
@example("# a")
@example("%{::processorcount}")
@example("päss wörd ✓")
def test_any_printable_password_reads_back(tmp_path_factory, word):
    path = tmp_path_factory.mktemp("w") / "a.txt"
    answers = resolve_answers(flags={FOREIGN: word})
    assert answers[FOREIGN] == Secret(word)
    write_answer_file(path, answers)
    again = resolve_answers([path])
    assert again[FOREIGN] == Secret(word)
    assert dict(again) == dict(answers)


@settings(max_examples=50)
@given(st.text(min_size=1).filter(lambda word: not word.isprintable() or word != word.strip()))
@example(" a")
@example("a ")
@example("a\nCONFIG_DEBUG_MODE=y")
@example("a\tb")
@example("\ud800")
@example(" ;A")
def test_an_answer_that_no_file_can_contain_is_refused_and_not_shown(word):
    for name in (NAME, "CONFIG_DEFAULT_PASSWORD"):
        with pytest.raises(AnswersError) as failure:
            resolve_answers(flags={name: word})
        (error,) = failure.value.errors
        flag = "--nova-ks-passwd" if name == NAME else "--default-password"
        # A hint may follow: "; text behind a value is no comment".
        assert error.split("; ")[0] in (
            f"{flag}: {name}: contains a character that cannot be printed, such as a tab or a line break",
            f"{flag}: {name}: begins or ends with a space, which an answer file cannot contain",
        )


@pytest.mark.parametrize("name", ["CONFIG_KEYSTONE_REGION", "CONFIG_CINDER_VOLUME_NAME", "CONFIG_NTP_SERVERS"])
def test_no_answer_can_add_lines_to_the_file(name):
    with pytest.raises(AnswersError) as failure:
        resolve_answers(flags={name: "a\nCONFIG_PROVISION_DEMO=n"})
    assert "cannot be printed" in failure.value.errors[0]


def test_every_parameter_is_written_once_under_its_group_with_its_help(tmp_path):
    text = render_answer_file(resolve_answers())
    lines = text.splitlines()
    names = [line.split("=")[0] for line in lines if line and line[0] not in "#["]
    assert names == [parameter.name for parameter in PARAMETERS]
    assert lines[1] == "[general]"
    assert text.count("# === ") == len({parameter.group for parameter in PARAMETERS})
    assert max(len(line) for line in lines if line.startswith("#")) <= 100
    assert "# Applies when" not in text.replace("\n# ", " ") or "Applies when CONFIG_NOVA_INSTALL=y." in text


def test_a_file_that_is_read_and_written_again_is_identical(tmp_path):
    answers = resolve_answers(flags={"CONFIG_DEFAULT_PASSWORD": "p", FOREIGN: "ä"})
    write_answer_file(tmp_path / "a.txt", answers)
    write_answer_file(tmp_path / "b.txt", resolve_answers([tmp_path / "a.txt"]))
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()


def test_the_file_is_private_from_its_first_byte_on(tmp_path, monkeypatch):
    seen = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append(os.fstat(handle).st_mode), fsync(handle)))
    old = os.umask(0)
    try:
        write_answer_file(tmp_path / "a.txt", resolve_answers())
    finally:
        os.umask(old)
    assert [stat.S_IMODE(mode) for mode in seen] == [0o600]
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o600


def test_a_file_with_a_guessed_temporary_name_is_not_written_to(tmp_path):
    trap = tmp_path / f".a.txt.{os.getpid()}"
    trap.write_text("mine")
    trap.chmod(0o666)
    write_answer_file(tmp_path / "a.txt", resolve_answers())
    assert trap.read_text() == "mine"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("before")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="cannot be written: No space left"):
        write_answer_file(path, resolve_answers())
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_no_directory_is_created_for_a_mistyped_path(tmp_path):
    with pytest.raises(UsageError, match="No such file or directory"):
        write_answer_file(tmp_path / "tpm" / "a.txt", resolve_answers())
    assert list(tmp_path.iterdir()) == []


def test_the_locale_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setattr("locale.getpreferredencoding", lambda do_setlocale=True: "ascii")
    write_answer_file(tmp_path / "a.txt", resolve_answers(flags={FOREIGN: "ä"}))
    assert resolve_answers([tmp_path / "a.txt"])[FOREIGN] == Secret("ä")


def test_the_newest_file_of_earlier_runs_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_earlier_answer_files("198.18.1.10") == ()
    for stamp in ("20260101-120000", "20261123-090000", "20260301-235959"):
        (tmp_path / f"packstack-answers-{stamp}.txt").write_text("[general]\nCONFIG_CONTROLLER_HOST=198.18.1.10\n")
    for name in ("packstack-answers-mine.txt", "packstack-answers-20991231-000000.txt.orig"):
        (tmp_path / name).write_text("[general]\nCONFIG_CONTROLLER_HOST=198.18.1.10\n")
    newest = tmp_path / "packstack-answers-20261123-090000.txt"
    assert find_earlier_answer_files("198.18.1.10") == (newest,)


def test_the_hostile_sample_has_all_special_characters():
    answers = resolve_answers([PROJECT / "answer-files/hostile.txt"])
    words = "".join(secret.reveal() for secret in answers.secrets())
    assert not {*string.punctuation, " "} - set(words)
    fixed = [
        parameter for parameter in PARAMETERS if parameter.is_secret and answers.origin(parameter.name) == "random"
    ]
    assert {parameter.name for parameter in fixed} <= {
        "CONFIG_HORIZON_SECRET_KEY",
        "CONFIG_KEYSTONE_ADMIN_TOKEN",
        "CONFIG_NOVA_MIGRATION_KEY",
        "CONFIG_CINDER_CEPH_KEY",
    }


def test_an_invalid_word_of_a_secret_is_not_shown():
    (parameter,) = [parameter for parameter in PARAMETERS if parameter.is_secret and parameter.choices]
    with pytest.raises(ValueError, match="contains a word that is not one of") as failure:
        parse_value(parameter, "novirtinfo,sesame")
    assert "sesame" not in str(failure.value)
    assert parse_value(parameter, "novirtinfo, norhnsd") == Secret("novirtinfo, norhnsd")
