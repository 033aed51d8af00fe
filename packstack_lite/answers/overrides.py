"""Answers given beside the files: in the environment and on the command line. They win over files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Sequence, Tuple

from packstack_lite.answers.reader import nearest
from packstack_lite.answers.table import BY_NAME, OLD_NAMES

PREFIX = "PACKSTACK_"
# Names of this tool's own: no answers.
_OWN = "PACKSTACK_LITE_"
_PLACEHOLDER = "PW_PLACEHOLDER"


@dataclass
class Said:
    """What was said beside the files: name to (text, where), and what is wrong or doubtful in it."""

    answers: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    faults: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def said(environment: Mapping[str, str], settings: Sequence[str], flags: Mapping[str, str]) -> Said:
    """The answers of the environment, below those of --set (``NAME=VALUE``) and of flags (name to text).

    Names are taken in any case, old ones as the new ones that they became. One that nobody knows is
    a warning in the environment, which others write to as well, and a fault on the command line.
    """
    found = Said()
    for variable in sorted(environment, key=_old_first):
        if variable.startswith(PREFIX) and not variable.startswith(_OWN):
            _of_environment(found, variable, environment[variable])
    told = _settings(found, settings)
    for name, text in flags.items():
        if told.get(name, text) != text:
            found.faults.append(f"--set {name} and --{BY_NAME[name].flag} disagree; leave one of them out")
    found.answers.update({name: (text, "--set") for name, text in told.items()})
    found.answers.update({name: (text, f"--{BY_NAME[name].flag}") for name, text in flags.items()})
    found.warnings += _exposed(told, flags)
    return found


def _old_first(variable: str) -> Tuple[bool, str]:
    """Sorts old names before new ones, which then count."""
    return variable[len(PREFIX) :].upper() not in OLD_NAMES, variable


def _of_environment(found: Said, variable: str, text: str) -> None:
    name = _name(found, f"${variable}", variable[len(PREFIX) :])
    if name in BY_NAME:
        found.answers[name] = (text, f"${variable}")
    else:
        found.warnings.append(f"${variable}: {name} is unknown and ignored{nearest(name)}")


def _settings(found: Said, settings: Sequence[str]) -> Dict[str, str]:
    told: Dict[str, str] = {}
    for setting in settings:
        written, sign, text = setting.partition("=")
        name = _name(found, "--set", written.strip())
        if name not in BY_NAME:
            found.faults.append(f"--set: {name or 'nothing'} is unknown{nearest(name)}")
        elif not sign:
            found.faults.append(f"--set {name}: has no value; write --set {name}=VALUE")
        else:
            told[name] = text
    return told


def _name(found: Said, where: str, written: str) -> str:
    """Today's name of a parameter; a warning where another one was said."""
    name = written.upper()
    if name not in OLD_NAMES:
        return name
    found.warnings.append(f"{where}: {name} is an old name of {OLD_NAMES[name]}, and read as that")
    return OLD_NAMES[name]


def _exposed(settings: Mapping[str, str], flags: Mapping[str, str]) -> List[str]:
    """A warning about the secrets in the arguments of this process, which everybody on this machine can read."""
    where = dict.fromkeys(settings, "--set")
    where.update({name: f"--{BY_NAME[name].flag}" for name in flags})
    told = {**settings, **flags}
    shown = [name for name, text in told.items() if BY_NAME[name].secret and text not in ("", _PLACEHOLDER)]
    if not shown:
        return []
    words = ", ".join(f"{where[name]} {name}" if where[name] == "--set" else where[name] for name in shown)
    return [
        f"{words}: a password on the command line is seen by every user of this machine, and kept by the shell;"
        f" put it into one more --answer-file, or into the environment: {PREFIX}{shown[0]}"
    ]
