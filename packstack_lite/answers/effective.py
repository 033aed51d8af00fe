"""The answers that count, each with where it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from packstack_lite.answers import following
from packstack_lite.answers.conditions import holds
from packstack_lite.answers.history import modern, retired
from packstack_lite.answers.mapping import CONTROLLER, Answer, Answers
from packstack_lite.answers.overrides import Said, said
from packstack_lite.answers.reader import read
from packstack_lite.answers.table import ADDRESS, BY_NAME, RANDOM, TABLE, Parameter
from packstack_lite.answers.validation import check
from packstack_lite.answers.values import Unwritable, empty, value_of
from packstack_lite.answers.vault import Vault
from packstack_lite.errors import AnswersFault
from packstack_lite.secret import Secret

PLACEHOLDER = "PW_PLACEHOLDER"
DEFAULT_PASSWORD = "CONFIG_DEFAULT_PASSWORD"
# Kinds for which an empty answer means nothing: Packstack lets it pass and fails later.
_NEVER_EMPTY = ("integer", "float", "port", "cidr", "ip", "host", "hosts")


def load(
    files: Sequence[Path] = (),
    flags: Mapping[str, str] = {},
    hosts: Mapping[str, str] = {},
    address: str = "127.0.0.1",
    vault: "Vault | None" = None,
    over: Mapping[str, str] = {},
    environment: Mapping[str, str] = {},
    settings: Sequence[str] = (),
) -> Answers:
    """The effective answers.

    Default < ``hosts`` (--allinone) < files < ``over`` (a sandbox's own) < ``environment``
    (PACKSTACK_CONFIG_X) < ``settings`` (--set, ``NAME=VALUE``) and ``flags`` (by parameter).
    ``address`` is the default of the controller, and the controller that of the other hosts.
    Passwords that nobody gave come from the vault. Raises AnswersFault with every fault of
    every source at once, and UsageFault when a file cannot be read at all.
    """
    settling = _Settling(address, vault or Vault())
    settling.gather(files, hosts, over, said(environment, settings, flags))
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
    # What was given, without where; whole once the sources are gathered.
    said: Dict[str, str] = field(default_factory=dict)
    texts: Dict[str, str] = field(default_factory=dict)
    answers: Dict[str, Answer] = field(default_factory=dict)
    faults: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    # Names that were answered with nothing where that cannot be meant, and where.
    empty: Dict[str, str] = field(default_factory=dict)

    def gather(self, files: Sequence[Path], hosts: Mapping[str, str], over: Mapping[str, str], beside: Said) -> None:
        """Lay the sources over each other, later ones on top."""
        self.given.update({name: (text, "allinone") for name, text in hosts.items()})
        for path in files:
            found = read(path)
            self.faults += found.faults
            self.warnings += found.warnings
            self.given.update({name: (text, f"{path}:{line}") for name, (text, line) in found.answers.items()})
        self.given.update({name: (text, "sandbox") for name, text in over.items()})
        self.given.update(beside.answers)
        self.faults += beside.faults
        self.warnings += beside.warnings
        self.address = self.given.get(CONTROLLER, ("", ""))[0] or self.address
        for name in [parameter.name for parameter in TABLE if self._says_nothing(parameter)]:
            del self.given[name]
        self._modernise()
        self.said = {name: text for name, (text, _) in self.given.items()}
        self.texts = {parameter.name: self._decides(parameter) for parameter in TABLE}
        self._forbid()

    def _modernise(self) -> None:
        """Put today's values in the place of those that are gone, where nobody gets anything else by it."""
        for name in [name for name in retired() if name in self.given]:
            text, origin = self.given[name]
            told = modern(name, text)
            if told and not told.blocks:
                self.given[name] = (told.now, origin)
                self.warnings.append(f"{origin}: {name}={text} is read as {told.now or 'empty'}: {told.why}")

    def _forbid(self) -> None:
        """A fault for each value in whose place users would get something else than they asked for."""
        for name in [name for name in retired() if name in self.given]:
            text, origin = self.given[name]
            told = modern(name, text)
            if told and told.blocks and holds(BY_NAME[name].condition, self.texts):
                self.faults.append(f"{origin}: {name}={text}: {told.why} (answers migrate writes {told.now})")

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
        if parameter.computed:
            return ""
        return self._followed(parameter)[0]

    def _followed(self, parameter: Parameter) -> Tuple[str, str]:
        """A default, and the answer that it follows where it follows one that is not the default itself."""
        text, cause = following.default(parameter.name, self.said, self._agent()) or (parameter.default, "default")
        return text, cause if text != parameter.default else "default"

    def _agent(self) -> str:
        return self.given.get(following.AGENT, (BY_NAME[following.AGENT].default, ""))[0]

    def settle(self) -> None:
        """Find every parameter's answer, or say why there is none."""
        for parameter in TABLE:
            counts = holds(parameter.condition, self.texts)
            if counts and parameter.name in self.empty:
                told = f"{self.empty[parameter.name]}: {parameter.name}: is empty"
                self.warnings.append(f"{told}; its default counts: {self._plain(parameter)}")
            text, origin = self._mended(parameter) or self._default(parameter, counts)
            self.answers[parameter.name] = Answer(text, self._value(parameter, text, origin, counts), origin)

    def _mended(self, parameter: Parameter) -> Optional[Tuple[str, str]]:
        """What was given, or what stands in for it and is told."""
        given = self.given.get(parameter.name)
        instead = given and following.mechanism(parameter.name, given[0], self._agent())
        if not given or not instead:
            return given
        told = f"{given[1]}: {parameter.name}: is without {instead}, the {following.AGENT}"
        self.warnings.append(f"{told}; {instead} counts instead of {given[0] or 'nothing'}")
        return instead, following.AGENT

    def _default(self, parameter: Parameter, counts: bool) -> Tuple[str, str]:
        if parameter.default in BY_NAME:
            return self.answers[parameter.default].text, parameter.default
        if parameter.default != RANDOM:
            return self._plain(parameter), "default" if parameter.computed else self._followed(parameter)[1]
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
