"""Options as Packstack takes them: abbreviated, with an underscore; one that nobody knows gets the nearest name."""

from __future__ import annotations

import difflib
from typing import Dict, List, Sequence, Set

import click

from packstack_lite.answers import BY_NAME
from packstack_lite.errors import UsageFault

# Packstack's own options (run_setup.py, initCmdLineParser) besides those of its parameters.
PACKSTACKS = (
    "--allinone",
    "--answer-file",
    "--debug",
    "--dry-run",
    "--gen-answer-file",
    "--help",
    "--install-hosts",
    "--options",
    "--timeout",
    "--validate-answer-file",
    "--version",
)
# Options whose value may be left out.
_MAY_STAND_ALONE = ("--sandbox",)
_SHOWN = 12


def spelled(command: click.Command, words: Sequence[str]) -> List[str]:
    """The command line with every long option written out, those behind a verb included.

    Raises UsageFault for an option that nobody knows, or that several could be meant by. A value
    is never taken for an option, nor for a verb.
    """
    told: List[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*told, word, *rest]
        last = word
        if word.startswith("--"):
            name, sign, value = word.partition("=")
            last = written_out(command, name)
            word = last + sign + value
        told.append(word)
        if word.startswith("-"):
            if _wants_next(command, word, last, rest):
                told.append(rest.pop(0))
        elif isinstance(command, click.Group):
            if word not in command.commands:
                return [*told, *rest]  # click says what is wrong with it
            command = command.commands[word]
    return told


def written_out(command: click.Command, name: str) -> str:
    """The long option of this command that a word means, as optparse would find it.

    A word that Packstack understands means the same here, whatever options there are besides.
    """
    known = {option.replace("_", "-"): option for option in _long(command)}
    plain = name.replace("_", "-")
    if plain in known:
        return known[plain]
    fitting = [option for option in known if option.startswith(plain)] if len(plain) > 2 else []
    theirs = _packstacks(command)
    found = [option for option in fitting if known[option] in theirs] or fitting
    if len(found) == 1:
        return known[found[0]]
    if found:
        raise UsageFault(f"{name} may be short for several options", f"write one of: {_listed(sorted(found))}")
    raise UsageFault(f"there is no option {name}{_behind(command)}", _nearest(plain, known))


def _behind(command: click.Command) -> str:
    return "" if isinstance(command, click.Group) else f" of {command.name}"


def _listed(options: Sequence[str]) -> str:
    more = f" and {len(options) - _SHOWN} more" if len(options) > _SHOWN else ""
    return ", ".join(options[:_SHOWN]) + more


def _nearest(name: str, known: Dict[str, str]) -> str:
    parameter = BY_NAME.get(name[2:].replace("-", "_").upper())
    near = [f"--{parameter.flag}"] if parameter else difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else "packstack-lite --help-all lists all options"


def _options(command: click.Command) -> List[click.Option]:
    return [option for option in command.params if isinstance(option, click.Option)]


def _long(command: click.Command) -> List[str]:
    # click adds --help when it parses.
    names = [name for option in _options(command) for name in (*option.opts, *option.secondary_opts)]
    return ["--help", *(name for name in names if name.startswith("--"))]


def _packstacks(command: click.Command) -> Set[str]:
    """Which of the command's options Packstack has too."""
    of_parameters = [option for option in _options(command) if (option.name or "").upper() in BY_NAME]
    return {*PACKSTACKS, *(name for option in of_parameters for name in option.opts)}


def _wants_next(command: click.Command, word: str, name: str, rest: Sequence[str]) -> bool:
    """Whether the next word is the value of this one."""
    if not rest or word != name:
        return False
    if name in _MAY_STAND_ALONE:
        verbs = command.commands if isinstance(command, click.Group) else {}
        return not rest[0].startswith("-") and rest[0] not in verbs
    return _takes_value(command, name) if word.startswith("--") else _short_takes_value(command, word)


def _takes_value(command: click.Command, name: str) -> bool:
    return any(name in option.opts and not option.is_flag and not option.count for option in _options(command))


def _short_takes_value(command: click.Command, word: str) -> bool:
    """Of several short options in one word only the last can want the next word."""
    taking = [place for place, letter in enumerate(word[1:]) if _takes_value(command, f"-{letter}")]
    return taking[:1] == [len(word) - 2]
