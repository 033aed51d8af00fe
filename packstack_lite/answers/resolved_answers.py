"""Hold the resolved answers of a cloud: typed value, text and origin.

Made by ``resolver``; read by everything that needs an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, List, Mapping, Sequence

from packstack_lite.answers.conditions import condition_is_met, find_unmet_parameter
from packstack_lite.answers.parameter_table import ADDRESS_DEFAULT, PARAMETERS_BY_NAME
from packstack_lite.secret import Secret

CONTROLLER_HOST = "CONFIG_CONTROLLER_HOST"

# Origins that are neither FILE:LINE, $VARIABLE, --set, --FLAG nor the name of another parameter.
ORIGIN_DEFAULT, ORIGIN_RANDOM, ORIGIN_ALLINONE, ORIGIN_SANDBOX = "default", "random", "allinone", "sandbox"
_ORIGINS_IN_WORDS = {
    ORIGIN_DEFAULT: "the default",
    ORIGIN_RANDOM: "generated",
    ORIGIN_ALLINONE: "--allinone or --install-hosts",
    ORIGIN_SANDBOX: "the sandbox",
}


@dataclass(frozen=True)
class Answer:
    """One answer: its text in an answer file, its typed value, and its origin.

    ``Answers.origin`` lists the origins.
    """

    text: str
    value: Any
    origin: str


class Answers(Mapping[str, Any]):
    """Typed values by parameter name: bool, int, float, str, tuple or Secret.

    A password of a service that is not installed is PW_PLACEHOLDER as text and an empty Secret as value.
    """

    def __init__(self, answers: Mapping[str, Answer], warnings: Sequence[str] = ()) -> None:
        self._answers = dict(answers)
        # What conditions compare with; each parameter has one, so it is not made for each again.
        self._texts = {name: answer.text for name, answer in self._answers.items()}
        self.warnings = tuple(warnings)

    def __getitem__(self, name: str) -> Any:
        """Return the typed value of a parameter. Raises KeyError for an unknown name."""
        return self._answers[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def origin(self, name: str) -> str:
        """Return where an answer came from.

        One of ``default``, ``random``, ``allinone``, ``FILE:LINE``, ``sandbox``, ``$VARIABLE``, ``--set`` and
        ``--FLAG``, or the name of the parameter whose answer it follows: Trove's Nova password repeats another
        password, a password may be CONFIG_DEFAULT_PASSWORD, network types follow CONFIG_NEUTRON_L2_AGENT.
        """
        return self._answers[name].origin

    def describe_origin(self, name: str) -> str:
        """Describe in words where an answer came from, followed through other parameters."""
        origin = self.origin(name)
        if origin in PARAMETERS_BY_NAME:
            return f"{origin} ({self.describe_origin(origin)})"
        return _ORIGINS_IN_WORDS.get(origin, origin)

    def origin_label(self, name: str) -> str:
        """Return ``ORIGIN: NAME``, the beginning of every message about an answer."""
        return f"{self.origin(name)}: {name}"

    def name_with_origin(self, name: str) -> str:
        """Return ``NAME (ORIGIN)`` for the middle of a message, or ``NAME`` for a default."""
        origin = self.origin(name)
        return name if origin == ORIGIN_DEFAULT else f"{name} ({origin})"

    def text(self, name: str) -> str:
        """Return an answer's text as an answer file has it, such as ``y`` or ``a,b``.

        For a secret this is the secret itself.
        """
        return self._answers[name].text

    def applies(self, name: str) -> bool:
        """Return whether the parameter's condition is met: only then the answer counts."""
        return condition_is_met(PARAMETERS_BY_NAME[name].condition, self._texts)

    def unmet_parameter(self, name: str) -> str:
        """Return the parameter whose answer keeps this one from counting, "" if it counts."""
        return find_unmet_parameter(PARAMETERS_BY_NAME[name].condition, self._texts)

    def is_customized(self, name: str) -> bool:
        """Return whether somebody gave an answer other than the default."""
        parameter = PARAMETERS_BY_NAME[name]
        if self.origin(name) in (ORIGIN_DEFAULT, ORIGIN_RANDOM) or self.origin(name) in PARAMETERS_BY_NAME:
            return False
        if parameter.default == ADDRESS_DEFAULT and name != CONTROLLER_HOST:
            return self.text(name) != self.text(CONTROLLER_HOST)
        return parameter.computed or self.text(name) != parameter.default

    def secrets(self) -> List[Secret]:
        """Return every secret among the answers, for masking."""
        return [answer.value for answer in self._answers.values() if isinstance(answer.value, Secret) and answer.value]
