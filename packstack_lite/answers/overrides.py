"""Read answers from the environment and the command line.

They override those of answer files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Sequence, Tuple

from packstack_lite.answers.legacy.history import is_secret_name, load_old_parameters
from packstack_lite.answers.legacy.messages import Places, describe_errors, describe_warnings
from packstack_lite.answers.legacy.old_flags import find_old_parameter
from packstack_lite.answers.legacy.rename import OldLine, rename_old_parameters
from packstack_lite.answers.parameter_table import PARAMETERS_BY_NAME, PASSWORD_PLACEHOLDER
from packstack_lite.answers.reader import suggest_parameter
from packstack_lite.answers.values import is_given

ENVIRONMENT_PREFIX = "PACKSTACK_"
# Variables that configure packstack-lite itself are not answers.
_RESERVED_PREFIX = "PACKSTACK_LITE_"


@dataclass
class Overrides:
    """Overriding answers by name, each with its origin; errors and warnings."""

    answers: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    errors: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Given:
    """An override as it was given: an old or a current name, text and origin."""

    name: str
    text: str
    origin: str


def read_overrides(environment: Mapping[str, str], settings: Sequence[str], flags: Mapping[str, str]) -> Overrides:
    """Read answers from environment variables, --set and flags.

    Variables are named PACKSTACK_NAME, ``settings`` are ``NAME=VALUE`` or, for an option that only older releases had,
    ``--OPTION=VALUE``; ``flags`` are texts by parameter.

    --set and flags override the environment. Names may be in any case; old names are read as in an answer file. An
    unknown name is a warning in the environment, where other programs may use the prefix, and an error on the command
    line.
    """
    overrides = Overrides()
    _add_overrides(overrides, _read_environment(overrides, environment))
    set_answers = _parse_settings(overrides, settings)
    for name, text in flags.items():
        if name in set_answers and set_answers[name].text != text:
            overrides.errors.append(
                f"--set {name} and --{PARAMETERS_BY_NAME[name].flag} disagree; leave one of them out"
            )
    from_flags = [_Given(name, text, f"--{PARAMETERS_BY_NAME[name].flag}") for name, text in flags.items()]
    _add_overrides(overrides, [*set_answers.values(), *from_flags])
    overrides.warnings += _warn_exposed_passwords([*set_answers.values(), *from_flags])
    return overrides


def _add_overrides(overrides: Overrides, given: Sequence[_Given]) -> None:
    """Add overrides of one source under today's names, with errors and warnings."""
    places = Places(origins=[override.origin for override in given])
    answers = {
        override.name: (override.text, number)
        for number, override in enumerate(given, 1)
        if override.name in PARAMETERS_BY_NAME
    }
    old_lines = [
        OldLine(override.name, override.text, number)
        for number, override in enumerate(given, 1)
        if override.name not in PARAMETERS_BY_NAME
    ]
    result = rename_old_parameters(answers, old_lines, is_file=False)
    overrides.answers.update({name: (text, places.label(number)) for name, (text, number) in result.answers.items()})
    overrides.errors += describe_errors(places, result.changes)
    overrides.warnings += describe_warnings(places, sorted(result.changes, key=lambda change: change.line_number))


def _read_environment(overrides: Overrides, environment: Mapping[str, str]) -> List[_Given]:
    """Return the answers of the environment; warn about unknown names."""
    given = []
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable.startswith(_RESERVED_PREFIX):
            continue
        name = variable[len(ENVIRONMENT_PREFIX) :].upper()
        if _is_known(name):
            given.append(_Given(name, environment[variable], f"${variable}"))
        else:
            overrides.warnings.append(f"${variable}: {name} is unknown and ignored{suggest_parameter(name)}")
    return given


def _parse_settings(overrides: Overrides, settings: Sequence[str]) -> Dict[str, _Given]:
    """Parse the arguments of --set by name; of a repeated name the last is used."""
    set_answers: Dict[str, _Given] = {}
    for setting in settings:
        given_name, separator, text = setting.partition("=")
        is_flag = given_name.startswith("--")
        name = find_old_parameter(given_name) if is_flag else given_name.strip().upper()
        if not _is_known(name):
            overrides.errors.append(
                f"--set: {name or given_name} is unknown{suggest_parameter(name)}"
                if given_name.strip()
                else "--set: no name; write --set NAME=VALUE"
            )
        elif not separator:
            overrides.errors.append(f"--set {name}: has no value; write --set {name}=VALUE")
        else:
            set_answers[name] = _Given(name, text, given_name if is_flag else "--set")
    return set_answers


def _is_known(name: str) -> bool:
    """Return whether this or an older release has the parameter."""
    return name in PARAMETERS_BY_NAME or name in load_old_parameters()


def _warn_exposed_passwords(given: Sequence[_Given]) -> List[str]:
    """Warn about secrets on the command line, visible to every user."""
    exposed = [
        override
        for override in given
        if is_secret_name(override.name) and is_given(override.text, True) and override.text != PASSWORD_PLACEHOLDER
    ]
    if not exposed:
        return []
    options = ", ".join(
        f"{override.origin} {override.name}" if override.origin == "--set" else override.origin for override in exposed
    )
    return [
        f"{options}: a password on the command line is visible to every user of this machine and stays in the shell's"
        f" history; put it into another --answer-file or into the variable {ENVIRONMENT_PREFIX}{exposed[0].name}"
    ]
