"""Options as Packstack takes them, held against optparse, which Packstack reads its command line with."""

from __future__ import annotations

import json
from optparse import AmbiguousOptionError, BadOptionError, OptionParser

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME
from packstack_lite.cli.app import cli
from packstack_lite.cli.option_abbreviations import PACKSTACK_OPTIONS, expand_option, expand_options
from packstack_lite.errors import UsageError
from tests.conftest import PROJECT

FACTS = json.loads((PROJECT / "tests/facts/packstack-params.json").read_text())["parameters"]
SWITCHES = ("--allinone", "--debug", "--dry-run", "--options")
VALUES = ("--answer-file", "--gen-answer-file", "--install-hosts", "--timeout", "--validate-answer-file")


def packstack(release) -> OptionParser:
    """The parser that Packstack builds (run_setup.py, initCmdLineParser), from the facts."""
    parser = OptionParser(version="x")
    for name in SWITCHES:
        parser.add_option(name, action="store_true")
    for name in VALUES:
        parser.add_option(name)
    for fact in FACTS:
        if fact["on_cli"] and fact[release]:
            parser.add_option(f"--{fact['cli']}")
    return parser


def ours_of(option: str) -> str:
    """Packstack's option as it is spelled here."""
    return next(
        (f"--{p.flag}" for p in PARAMETERS if f"--{p.flag}".replace("_", "-") == option.replace("_", "-")), option
    )


@pytest.mark.parametrize("release", ["in_train", "in_2025"])
def test_every_abbreviation_that_packstack_takes_means_the_same(release):
    parser = packstack(release)
    options = [*SWITCHES, *VALUES, *(f"--{f['cli']}" for f in FACTS if f["on_cli"] and f[release])]
    tried, wrong = 0, []
    for option in options:
        for length in range(3, len(option) + 1):
            short = option[:length]
            try:
                meant = parser._match_long_opt(short)
            except BadOptionError:
                continue
            tried += 1
            try:
                found = expand_option(cli, short)
            except UsageError as fault:
                found = fault.hint
            if found != ours_of(meant):
                wrong.append((short, found))
    assert tried > 2500
    # Where the other release has one more option, an abbreviation is not clear without saying which is meant.
    assert all(found.startswith("write one of: ") and ours_of_short(short, found) for short, found in wrong), wrong
    assert len(wrong) < tried / 50, wrong


def ours_of_short(short: str, hint: str) -> bool:
    return all(option.startswith(short) for option in hint.partition(": ")[2].split(" and ")[0].split(", "))


def test_what_packstack_calls_ambiguous_is_never_guessed():
    parser = packstack("in_train")
    tried = 0
    for fact in [fact for fact in FACTS if fact["in_train"]]:
        try:
            parser._match_long_opt(f"--{fact['cli']}"[:8])
        except AmbiguousOptionError as ambiguous:
            tried += 1
            with pytest.raises(UsageError, match="is ambiguous"):
                expand_option(cli, ambiguous.opt_str)
        except BadOptionError:
            assert not fact["on_cli"]
    assert tried > 100


@pytest.mark.parametrize("parameter", [p for p in PARAMETERS if "_" in p.flag], ids=lambda p: p.flag)
def test_flags_that_packstack_drops_for_their_underscore_count(parameter):
    assert expand_option(cli, f"--{parameter.flag}") == f"--{parameter.flag}"
    assert expand_option(cli, f"--{parameter.flag.replace('_', '-')}") == f"--{parameter.flag}"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (["--ans=f"], ["--answer-file=f"]),
        (["--answer_file", "f", "--dry"], ["--answer-file", "f", "--dry-run"]),
        (["--allin", "--def=x"], ["--allinone", "--default-password=x"]),
        (["plan", "--dif", "--ho", "h"], ["plan", "--diff", "--host", "h"]),
        (["answers", "show", "--chan", "CONFIG_DEBUG_MODE"], ["answers", "show", "--changed", "CONFIG_DEBUG_MODE"]),
        (["--os_debug_mode", "--allin"], ["--os-debug-mode", "--allin"]),
        (["--answer-file", "plan", "apply", "--exit"], None),
        (["--answer-file", "plan", "plan", "--exit"], ["--answer-file", "plan", "plan", "--exit-code"]),
        (["-t", "plan", "--allin"], ["-t", "plan", "--allinone"]),
        (["-dt", "9", "--allin"], ["-dt", "9", "--allinone"]),
        (["-dy", "--allin"], ["-dy", "--allinone"]),
        (["--sand", "plan", "--dif"], ["--sandbox", "plan", "--diff"]),
        (["--sand", "two", "plan", "--dif"], ["--sandbox", "two", "plan", "--diff"]),
        (["--hel"], ["--help"]),
        (["nonsense", "--nonsense"], ["nonsense", "--nonsense"]),
        (["--", "--allin"], ["--", "--allin"]),
    ],
    ids=str,
)
def test_written_out(said, meant):
    if meant is None:
        with pytest.raises(UsageError):
            expand_options(cli, said)
    else:
        assert expand_options(cli, said) == meant


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("--os-nova-instal=y", None, None),
        ("--os-nowa-install=y", "there is no option --os-nowa-install", "did you mean --os-nova-install?"),
        ("--config_debug_mode=y", "there is no option --config_debug_mode", "did you mean --os-debug-mode?"),
        ("--all-in-one", "there is no option --all-in-one", "did you mean --allinone?"),
        ("--qqqq", "there is no option --qqqq", "--help-all"),
        (
            "--os-neutron-ovs-bridge",
            "--os-neutron-ovs-bridge is ambiguous",
            "--os-neutron-ovs-bridge-interfaces, --os-neutron-ovs-bridge-mappings, --os-neutron-ovs-bridges-compute",
        ),
        ("--os", "is ambiguous", " more"),
    ],
)
def test_an_option_that_is_none_gets_a_sentence(word, message, hint):
    if message is None:
        assert expand_options(cli, [word]) == ["--os-nova-install=y"]
        return
    with pytest.raises(UsageError) as fault:
        expand_options(cli, [word])
    assert message in fault.value.message
    assert hint in fault.value.hint
    assert len(fault.value.hint) < 600


def test_an_option_of_another_verb_names_the_verb():
    with pytest.raises(UsageError, match="there is no option --diff of apply"):
        expand_options(cli, ["apply", "--diff"])


OPTIONS = sorted({name for o in cli.params for name in o.opts if name.startswith("--")})


@given(st.lists(st.one_of(st.sampled_from(OPTIONS), st.sampled_from([*cli.commands]), st.text(max_size=9)), max_size=8))
def test_written_out_options_stay_as_they_are(words):
    """Any words: either a UsageFault, or nothing but options' names has changed, and doing it again changes nothing."""
    try:
        told = expand_options(cli, words)
    except UsageError:
        return
    assert len(told) == len(words)
    assert expand_options(cli, told) == told
    for before, after in zip(words, told):
        assert after == before or (after.startswith("--") and after.partition("=")[2] == before.partition("=")[2])


def test_packstacks_own_options_are_all_there():
    there = {name for option in cli.params for name in option.opts} | {"--help"}
    assert set(PACKSTACK_OPTIONS) <= there
    assert set(SWITCHES) | set(VALUES) <= set(PACKSTACK_OPTIONS)
    assert {"-t", "-o", "-d", "-y"} <= there
    assert isinstance(cli, click.Group) and len(PARAMETERS_BY_NAME) == len(PARAMETERS)
