"""Resolve the answers of a cloud from defaults, files and overrides."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from packstack_lite.answers import derived_defaults
from packstack_lite.answers.checks.validation import check_answers
from packstack_lite.answers.conditions import condition_is_met
from packstack_lite.answers.l2_agents import L2_AGENT
from packstack_lite.answers.legacy.history import load_retired_values, modernize_value
from packstack_lite.answers.network_rewrites import rewrite_network_answers
from packstack_lite.answers.overrides import Overrides, read_overrides
from packstack_lite.answers.parameter_table import (
    ADDRESS_DEFAULT,
    PARAMETERS,
    PARAMETERS_BY_NAME,
    PASSWORD_PLACEHOLDER,
    RANDOM_DEFAULT,
    Parameter,
)
from packstack_lite.answers.password_store import PasswordStore
from packstack_lite.answers.reader import read_answer_file
from packstack_lite.answers.resolved_answers import (
    CONTROLLER_HOST,
    ORIGIN_ALLINONE,
    ORIGIN_DEFAULT,
    ORIGIN_RANDOM,
    ORIGIN_SANDBOX,
    Answer,
    Answers,
)
from packstack_lite.answers.templates import describe_templates, has_text_behind, is_template
from packstack_lite.answers.values import UnwritableError, empty_value, given_text, is_valid, parse_value
from packstack_lite.counts import format_count
from packstack_lite.errors import AnswersError
from packstack_lite.recommended import recommend
from packstack_lite.secret import Secret

DEFAULT_PASSWORD_PARAMETER = "CONFIG_DEFAULT_PASSWORD"
_COMMENT_HINT = "text behind a value is no comment"
# Kinds whose answer cannot be empty; Packstack accepts an empty one and fails later.
_NEVER_EMPTY = ("integer", "float", "port", "cidr", "ip", "host", "hosts")


def resolve_answers(
    files: Sequence[Path] = (),
    flags: Mapping[str, str] = {},
    node_answers: Mapping[str, str] = {},
    address: str = "127.0.0.1",
    password_store: Optional[PasswordStore] = None,
    sandbox_answers: Mapping[str, str] = {},
    environment: Mapping[str, str] = {},
    settings: Sequence[str] = (),
    named_nodes: Mapping[str, str] = {},
) -> Answers:
    """Resolve the answer of every parameter; a later source overrides an earlier one.

    Sources: defaults, ``node_answers`` (--allinone, --install-hosts), ``files``, ``named_nodes`` (those of
    ``node_answers`` that win over a remembered file), ``sandbox_answers``,
    ``environment`` (PACKSTACK_CONFIG_X), ``settings`` (--set ``NAME=VALUE``) and ``flags`` (text by parameter).
    ``address`` is the default of the controller, and the controller is the default of the other hosts.
    Passwords that nobody gave come from ``password_store``. Raises AnswersError with the errors of all
    sources, and UsageError if a file cannot be read.
    """
    resolver = _Resolver(address, password_store or PasswordStore())
    overrides = read_overrides(environment, settings, flags)
    resolver.collect_sources(files, node_answers, named_nodes, sandbox_answers, overrides)
    resolver.resolve_all()
    answers = Answers(resolver.answers)
    if not resolver.errors:
        errors, warnings = check_answers(answers)
        resolver.errors += errors
        resolver.warnings += warnings
    if resolver.errors:
        raise _answers_error(
            sorted(resolver.errors, key=lambda error: _sort_key(error, files)), files, resolver.warnings
        )
    resolver.password_store.save()
    return Answers(resolver.answers, resolver.warnings)


def _sort_key(error: str, files: Sequence[Path]) -> Tuple[int, int]:
    """Return an error's sort key: its file's index and its line, read from the text.

    An error that does not begin with FILE:LINE is of another source and comes last.
    """
    for rank, path in enumerate(files):
        match = re.match(rf"{re.escape(str(path))}:(\d+): ", error)
        if match:
            return rank, int(match.group(1))
    return len(files), 0


def _answers_error(errors: Sequence[str], files: Sequence[Path], warnings: Sequence[str]) -> AnswersError:
    """Make the exception that reports all errors and warnings."""
    in_files = f" ({', '.join(map(str, files))})" if files else ""
    hint = "correct the answers above" + ("; packstack-lite never changes your answer file" if files else "")
    return AnswersError(f"{format_count(len(errors), 'error')} in the answers{in_files}", errors, hint, warnings)


@dataclass
class _Resolver:
    """Collect the sources of answers, then resolve every parameter."""

    default_address: str
    password_store: PasswordStore
    given_answers: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    # The texts of given_answers; complete once the sources are collected.
    given_texts: Dict[str, str] = field(default_factory=dict)
    condition_texts: Dict[str, str] = field(default_factory=dict)
    answers: Dict[str, Answer] = field(default_factory=dict)
    errors: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    # The parameters with an empty answer that cannot be meant, and its origin.
    empty_origins: Dict[str, str] = field(default_factory=dict)

    def collect_sources(
        self,
        files: Sequence[Path],
        node_answers: Mapping[str, str],
        named_nodes: Mapping[str, str],
        sandbox_answers: Mapping[str, str],
        overrides: Overrides,
    ) -> None:
        """Merge the sources; a later one overrides an earlier one."""
        self.given_answers.update({name: (text, ORIGIN_ALLINONE) for name, text in node_answers.items()})
        for path in files:
            answer_file = read_answer_file(path)
            self.errors += answer_file.errors
            self.warnings += answer_file.warnings
            self.given_answers.update(
                {name: (text, f"{path}:{line_number}") for name, (text, line_number) in answer_file.answers.items()}
            )
        self.given_answers.update({name: (text, ORIGIN_ALLINONE) for name, text in named_nodes.items()})
        self.given_answers.update({name: (text, ORIGIN_SANDBOX) for name, text in sandbox_answers.items()})
        self.given_answers.update(overrides.answers)
        self.errors += overrides.errors
        self.warnings += overrides.warnings
        self.given_answers = {
            name: (given_text(PARAMETERS_BY_NAME[name], text), origin)
            for name, (text, origin) in self.given_answers.items()
        }
        controller = self.given_answers.get(CONTROLLER_HOST, ("", ""))[0]
        self.default_address = "" if is_template(controller, False) else controller or self.default_address
        for name in [parameter.name for parameter in PARAMETERS if self._asks_for_default(parameter)]:
            del self.given_answers[name]
        self._modernize_values()
        self.given_texts = {name: text for name, (text, _) in self.given_answers.items()}
        self._rewrite_network_answers()
        self.condition_texts = {parameter.name: self._condition_text(parameter) for parameter in PARAMETERS}
        self._reject_retired_values()
        self._reject_templates()

    def _reject_templates(self) -> None:
        """Report all answers still to be filled in as one error, and leave them out."""
        templates = {
            name: answer
            for name, answer in self.given_answers.items()
            if is_template(answer[0], PARAMETERS_BY_NAME[name].is_secret)
            and condition_is_met(PARAMETERS_BY_NAME[name].condition, self.condition_texts)
        }
        if templates:
            self.errors.append(describe_templates(templates))
        for name in templates:
            del self.given_answers[name]

    def _modernize_values(self) -> None:
        """Replace retired values by equivalent ones, with a warning."""
        for name in [name for name in load_retired_values() if name in self.given_answers]:
            text, origin = self.given_answers[name]
            retired_value = modernize_value(name, text)
            if retired_value and not retired_value.is_error:
                self.given_answers[name] = (retired_value.new_value, origin)
                self.warnings.append(
                    f"{origin}: {name}={text} is read as {retired_value.new_value or 'empty'}: {retired_value.reason}"
                )

    def _rewrite_network_answers(self) -> None:
        """Replace network answers that the L2 agent cannot have, with a warning each."""
        for name, text, reason in list(rewrite_network_answers(self.given_texts, self._l2_agent())):
            given_text, origin = self.given_answers[name]
            if not is_valid(PARAMETERS_BY_NAME[name], given_text):
                continue  # Reported as an error with the text that was given.
            self.warnings.append(f"{origin}: {name}: {reason}; {text} is used instead of {given_text or 'nothing'}")
            self.given_answers[name] = (text, origin)
            self.given_texts[name] = text

    def _reject_retired_values(self) -> None:
        """Report an error for each retired value without an equivalent today."""
        for name in [name for name in load_retired_values() if name in self.given_answers]:
            text, origin = self.given_answers[name]
            retired_value = modernize_value(name, text)
            if (
                retired_value
                and retired_value.is_error
                and condition_is_met(PARAMETERS_BY_NAME[name].condition, self.condition_texts)
            ):
                replacement = f"`{recommend('answers', 'migrate', 'FILE')}` writes {retired_value.new_value}"
                self.errors.append(f"{origin}: {name}={text}: {retired_value.reason} ({replacement})")

    def _asks_for_default(self, parameter: Parameter) -> bool:
        """Return whether the given answer stands for the default.

        PW_PLACEHOLDER does, and an empty number or address.
        """
        text, origin = self.given_answers.get(parameter.name, (None, ""))
        if parameter.is_secret:
            return text == PASSWORD_PLACEHOLDER
        if text != "" or parameter.kind not in _NEVER_EMPTY or not parameter.default:
            return False
        self.empty_origins[parameter.name] = origin
        return True

    def _condition_text(self, parameter: Parameter) -> str:
        """Return the text that conditions use: for an invalid answer the default.

        So an invalid answer hides no errors of the parameters that depend on it.
        """
        text = self.given_answers.get(parameter.name, (self._default_text(parameter), ""))[0]
        return text if is_valid(parameter, text) else self._default_text(parameter)

    def _default_text(self, parameter: Parameter) -> str:
        """Return the default known before passwords are generated, for conditions."""
        if parameter.default == ADDRESS_DEFAULT:
            return self.default_address
        if parameter.computed:
            return ""
        return self._derived_default(parameter)[0]

    def _derived_default(self, parameter: Parameter) -> Tuple[str, str]:
        """Return a parameter's default and where it comes from.

        The origin is the name of the parameter whose answer implies another default than the usual one; otherwise it is
        ``default``.
        """
        text, origin = derived_defaults.derive_default(parameter.name, self.given_texts, self._l2_agent()) or (
            parameter.default,
            ORIGIN_DEFAULT,
        )
        return text, origin if text != parameter.default else ORIGIN_DEFAULT

    def _l2_agent(self) -> str:
        """Return the given L2 agent, else the default one."""
        return self.given_answers.get(L2_AGENT, (PARAMETERS_BY_NAME[L2_AGENT].default, ""))[0]

    def resolve_all(self) -> None:
        """Resolve every parameter in table order; add errors and warnings."""
        for parameter in PARAMETERS:
            applies = condition_is_met(parameter.condition, self.condition_texts)
            if applies and parameter.name in self.empty_origins:
                label = f"{self.empty_origins[parameter.name]}: {parameter.name}"
                self.warnings.append(f"{label}: is empty; the default is used: {self._default_text(parameter)}")
            text, origin = self.given_answers.get(parameter.name) or self._default_answer(parameter, applies)
            self.answers[parameter.name] = Answer(text, self._parse_answer(parameter, text, origin, applies), origin)

    def _default_answer(self, parameter: Parameter, applies: bool) -> Tuple[str, str]:
        """Return the text and origin of a parameter without a given answer."""
        if parameter.default in PARAMETERS_BY_NAME:
            return self.answers[parameter.default].text, parameter.default
        if parameter.default != RANDOM_DEFAULT:
            origin = ORIGIN_DEFAULT if parameter.computed else self._derived_default(parameter)[1]
            return self._default_text(parameter), origin
        if not applies:
            return PASSWORD_PLACEHOLDER, ORIGIN_DEFAULT
        default_password = self.condition_texts[DEFAULT_PASSWORD_PARAMETER]
        if default_password and not parameter.ignores_default_password:
            return default_password, DEFAULT_PASSWORD_PARAMETER
        if parameter.kind == "key":
            return self.password_store.get_key(parameter.name), ORIGIN_RANDOM
        return self.password_store.get_password(parameter.name, parameter.length), ORIGIN_RANDOM

    def _parse_answer(self, parameter: Parameter, text: str, origin: str, applies: bool) -> Any:
        """Parse an answer into its typed value, empty if invalid.

        An invalid answer is an error if the parameter applies, else a warning.
        """
        if parameter.is_secret and text == PASSWORD_PLACEHOLDER:
            return Secret("")
        try:
            value = parse_value(parameter, text)
            if applies and has_text_behind(text):
                self.warnings.append(
                    f"{origin}: {parameter.name}: the answer has # or ; behind a space: {_COMMENT_HINT}"
                )
            return value
        except ValueError as error:
            hint = f"; {_COMMENT_HINT}" if has_text_behind(text) else ""
            message = f"{origin}: {parameter.name}: {error}{hint}"
            if text == self.default_address and origin == ORIGIN_DEFAULT and parameter.name != CONTROLLER_HOST:
                return empty_value(parameter)  # The controller's answer is invalid and reported there.
            if applies or isinstance(error, UnwritableError):
                self.errors.append(message)
            elif text:
                self.warnings.append(f"{message}; ignored unless {parameter.condition}")
            return empty_value(parameter)


def derive_node_answers(addresses: Sequence[str]) -> Dict[str, str]:
    """Return the answers that --install-hosts and --allinone imply.

    The first address is the controller, the others are compute nodes; with one address it is both.

    Packstack gives the first address to every parameter whose name contains _HOST, storage backends
    included; here only to those that name a node of the cloud.
    """
    controller, compute_addresses = addresses[0], addresses[1:]
    node_answers = {
        parameter.name: controller
        for parameter in PARAMETERS
        if parameter.set_by_allinone and parameter.kind in ("host", "hosts")
    }
    if compute_addresses:
        node_answers["CONFIG_COMPUTE_HOSTS"] = ",".join(compute_addresses)
    return node_answers
