"""The answers that count, each with where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from packstack_lite.answers.reader import read
from packstack_lite.answers.table import ADDRESS, BY_NAME, RANDOM, TABLE, Parameter
from packstack_lite.answers.validation import check
from packstack_lite.answers.values import value_of
from packstack_lite.answers.vault import Vault
from packstack_lite.errors import AnswersFault
from packstack_lite.secret import Secret

PLACEHOLDER = "PW_PLACEHOLDER"


@dataclass(frozen=True)
class Answer:
    """One answer: its text as written, its typed value, and where it came from."""

    text: str
    value: Any
    origin: str


class Answers(Mapping[str, Any]):
    """Typed values by Packstack's names: bool, int, float, str, tuple of str, Secret."""

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
        """``default``, ``random``, ``allinone``, ``FILE:LINE``, ``sandbox`` or ``--flag``."""
        return self._answers[name].origin

    def text(self, name: str) -> str:
        """The answer as it is written in a file. For a secret this is the secret."""
        return self._answers[name].text

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

    ``address`` is the default of host parameters. Passwords that nobody gave come from the
    vault. Raises AnswersFault with every fault of every source at once.
    """
    texts, faults, warnings = _texts(files, flags, hosts, over)
    default_password = texts.get("CONFIG_DEFAULT_PASSWORD", ("", ""))[0]
    vault = vault or Vault()
    answers: Dict[str, Answer] = {}
    for parameter in TABLE:
        text, origin = texts.get(parameter.name, (None, "default"))
        if text is None or (parameter.secret and text == PLACEHOLDER):
            text, origin = _default(parameter, address, default_password, vault)
        try:
            answers[parameter.name] = Answer(text, value_of(parameter, text), origin)
        except ValueError as error:
            faults.append(f"{origin}: {parameter.name}: {error}")
    if not faults:
        found = Answers(answers)
        more, doubts = check(found)
        faults += more
        warnings += doubts
    if faults:
        count = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
        where = f" in {', '.join(map(str, files))}" if files else ""
        raise AnswersFault(
            f"the answers have {count}{where}", faults, "mend them; the user's file is never changed by this tool"
        )
    return Answers(answers, warnings)


def _texts(
    files: Sequence[Path], flags: Mapping[str, str], hosts: Mapping[str, str], over: Mapping[str, str]
) -> "Tuple[Dict[str, Tuple[str, str]], List[str], List[str]]":
    texts = {name: (text, "allinone") for name, text in hosts.items()}
    faults: List[str] = []
    warnings: List[str] = []
    for path in files:
        found = read(path)
        faults += found.faults
        warnings += found.warnings
        texts.update({name: (text, f"{path}:{line}") for name, (text, line) in found.answers.items()})
    texts.update({name: (text, "sandbox") for name, text in over.items()})
    texts.update({name: (text, f"--{BY_NAME[name].flag}") for name, text in flags.items()})
    return texts, faults, warnings


def _default(parameter: Parameter, address: str, default_password: str, vault: Vault) -> Tuple[str, str]:
    if not parameter.computed:
        return parameter.default, "default"
    if parameter.default == ADDRESS:
        return address, "default"
    assert parameter.default == RANDOM
    if default_password and parameter.length == 16:
        return default_password, "CONFIG_DEFAULT_PASSWORD"
    return vault.get(parameter.name, parameter.length), "random"


def host_overrides(hosts: Sequence[str]) -> Dict[str, str]:
    """What --install-hosts (and --allinone, with one host) answers: the first is the controller, the others compute.

    Packstack gives the first address to every parameter whose name holds _HOST, also to
    those of storage backends; here only to those that name a host of the cloud.
    """
    first, others = hosts[0], hosts[1:]
    told = {parameter.name: first for parameter in TABLE if parameter.allinone}
    if others:
        told["CONFIG_COMPUTE_HOSTS"] = ",".join(others)
    return told
