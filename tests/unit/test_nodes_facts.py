"""Every fact is gathered, and everything that a script prints is a fact that the package reads."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

import pytest

from packstack_lite.nodes.facts import Facts, SystemFacts, UplinkFacts, uplinks
from packstack_lite.nodes.facts.fields import fact, first_text
from packstack_lite.nodes.facts.gather import build_commands
from packstack_lite.remote.command import Command
from tests.clouds import SUBJECTS, change_facts, facts
from tests.conftest import PROJECT
from tests.unit.test_nodes_gather import run_script

# How a script prints KEY=VALUE: its own say(), printf and awk's, echo, find -printf, and sed with a replacement.
PRINTS = (
    r"\bsay (\w+) ",
    r"\bprintf ['\"](\w+)=",
    r"\bprint[( ]\"(\w+)=",
    r"\becho (\w+)=",
    r"-printf '(\w+)=",
    r"s/\^/(\w+)=",
    r"CONCAT\('(\w+)=",
    r"/(\w+)=\\1/",
)
COMMANDS = build_commands(["198.18.1.1:/srv"], ["br-ex:eth0"])
SUBJECT_CLASSES = [type(getattr(Facts(), subject.name)) for subject in fields(Facts)]


def printed_keys(commands):
    """Return the KEYs that the scripts print, by the command that prints them."""
    return {
        key: command.description for command in commands for form in PRINTS for key in re.findall(form, command.script)
    }


def problems(commands, subjects):
    """Return a sentence for each fact without a script, and for each KEY without a fact."""
    printed = printed_keys(commands)
    declared = [(subject, each) for subject in subjects for each in fields(subject)]
    keys = {each.metadata.get("key") for _, each in declared}
    return [
        *(
            f"{subject.__name__}.{each.name}: declare it with fact(KEY, parser)"
            for subject, each in declared
            if "key" not in each.metadata
        ),
        *(
            f"{subject.__name__}.{each.name}: no script prints its KEY {each.metadata['key']}"
            for subject, each in declared
            if "key" in each.metadata and each.metadata["key"] not in printed
        ),
        *(
            f"the script {command!r} prints {key}, which no fact parses"
            for key, command in printed.items()
            if key not in keys
        ),
    ]


def test_every_fact_is_printed_and_every_key_is_parsed():
    sentences = problems(COMMANDS, SUBJECT_CLASSES)
    assert not sentences, "\n".join(sentences)


def test_a_fact_that_no_script_prints_is_noticed():
    @dataclass(frozen=True)
    class MoreFacts(SystemFacts):
        example_fact: str = fact("example_fact", first_text)

    others = [subject for subject in SUBJECT_CLASSES if subject is not SystemFacts]
    assert "MoreFacts.example_fact: no script prints its KEY example_fact" in problems(COMMANDS, [*others, MoreFacts])


def test_a_fact_without_a_parser_is_noticed():
    @dataclass(frozen=True)
    class MoreFacts(SystemFacts):
        example_fact: str = ""

    others = [subject for subject in SUBJECT_CLASSES if subject is not SystemFacts]
    assert "MoreFacts.example_fact: declare it with fact(KEY, parser)" in problems(COMMANDS, [*others, MoreFacts])


@pytest.mark.parametrize(
    "line",
    [
        'say example_fact "$x"',
        "printf 'example_fact=%s\\n' \"$x\"",
        "awk '{print \"example_fact=\" $1}' x",
        "echo example_fact=yes",
        "find x -printf 'example_fact=%f\\n'",
        "mount | sed 's/^/example_fact=/'",
        "sed -n 's/^x\\(.*\\)/example_fact=\\1/p' x",
    ],
)
def test_a_key_that_no_fact_parses_is_noticed(line):
    more = Command(line, description="gather more")
    sentence = "the script 'gather more' prints example_fact, which no fact parses"
    assert sentence in problems([*COMMANDS, more], SUBJECT_CLASSES)


def test_a_key_is_one_subjects_own():
    """All replies are parsed as one, so two subjects must not share a KEY."""
    owners = {}
    for subject in SUBJECT_CLASSES:
        for each in fields(subject):
            owners.setdefault(each.metadata["key"], set()).add(subject.__name__)
    assert {key: sorted(names) for key, names in owners.items() if len(names) > 1} == {}


def test_the_scripts_print_no_other_lines_on_this_machine():
    known = {each.metadata["key"] for subject in SUBJECT_CLASSES for each in fields(subject)}
    lines = [line for command in build_commands() for line in run_script(command).out.splitlines()]
    assert lines and {line.partition("=")[0] for line in lines} <= known


def test_every_key_of_an_uplink_is_parsed():
    (command,) = uplinks.build_commands(["br-ex:eth0"])
    printed = set(re.findall(r'\bsay "\$\w+" (\w+) ', command.script))
    assert printed == {each.metadata["key"] for each in fields(UplinkFacts)}


def undescribed(subjects):
    """Return a sentence for each field that its class's docstring does not name between double backquotes."""
    return [
        f"{subject.__name__}.{each.name}: say in the class's docstring what ``{each.name}`` means"
        for subject in subjects
        for each in fields(subject)
        if f"``{each.name}``" not in (subject.__doc__ or "")
    ]


def test_every_fact_is_described_in_its_class():
    sentences = undescribed(SUBJECT_CLASSES)
    assert not sentences, "\n".join(sentences)


def test_a_fact_that_is_not_described_is_noticed():
    @dataclass(frozen=True)
    class MoreFacts:
        """One more: ``other_fact``."""

        other_fact: str = fact("other_fact", first_text)
        fact: str = fact("fact", first_text)

    assert undescribed([MoreFacts]) == ["MoreFacts.fact: say in the class's docstring what ``fact`` means"]


def test_every_fact_is_read():
    """A fact that nothing reads costs each run a moment on the node."""
    files = [*(PROJECT / "packstack_lite").rglob("*.py"), *(PROJECT / "templates").rglob("*.j2")]
    text = "\n".join(path.read_text() for path in files if "facts" not in path.parts)
    unread = [f"{subject}.{name}" for name, subject in SUBJECTS.items() if f".{subject}.{name}" not in text]
    assert not unread, f"facts that nothing in the package reads: {', '.join(unread)}"


def test_facts_are_changed_by_flat_names():
    assert (facts(cpus=7).hardware.cpus, change_facts(Facts(), nat_support="no").security.nat_support) == (7, "no")
    assert sum(len(fields(subject)) for subject in SUBJECT_CLASSES) == len(SUBJECTS), "no name in two subjects"
    with pytest.raises(TypeError, match="Facts have no cpu"):
        facts(cpu=7)
