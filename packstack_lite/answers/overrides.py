"""Read answers from the environment and the command line.

They override those of answer files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Sequence, Tuple

from packstack_lite.answers.parameter_table import (
    CURRENT_NAME_BY_OLD_NAME,
    PARAMETERS_BY_NAME,
    PASSWORD_PLACEHOLDER,
)
from packstack_lite.answers.reader import suggest_parameter

ENVIRONMENT_PREFIX = "PACKSTACK_"
# Variables that configure packstack-lite itself are not answers.
_RESERVED_PREFIX = "PACKSTACK_LITE_"


@dataclass
class Overrides:
    """Overriding answers by name, each with its origin; errors and warnings."""

    answers: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    errors: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def read_overrides(environment: Mapping[str, str], settings: Sequence[str], flags: Mapping[str, str]) -> Overrides:
    """Read answers from environment variables, --set and flags.

    Variables are named PACKSTACK_NAME, ``settings`` are ``NAME=VALUE``, ``flags`` are texts by parameter.

    --set and flags override the environment. Names may be in any case; old names are read as today's. An unknown name
    is a warning in the environment, where other programs may use the prefix, and an error on the command line.
    """
    overrides = Overrides()
    for variable in sorted(environment, key=_sort_old_names_first):
        if variable.startswith(ENVIRONMENT_PREFIX) and not variable.startswith(_RESERVED_PREFIX):
            _add_variable(overrides, variable, environment[variable])
    set_answers = _parse_settings(overrides, settings)
    for name, text in flags.items():
        if set_answers.get(name, text) != text:
            overrides.errors.append(
                f"--set {name} and --{PARAMETERS_BY_NAME[name].flag} disagree; leave one of them out"
            )
    overrides.answers.update({name: (text, "--set") for name, text in set_answers.items()})
    overrides.answers.update({name: (text, f"--{PARAMETERS_BY_NAME[name].flag}") for name, text in flags.items()})
    overrides.warnings += _warn_exposed_passwords(set_answers, flags)
    return overrides


def _sort_old_names_first(variable: str) -> Tuple[bool, str]:
    """Sort old names before new ones, so that a new name overrides its old one."""
    return variable[len(ENVIRONMENT_PREFIX) :].upper() not in CURRENT_NAME_BY_OLD_NAME, variable


def _add_variable(overrides: Overrides, variable: str, text: str) -> None:
    """Add the answer of an environment variable, or a warning for an unknown name."""
    name = _current_name(overrides, f"${variable}", variable[len(ENVIRONMENT_PREFIX) :])
    if name in PARAMETERS_BY_NAME:
        overrides.answers[name] = (text, f"${variable}")
    else:
        overrides.warnings.append(f"${variable}: {name} is unknown and ignored{suggest_parameter(name)}")


def _parse_settings(overrides: Overrides, settings: Sequence[str]) -> Dict[str, str]:
    """Parse the arguments of --set; of a repeated name the last is used."""
    set_answers: Dict[str, str] = {}
    for setting in settings:
        given_name, separator, text = setting.partition("=")
        name = _current_name(overrides, "--set", given_name.strip())
        if name not in PARAMETERS_BY_NAME:
            overrides.errors.append(
                f"--set: {name} is unknown{suggest_parameter(name)}"
                if name
                else "--set: no name; write --set NAME=VALUE"
            )
        elif not separator:
            overrides.errors.append(f"--set {name}: has no value; write --set {name}=VALUE")
        else:
            set_answers[name] = text
    return set_answers


def _current_name(overrides: Overrides, origin: str, given_name: str) -> str:
    """Return today's name of a parameter, with a warning if an old name was given."""
    name = given_name.upper()
    if name not in CURRENT_NAME_BY_OLD_NAME:
        return name
    overrides.warnings.append(
        f"{origin}: {name} is an old name of {CURRENT_NAME_BY_OLD_NAME[name]} and is read as such"
    )
    return CURRENT_NAME_BY_OLD_NAME[name]


def _warn_exposed_passwords(settings: Mapping[str, str], flags: Mapping[str, str]) -> List[str]:
    """Warn about secrets on the command line, visible to every user."""
    origins = dict.fromkeys(settings, "--set")
    origins.update({name: f"--{PARAMETERS_BY_NAME[name].flag}" for name in flags})
    answers = {**settings, **flags}
    exposed_names = [
        name
        for name, text in answers.items()
        if PARAMETERS_BY_NAME[name].is_secret and text not in ("", PASSWORD_PLACEHOLDER)
    ]
    if not exposed_names:
        return []
    options = ", ".join(
        f"{origins[name]} {name}" if origins[name] == "--set" else origins[name] for name in exposed_names
    )
    return [
        f"{options}: a password on the command line is visible to every user of this machine and stays in the shell's"
        f" history; put it into another --answer-file or into the variable {ENVIRONMENT_PREFIX}{exposed_names[0]}"
    ]
