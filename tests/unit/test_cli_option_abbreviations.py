"""Abbreviated options, compared with optparse, which Packstack uses."""

from __future__ import annotations

import json
from optparse import AmbiguousOptionError, BadOptionError, OptionParser

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME
from packstack_lite.cli import option_abbreviations
from packstack_lite.cli.app import cli
from packstack_lite.cli.option_abbreviations import PACKSTACK_OPTIONS, expand_option, expand_options
from packstack_lite.cli.options import parameter_options
from packstack_lite.errors import UsageError
from tests.conftest import PROJECT

FACTS = json.loads((PROJECT / "tests/facts/packstack-params.json").read_text())["parameters"]
SWITCHES = ("--allinone", "--debug", "--dry-run", "--options")
VALUES = ("--answer-file", "--gen-answer-file", "--install-hosts", "--timeout", "--validate-answer-file")

# Our options by their spelling without underscores.
FLAGS = {f"--{parameter.flag}".replace("_", "-"): f"--{parameter.flag}" for parameter in PARAMETERS}


def packstack_parser(release) -> OptionParser:
    """Build the parser of a Packstack release (run_setup.py, initCmdLineParser) from the recorded facts."""
    parser = OptionParser(version="x")
    for name in SWITCHES:
        parser.add_option(name, action="store_true")
    for name in VALUES:
        parser.add_option(name)
    for fact in FACTS:
        if fact["on_cli"] and fact[release]:
            parser.add_option(f"--{fact['cli']}")
    return parser


def our_spelling(option: str) -> str:
    """Return Packstack's option as it is spelled here."""
    return FLAGS.get(option.replace("_", "-"), option)


@pytest.fixture
def listed_once(monkeypatch):
    """The command's options are listed once for thousands of words, not for each again."""
    cli.add_parameter_options()
    for name in ("_options_by_spelling", "_packstack_options"):
        options = getattr(option_abbreviations, name)(cli)
        monkeypatch.setattr(option_abbreviations, name, lambda command, options=options: options)


@pytest.mark.parametrize("release", ["in_train", "in_2025"])
def test_every_abbreviation_that_packstack_accepts_has_the_same_meaning(release, listed_once):
    parser = packstack_parser(release)
    options = [*SWITCHES, *VALUES, *(f"--{f['cli']}" for f in FACTS if f["on_cli"] and f[release])]
    tried_count, wrong = 0, []
    for option in options:
        for length in range(3, len(option) + 1):
            short = option[:length]
            try:
                expected = parser._match_long_opt(short)
            except BadOptionError:
                continue
            tried_count += 1
            try:
                expanded = expand_option(cli, short)
            except UsageError as error:
                expanded = error.hint
            if expanded != our_spelling(expected):
                wrong.append((short, expanded))
    assert tried_count > 2500
    # Where another release has one more option, an abbreviation is ambiguous, and the message lists the options.
    assert all(
        expanded.startswith("write one of: ") and lists_only_expansions(short, expanded) for short, expanded in wrong
    ), wrong
    assert len(wrong) < tried_count / 50, wrong


def lists_only_expansions(short: str, hint: str) -> bool:
    return all(option.startswith(short) for option in hint.partition(": ")[2].split(" and ")[0].split(", "))


def test_what_packstack_calls_ambiguous_is_never_guessed(listed_once):
    parser = packstack_parser("in_train")
    tried_count = 0
    for fact in [fact for fact in FACTS if fact["in_train"]]:
        try:
            parser._match_long_opt(f"--{fact['cli']}"[:8])
        except AmbiguousOptionError as ambiguous:
            tried_count += 1
            with pytest.raises(UsageError, match="is ambiguous"):
                expand_option(cli, ambiguous.opt_str)
        except BadOptionError:
            assert not fact["on_cli"]
    assert tried_count > 100


@pytest.mark.parametrize("parameter", [p for p in PARAMETERS if "_" in p.flag], ids=lambda p: p.flag)
def test_options_that_packstack_ignores_for_their_underscore_work(parameter):
    assert expand_option(cli, f"--{parameter.flag}") == f"--{parameter.flag}"
    assert expand_option(cli, f"--{parameter.flag.replace('_', '-')}") == f"--{parameter.flag}"


@pytest.mark.parametrize(
    ("given", "expected"),
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
def test_abbreviations_are_expanded(given, expected):
    if expected is None:
        with pytest.raises(UsageError):
            expand_options(cli, given)
    else:
        assert expand_options(cli, given) == expected


@pytest.mark.parametrize(
    ("argument", "message", "hint"),
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
def test_an_unknown_option_gets_a_message_and_a_hint(argument, message, hint):
    if message is None:
        assert expand_options(cli, [argument]) == ["--os-nova-install=y"]
        return
    with pytest.raises(UsageError) as error:
        expand_options(cli, [argument])
    assert message in error.value.message
    assert hint in error.value.hint
    assert len(error.value.hint) < 600


def test_an_option_of_another_verb_names_the_verb():
    with pytest.raises(UsageError, match="there is no option --diff of apply"):
        expand_options(cli, ["apply", "--diff"])


OPTIONS = sorted({name for o in (*cli.params, *parameter_options()) for name in o.opts if name.startswith("--")})


@given(st.lists(st.one_of(st.sampled_from(OPTIONS), st.sampled_from([*cli.commands]), st.text(max_size=9)), max_size=8))
def test_expanded_options_stay_unchanged(arguments):
    """Any arguments: either a UsageError, or only names of options change, and a second expansion changes nothing."""
    try:
        expanded = expand_options(cli, arguments)
    except UsageError:
        return
    assert len(expanded) == len(arguments)
    assert expand_options(cli, expanded) == expanded
    for before, after in zip(arguments, expanded):
        assert after == before or (after.startswith("--") and after.partition("=")[2] == before.partition("=")[2])


def test_all_of_packstacks_own_options_exist():
    option_names = {name for option in cli.params for name in option.opts} | {"--help"}
    assert set(PACKSTACK_OPTIONS) <= option_names
    assert set(SWITCHES) | set(VALUES) <= set(PACKSTACK_OPTIONS)
    assert {"-t", "-o", "-d", "-y"} <= option_names
    assert isinstance(cli, click.Group) and len(PARAMETERS_BY_NAME) == len(PARAMETERS)
