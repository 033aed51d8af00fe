"""The answers that count, once they are settled: typed values, texts, origins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, List, Mapping, Sequence

from packstack_lite.answers.conditions import condition_is_met
from packstack_lite.answers.parameter_table import ADDRESS_DEFAULT, PARAMETERS_BY_NAME
from packstack_lite.secret import Secret

CONTROLLER_HOST = "CONFIG_CONTROLLER_HOST"


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
        """``default``, ``random``, ``allinone``, ``FILE:LINE``, ``sandbox``, ``$VARIABLE``, ``--set`` or ``--flag``.

        A parameter that repeats another one (Trove's Nova password, a password that is
        CONFIG_DEFAULT_PASSWORD) has the other's name.
        """
        return self._answers[name].origin

    def text(self, name: str) -> str:
        """The answer as it is written in a file. For a secret this is the secret."""
        return self._answers[name].text

    def applies(self, name: str) -> bool:
        """Whether the condition of the parameter is met."""
        return condition_is_met(
            PARAMETERS_BY_NAME[name].condition, {other: answer.text for other, answer in self._answers.items()}
        )

    def is_customized(self, name: str) -> bool:
        """Whether somebody gave an answer, and not the default one."""
        parameter = PARAMETERS_BY_NAME[name]
        if self.origin(name) in ("default", "random", *PARAMETERS_BY_NAME):
            return False
        if parameter.default == ADDRESS_DEFAULT and name != CONTROLLER_HOST:
            return self.text(name) != self.text(CONTROLLER_HOST)
        return parameter.computed or self.text(name) != parameter.default

    def secrets(self) -> List[Secret]:
        """Every secret among the answers, for masking."""
        return [answer.value for answer in self._answers.values() if isinstance(answer.value, Secret) and answer.value]
