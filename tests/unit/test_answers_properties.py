"""Property tests: any content of an answer file gives a quick, short error; valid answers read back."""

from __future__ import annotations

import configparser
import os
import random
import re
import resource
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from packstack_lite.answers import (
    PARAMETERS,
    PARAMETERS_BY_NAME,
    read_answer_file,
    resolve_answers,
    write_answer_file,
    write_answer_text,
)
from packstack_lite.answers.templates import is_template
from packstack_lite.answers.values import MAX_ANSWER_LENGTH, is_given, parse_value
from packstack_lite.answers.writer import render_parameter_lines
from packstack_lite.cli.app import cli, main
from packstack_lite.errors import UsageError
from tests.conftest import cli_runner

MAX_BYTES = 990_000
START = b"[general]\n"
CONTENTS = {
    "random bytes": lambda: random.Random(1).randbytes(MAX_BYTES),
    "random lines": lambda: START + bytes(random.Random(1).choices(b"abcXYZ_=: \n[]#;%$", k=MAX_BYTES)),
    "10 MB": lambda: START + b"CONFIG_DEBUG_MODE=y\n" * 500_000,
    "10 MB in a line": lambda: START + b"CONFIG_NTP_SERVERS=" + b"x" * 10_000_000,
    "a huge line": lambda: START + b"x" * MAX_BYTES,
    "a huge value": lambda: START + b"CONFIG_NTP_SERVERS=" + b"x" * MAX_BYTES,
    "a line of spaces": lambda: START + b"CONFIG_DEBUG_MODE" + b" " * MAX_BYTES + b"y",
    "NULs": lambda: START + b"\0" * MAX_BYTES,
    "brackets": lambda: b"[" * MAX_BYTES,
    "sections in sections": lambda: b"[general]\n[[general]]\n[[[a]]]\n" * 30_000,
    "unknown names": lambda: START + b"".join(b"CONFIG_NOVA_KS_P%d=x\n" % number for number in range(40_000)),
    "short names": lambda: START + b"A=\n" * 300_000,
    "a long name": lambda: START + b"CONFIG_" * 100_000 + b"=y",
    "a repeated name": lambda: START + b"CONFIG_DEBUG_MODE=y\n" * 49_000,
    "a repeated old name": lambda: START + b"CONFIG_QPID_HOST=a\n" * 49_000,
    "a huge number": lambda: START + b"CONFIG_SERVICE_WORKERS=" + b"9" * MAX_ANSWER_LENGTH,
    "a very long number": lambda: START + b"CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=" + b"9" * 400,
    "many hosts": lambda: START + b"CONFIG_COMPUTE_HOSTS=" + b"a,198.18.1.9," * (MAX_ANSWER_LENGTH // 13),
    "many mappings": lambda: START + b"CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS=" + b"a:b," * (MAX_ANSWER_LENGTH // 4),
    "nested pools": lambda: START + b"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS=" + b"[" * (MAX_ANSWER_LENGTH - 1),
    "many pools": lambda: (
        START + b"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS=["
        b"%s]" % b",".join([b'"start=198.18.2.5,end=198.18.2.6"'] * (MAX_ANSWER_LENGTH // 35))
    ),
}


def own_seconds() -> float:
    """Return the CPU time of this process; wall time depends on other processes."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("name", CONTENTS)
def test_no_file_takes_long_or_gives_a_traceback(tmp_path, name):
    path = tmp_path / "a.txt"
    path.write_bytes(CONTENTS[name]())
    before = own_seconds()
    try:
        answers = resolve_answers([path])
    except UsageError as error:
        assert str(path) in str(error)
        assert all(len(line) < 500 for line in getattr(error, "errors", ()))
    else:
        assert answers.warnings
    assert own_seconds() - before < 2


@given(st.binary(max_size=500))
def test_no_bytes_give_a_traceback(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("b") / "a.txt"
    path.write_bytes(START + content)
    try:
        resolve_answers([path])
    except UsageError as error:
        assert str(error)


def test_an_endless_file_is_not_read_to_its_end():
    with pytest.raises(UsageError, match="larger than 1 MB"):
        read_answer_file(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["10 MB", "NULs", "random lines"])
def test_the_command_refuses_such_files_with_a_short_message(tmp_path, name):
    path = tmp_path / "a.txt"
    path.write_bytes(CONTENTS[name]())
    env = {"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "home/state"), "NO_COLOR": "1"}
    outcome = cli_runner(env=env).invoke(cli, [f"--validate-answer-file={path}"])
    assert isinstance(outcome.exception, SystemExit), outcome.exception
    assert outcome.exit_code == 2
    assert f"{path}: is no" in outcome.stderr
    assert len(outcome.stderr.splitlines()) < 5


PRINTABLE = st.text(st.characters(blacklist_categories=("C", "Z"), whitelist_characters=" "), max_size=60)
MARKED = st.text(string.ascii_letters + string.digits + " ,:=;#%$[]{}()\"'\\/@&!.-_", max_size=40)


def texts(parameter):
    """Generate valid and invalid texts for a parameter."""
    words = [parameter.default, *parameter.choices]
    numbers = st.one_of(st.integers().map(str), st.floats(0, 1e9).map(str))
    return st.one_of(st.sampled_from(words), PRINTABLE, MARKED, numbers, st.ip_addresses().map(str))


@given(st.data())
def test_every_valid_answer_reads_back_from_a_written_file(tmp_path_factory, data):
    valid_answers = {}
    for parameter in data.draw(st.lists(st.sampled_from(PARAMETERS), min_size=1, max_size=10, unique=True)):
        text = data.draw(texts(parameter))
        try:
            valid_answers[parameter.name] = (text, parse_value(parameter, text))
        except ValueError as error:
            assert str(error)
    path = tmp_path_factory.mktemp("w") / "a.txt"
    write_answer_text(
        path,
        render_parameter_lines(lambda parameter: f"{parameter.name}={valid_answers.get(parameter.name, ('', ''))[0]}"),
    )
    answer_file = read_answer_file(path)
    assert answer_file.errors == answer_file.warnings == []
    assert {name: text for name, (text, _) in answer_file.answers.items() if name in valid_answers} == {
        name: text for name, (text, _) in valid_answers.items()
    }
    assert set(answer_file.answers) == {parameter.name for parameter in PARAMETERS}
    for parameter in PARAMETERS:
        if parameter.name in valid_answers:
            assert parse_value(parameter, answer_file.answers[parameter.name][0]) == valid_answers[parameter.name][1]


def python_2(text):
    """What Python 2's RawConfigParser reads (rules: shared/research/packstack.md, "Answer file rules")."""
    values = {}
    for line in text.splitlines():
        if not line.strip() or line[0] in "#;[" or re.match(r"rem\s", line, re.IGNORECASE):
            continue
        assert not line[0].isspace(), "an indented line is an error there"
        name, value = (part.strip() for part in re.split(r"[=:]", line, maxsplit=1))
        value = re.sub(r"^([^;]*)\s;.*", r"\1", value).strip()
        values[name.lower()] = "" if value == '""' else value
    return values


def python_3(text):
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return dict(parser["general"])


@pytest.mark.parametrize("words", [(), ("--install-hosts=198.18.1.10", "--os-swift-install=y")])
def test_packstack_reads_a_generated_file_as_we_do(tmp_path, words):
    path = tmp_path / "a.txt"
    env = {"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "home/state"), "NO_COLOR": "1"}
    assert cli_runner(env=env).invoke(cli, [f"--gen-answer-file={path}", *words]).exit_code == 0
    read_here = {name.lower(): text for name, (text, _) in read_answer_file(path).answers.items()}
    for parser in (python_2, python_3):
        assert parser(path.read_text()) == read_here, parser.__name__
    assert len(read_here) == len(PARAMETERS)


PACKSTACK_2_CUTS = re.compile(r'^[^;]*\s;|^""$')


@settings(max_examples=60)
# A word that looks like a template, as $A does, is refused; '' in quotation marks is no answer.
@given(MARKED.map(str.strip).filter(lambda word: is_given(word, True) and not is_template(word, True)))
@example("a ;b")
@example("a;b")
def test_packstack_reads_passwords_as_we_do_except_what_python_2_cuts(tmp_path_factory, word):
    path = tmp_path_factory.mktemp("p") / "a.txt"
    write_answer_file(path, resolve_answers(flags={"CONFIG_NOVA_KS_PW": word}))
    text = path.read_text()
    assert read_answer_file(path).answers["CONFIG_NOVA_KS_PW"][0] == python_3(text)["config_nova_ks_pw"] == word
    assert (python_2(text)["config_nova_ks_pw"] == word) is not bool(PACKSTACK_2_CUTS.search(word))


# Connecting a datagram socket sends nothing: it asks the kernel for this machine's own address.
WITHOUT_SOCKETS = """
import socket
import sys
from packstack_lite.cli.app import cli, main
def refuse(event, arguments):
    is_udp_connect = event == "socket.connect" and arguments[0].type == socket.SOCK_DGRAM
    if event.startswith("socket.") and not is_udp_connect and event not in ("socket.__new__", "socket.gethostname"):
        raise SystemExit("a socket: " + event)
sys.addaudithook(refuse)
main()
"""


@pytest.mark.parametrize("word", ["--gen-answer-file", "--validate-answer-file"])
def test_answer_file_commands_connect_to_nothing(tmp_path, word):
    path = tmp_path / "a.txt"
    write_answer_file(path, resolve_answers(address="198.18.1.10"))
    if word == "--gen-answer-file":
        path.unlink()
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_SOCKETS, f"{word}={path}"],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert set(read_answer_file(path).answers) == set(PARAMETERS_BY_NAME)


def test_a_machine_without_a_route_writes_a_file(tmp_path, monkeypatch, capsys):
    def fail_without_route():
        raise UsageError("no route")

    monkeypatch.setattr("packstack_lite.cli.answer_files.find_own_address", fail_without_route)
    with pytest.raises(SystemExit) as end:
        main([f"--gen-answer-file={tmp_path / 'a.txt'}"])
    assert end.value.code == 0
    assert "write its address instead" in capsys.readouterr().err
    assert read_answer_file(tmp_path / "a.txt").answers["CONFIG_CONTROLLER_HOST"][0] == "127.0.0.1"


def test_the_audit_hook_of_these_tests_refuses_sockets(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_SOCKETS, "plan", "--host", "root@127.0.0.1:1"],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "a socket: " in result.stderr
