"""The answers that count, each with where it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from packstack_lite.answers.conditions import holds
from packstack_lite.answers.reader import read
from packstack_lite.answers.table import ADDRESS, BY_NAME, RANDOM, TABLE, Parameter
from packstack_lite.answers.validation import check
from packstack_lite.answers.values import Unwritable, empty, value_of
from packstack_lite.answers.vault import Vault
from packstack_lite.errors import AnswersFault
from packstack_lite.secret import Secret

PLACEHOLDER = "PW_PLACEHOLDER"
CONTROLLER = "CONFIG_CONTROLLER_HOST"
DEFAULT_PASSWORD = "CONFIG_DEFAULT_PASSWORD"
# Kinds for which an empty answer means nothing: Packstack lets it pass and fails later.
_NEVER_EMPTY = ("integer", "float", "port", "cidr", "ip", "host", "hosts")
_EXCLUDED_FROM = ("CONFIG_COMPUTE_HOSTS", "CONFIG_NETWORK_HOSTS")


@dataclass(frozen=True)
class Answer:
    """One answer: its text as written, its typed value, and where it came from."""

    text: str
    value: Any
    origin: str


class Answers(Mapping[str, Any]):
    """Typed values by Packstack's names: bool, int, float, str, tuple of str, Secret.

    A password of a service that is not wanted is PW_PLACEHOLDER in text and an empty Secret.
    """

    def __init__(self, answers: Mapping[str, Answer], warnings: Sequence[str] = ()) -> None:
        self._answers = dict(answers)
        self.warnings = tuple(warnings)

    def __getitem__(self, name: str) -> Any:
        return self._answers[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def origin(self, name: str) -> str:
        """``default``, ``random``, ``CONFIG_DEFAULT_PASSWORD``, ``allinone``, ``FILE:LINE``, ``sandbox`` or ``--flag``.

        A parameter that repeats another one (Trove's Nova password) has the other's name.
        """
        return self._answers[name].origin

    def text(self, name: str) -> str:
        """The answer as it is written in a file. For a secret this is the secret."""
        return self._answers[name].text

    def counts(self, name: str) -> bool:
        """Whether the condition of the parameter is met."""
        return holds(BY_NAME[name].condition, {other: answer.text for other, answer in self._answers.items()})

    def secrets(self) -> List[Secret]:
        """Every secret among the answers, for masking."""
        return [answer.value for answer in self._answers.values() if isinstance(answer.value, Secret) and answer.value]


def load(
    files: Sequence[Path] = (),
    flags: Mapping[str, str] = {},
    hosts: Mapping[str, str] = {},
    address: str = "127.0.0.1",
    vault: "Vault | None" = None,
    over: Mapping[str, str] = {},
) -> Answers:
    """The effective answers: default < ``hosts`` (--allinone) < files < ``over`` (a sandbox's own) < ``flags``.

    ``address`` is the default of the controller, and the controller that of the other hosts.
    Passwords that nobody gave come from the vault. Raises AnswersFault with every fault of
    every source at once, and UsageFault when a file cannot be read at all.
    """
    settling = _Settling(address, vault or Vault())
    settling.gather(files, flags, hosts, over)
    settling.settle()
    found = Answers(settling.answers)
    if not settling.faults:
        faults, doubts = check(found)
        settling.faults += faults
        settling.warnings += doubts
    if settling.faults:
        raise _fault(sorted(settling.faults, key=lambda fault: _place(fault, files)), files, settling.warnings)
    settling.vault.save()
    return Answers(settling.answers, settling.warnings)


def _place(fault: str, files: Sequence[Path]) -> Tuple[int, int]:
    """Where a fault stands: by file and line, other sources last."""
    for rank, path in enumerate(files):
        line = re.match(rf"{re.escape(str(path))}:(\d+): ", fault)
        if line:
            return rank, int(line.group(1))
    return len(files), 0


def _fault(faults: Sequence[str], files: Sequence[Path], warnings: Sequence[str]) -> AnswersFault:
    count = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
    where = f" in {', '.join(map(str, files))}" if files else ""
    hint = "mend them; the user's file is never changed by this tool"
    return AnswersFault(f"the answers have {count}{where}", faults, hint, warnings)


@dataclass
class _Settling:
    """The way from what was said in several places to one answer for each parameter."""

    address: str
    vault: Vault
    given: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    texts: Dict[str, str] = field(default_factory=dict)
    answers: Dict[str, Answer] = field(default_factory=dict)
    faults: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    # Names that were answered with nothing where that cannot be meant, and where.
    empty: Dict[str, str] = field(default_factory=dict)

    def gather(
        self, files: Sequence[Path], flags: Mapping[str, str], hosts: Mapping[str, str], over: Mapping[str, str]
    ) -> None:
        """Lay the sources over each other, later ones on top."""
        self.given.update({name: (text, "allinone") for name, text in hosts.items()})
        for path in files:
            found = read(path)
            self.faults += found.faults
            self.warnings += found.warnings
            self.given.update({name: (text, f"{path}:{line}") for name, (text, line) in found.answers.items()})
        self.given.update({name: (text, "sandbox") for name, text in over.items()})
        self.given.update({name: (text, f"--{BY_NAME[name].flag}") for name, text in flags.items()})
        self.address = self.given.get(CONTROLLER, ("", ""))[0] or self.address
        for name in [parameter.name for parameter in TABLE if self._says_nothing(parameter)]:
            del self.given[name]
        self.texts = {parameter.name: self._decides(parameter) for parameter in TABLE}

    def _says_nothing(self, parameter: Parameter) -> bool:
        """Whether what was given only asks for the default."""
        text, origin = self.given.get(parameter.name, (None, ""))
        if parameter.secret:
            return text == PLACEHOLDER
        if text != "" or parameter.kind not in _NEVER_EMPTY or not parameter.default:
            return False
        self.empty[parameter.name] = origin
        return True

    def _decides(self, parameter: Parameter) -> str:
        """What conditions see. For an answer at fault that is the default: no fault hides those behind it."""
        text = self.given.get(parameter.name, (self._plain(parameter), ""))[0]
        try:
            value_of(parameter, text)
        except ValueError:
            return self._plain(parameter)
        return text

    def _plain(self, parameter: Parameter) -> str:
        """A default as far as it is known before any password is made; conditions never ask for more."""
        if parameter.default == ADDRESS:
            return self.address
        return "" if parameter.computed else parameter.default

    def settle(self) -> None:
        """Find every parameter's answer, or say why there is none."""
        for parameter in TABLE:
            counts = holds(parameter.condition, self.texts)
            if counts and parameter.name in self.empty:
                told = f"{self.empty[parameter.name]}: {parameter.name}: is empty"
                self.warnings.append(f"{told}; its default counts: {self._plain(parameter)}")
            text, origin = self.given.get(parameter.name) or self._default(parameter, counts)
            self.answers[parameter.name] = Answer(text, self._value(parameter, text, origin, counts), origin)
        gone = self.answers["EXCLUDE_SERVERS"].value
        for name in _EXCLUDED_FROM:
            answer = self.answers[name]
            left = tuple(host for host in answer.value if host not in gone)
            self.answers[name] = replace(answer, value=left)

    def _default(self, parameter: Parameter, counts: bool) -> Tuple[str, str]:
        if parameter.default in BY_NAME:
            return self.answers[parameter.default].text, parameter.default
        if parameter.default != RANDOM:
            return self._plain(parameter), "default"
        if not counts:
            return PLACEHOLDER, "default"
        shared = self.texts[DEFAULT_PASSWORD]
        if shared and not parameter.own:
            return shared, DEFAULT_PASSWORD
        if parameter.kind == "key":
            return self.vault.key(parameter.name), "random"
        return self.vault.get(parameter.name, parameter.length), "random"

    def _value(self, parameter: Parameter, text: str, origin: str, counts: bool) -> Any:
        if parameter.secret and text == PLACEHOLDER:
            return Secret("")
        try:
            return value_of(parameter, text)
        except ValueError as error:
            told = f"{origin}: {parameter.name}: {error}"
            if text == self.address and origin == "default" and parameter.name != CONTROLLER:
                return empty(parameter)  # the controller's answer is at fault, and told there
            if counts or isinstance(error, Unwritable):
                self.faults.append(told)
            elif text:
                self.warnings.append(f"{told}; it would count when {parameter.condition}")
            return empty(parameter)


def host_overrides(hosts: Sequence[str]) -> Dict[str, str]:
    """What --install-hosts (and --allinone, with one host) answers: the first is the controller, the others compute.

    Packstack gives the first address to every parameter whose name holds _HOST, also to
    those of storage backends; here only to those that name a host of the cloud.
    """
    first, others = hosts[0], hosts[1:]
    told = {parameter.name: first for parameter in TABLE if parameter.allinone and parameter.kind in ("host", "hosts")}
    if others:
        told["CONFIG_COMPUTE_HOSTS"] = ",".join(others)
    return told
