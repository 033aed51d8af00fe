"""Expand abbreviated options as Packstack does.

Options may contain underscores. One that only older releases had becomes a ``--set``, so that it is read like its
parameter in an old answer file. Unknown ones are reported together, each with a suggestion.
"""

from __future__ import annotations

from typing import Dict, List, Sequence, Set

import click

from packstack_lite.cli.lazy import LazyGroup
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend

# Packstack's own options (run_setup.py, initCmdLineParser), without those of its parameters.
PACKSTACK_OPTIONS = (
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
# Options whose value is optional.
_OPTIONAL_VALUE = ("--sandbox",)
_MAX_LISTED = 12
_HELP_HINT = f"{recommend('--help-all')} lists all options"


def expand_options(command: click.Command, arguments: Sequence[str]) -> List[str]:
    """Return the command line with every long option in full, also after a verb.

    A value is never mistaken for an option or a verb. Raises UsageError with all unknown and ambiguous options.
    """
    expanded: List[str] = []
    errors: List[UsageError] = []
    remaining_args = list(arguments)
    while remaining_args:
        word = remaining_args.pop(0)
        if word == "--":
            expanded += [word, *remaining_args]
            break
        option_name = word
        if word.startswith("--"):
            name, separator, value = word.partition("=")
            try:
                option_name = _expand_known_option(command, name)
            except UsageError as error:
                errors.append(error)
                if not separator and remaining_args and _is_value(command, remaining_args[0]):
                    remaining_args.pop(0)
                continue
            if not option_name:
                value = value if separator else _pop_value(command, remaining_args)
                expanded.append(f"--set={name}={value}")
                continue
            word = option_name + separator + value
        expanded.append(word)
        if word.startswith("-"):
            if _takes_next_word(command, word, option_name, remaining_args):
                expanded.append(remaining_args.pop(0))
        elif isinstance(command, click.Group):
            if word not in command.commands:
                expanded += remaining_args  # click reports the unknown verb
                break
            command = command.commands[word]
    _raise_errors(errors)
    return expanded


def _raise_errors(errors: Sequence[UsageError]) -> None:
    """Raise the errors about options as one UsageError, if there are any."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        reasons = [f"{error.message} ({error.hint})" if error.hint != _HELP_HINT else error.message for error in errors]
        raise UsageError(f"{len(errors)} options are unknown or ambiguous: {'; '.join(reasons)}", _HELP_HINT)


def _is_value(command: click.Command, word: str) -> bool:
    """Return whether a word may be an option's value: no option and no verb."""
    verbs = command.commands if isinstance(command, click.Group) else {}
    return not word.startswith("-") and word not in verbs


def _pop_value(command: click.Command, remaining_args: List[str]) -> str:
    """Take the value of an option from the next argument; "" if there is none."""
    return remaining_args.pop(0) if remaining_args and _is_value(command, remaining_args[0]) else ""


def _expand_known_option(command: click.Command, name: str) -> str:
    """Return the full name of an option; "" if it is to become a ``--set``.

    That is an option that only older releases of Packstack had, of a command with ``--set``. Raises UsageError if the
    option is unknown or ambiguous.
    """
    try:
        return expand_option(command, name)
    except UsageError:
        # Not above: reading the table takes as long as all of --version.
        from packstack_lite.answers import find_old_parameter

        if find_old_parameter(name) and "--set" in _long_options(command):
            return ""
        raise


def expand_option(command: click.Command, name: str) -> str:
    """Return the full name of a possibly abbreviated long option.

    Abbreviations work as in Python's optparse, which Packstack uses.
    An abbreviation that is unique in Packstack has the same meaning here, whatever options were added. Raises
    UsageError if the option is unknown or ambiguous.
    """
    dashed_name = name.replace("_", "-")
    options_by_spelling = _options_by_spelling(command)
    if dashed_name not in options_by_spelling and isinstance(command, LazyGroup):
        command.add_parameter_options()
        options_by_spelling = _options_by_spelling(command)
    if dashed_name in options_by_spelling:
        return options_by_spelling[dashed_name]
    candidates = (
        [option for option in options_by_spelling if option.startswith(dashed_name)] if len(dashed_name) > 2 else []
    )
    packstack_options = _packstack_options(command)
    matches = [option for option in candidates if options_by_spelling[option] in packstack_options] or candidates
    if len(matches) == 1:
        return options_by_spelling[matches[0]]
    if matches:
        raise UsageError(f"{name} is ambiguous", f"write one of: {_join_options(sorted(matches))}")
    raise UsageError(
        f"there is no option {name}{_verb_suffix(command)}", _suggest_option(dashed_name, options_by_spelling)
    )


def _verb_suffix(command: click.Command) -> str:
    """Return " of VERB" for a verb, "" for the main command."""
    return "" if isinstance(command, click.Group) else f" of {command.name}"


def _join_options(options: Sequence[str]) -> str:
    """Join options for a message, at most twelve of them."""
    remainder = f" and {len(options) - _MAX_LISTED} more" if len(options) > _MAX_LISTED else ""
    return ", ".join(options[:_MAX_LISTED]) + remainder


def _suggest_option(name: str, options_by_spelling: Dict[str, str]) -> str:
    """Return a hint for an unknown option: the closest name, or --help-all."""
    from packstack_lite.answers import PARAMETERS_BY_NAME, suggest_name

    parameter = PARAMETERS_BY_NAME.get(name[2:].replace("-", "_").upper())
    suggestion = f"--{parameter.flag}" if parameter else suggest_name(name, options_by_spelling)
    return f"did you mean {suggestion}?" if suggestion else _HELP_HINT


def _command_options(command: click.Command) -> List[click.Option]:
    """Return the options of a click command."""
    return [option for option in command.params if isinstance(option, click.Option)]


def _options_by_spelling(command: click.Command) -> Dict[str, str]:
    """Return a command's long options by their spelling without underscores."""
    return {option.replace("_", "-"): option for option in _long_options(command)}


def _long_options(command: click.Command) -> List[str]:
    """Return the names of all long options of a command."""
    # click adds --help when it parses.
    names = [name for option in _command_options(command) for name in (*option.opts, *option.secondary_opts)]
    return ["--help", *(name for name in names if name.startswith("--"))]


def _packstack_options(command: click.Command) -> Set[str]:
    """Return those of the command's options that Packstack has too."""
    from packstack_lite.answers import PARAMETERS_BY_NAME

    of_parameters = [
        option for option in _command_options(command) if (option.name or "").upper() in PARAMETERS_BY_NAME
    ]
    return {*PACKSTACK_OPTIONS, *(name for option in of_parameters for name in option.opts)}


def _takes_next_word(command: click.Command, word: str, name: str, remaining_args: Sequence[str]) -> bool:
    """Return whether the next argument is the value of the option in ``word``.

    ``name`` is the option's full name; ``word`` may have ``=VALUE`` after it. An option whose value may be left out
    takes the next argument unless that is an option or a verb.
    """
    if not remaining_args or word != name:
        return False
    if name in _OPTIONAL_VALUE:
        verbs = command.commands if isinstance(command, click.Group) else {}
        return not remaining_args[0].startswith("-") and remaining_args[0] not in verbs
    return _takes_value(command, name) if word.startswith("--") else _short_takes_value(command, word)


def _takes_value(command: click.Command, name: str) -> bool:
    """Return whether the option of this name takes a value."""
    return any(name in option.opts and not option.is_flag and not option.count for option in _command_options(command))


def _short_takes_value(command: click.Command, word: str) -> bool:
    """Return whether the next argument is the value of bundled short options.

    Only the last of several short options in one argument can take it.
    """
    positions = [position for position, letter in enumerate(word[1:]) if _takes_value(command, f"-{letter}")]
    return positions[:1] == [len(word) - 2]
