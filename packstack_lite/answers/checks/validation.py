"""Faults that only show when answers are seen together."""

from __future__ import annotations

import re
from typing import Any, Iterator, List, Tuple

from packstack_lite.answers.checks import addresses, network, proxy, storage
from packstack_lite.answers.checks.origins import origin_label
from packstack_lite.answers.parameter_table import PARAMETERS, Parameter

_INSTALL_PARAMETER = re.compile(r"CONFIG_([A-Z]+)_INSTALL")


def check_answers(answers: Any) -> Tuple[List[str], List[str]]:
    """Faults and warnings; each names the parameter and where its answer stands."""
    errors: List[str] = []
    warnings: List[str] = []
    for rule in (
        _check_required_services,
        network.find_errors,
        storage.find_errors,
        addresses.find_errors,
        proxy.find_errors,
        _check_excluded_controller,
    ):
        errors += rule(answers)
    for rule in (_warn_unsupported_services, _warn_unsupported_values, network.find_warnings, addresses.find_warnings):
        warnings += rule(answers)
    return errors, warnings


def _check_required_services(answers: Any) -> Iterator[str]:
    for service in ("NEUTRON", "NOVA", "GLANCE"):
        name = f"CONFIG_{service}_INSTALL"
        if not answers[name]:
            yield f"{origin_label(answers, name)}: must be y: the cloud does not work without it"


def _check_excluded_controller(answers: Any) -> Iterator[str]:
    controller = answers["CONFIG_CONTROLLER_HOST"]
    if controller in answers["EXCLUDE_SERVERS"]:
        yield f"{origin_label(answers, 'EXCLUDE_SERVERS')}: {controller} is the controller, and nothing would be deployed"


def _unsupported_parameters(answers: Any) -> Iterator[Parameter]:
    """What was asked for and is not carried out yet: the table says what is."""
    for parameter in PARAMETERS:
        if parameter.supported_values is None or _is_supported(parameter, answers):
            continue
        if answers[parameter.name] not in (False, (), "") and answers.applies(parameter.name):
            yield parameter


def _is_supported(parameter: Parameter, answers: Any) -> bool:
    supported_values = parameter.supported_values or ()
    if parameter.kind == "list" and answers[parameter.name]:
        return set(answers[parameter.name]) <= set(supported_values)
    return answers.text(parameter.name) in supported_values


def _warn_unsupported_services(answers: Any) -> Iterator[str]:
    for parameter in _unsupported_parameters(answers):
        service = _INSTALL_PARAMETER.fullmatch(parameter.name)
        if service:
            yield (
                f"{origin_label(answers, parameter.name)}=y: {service.group(1).capitalize()} is not deployed by this release,"
                " everything else is; say n to silence this"
            )


def _warn_unsupported_values(answers: Any) -> Iterator[str]:
    unsupported = [
        f"{origin_label(answers, parameter.name)}={answers.text(parameter.name)}"
        for parameter in _unsupported_parameters(answers)
        if not _INSTALL_PARAMETER.fullmatch(parameter.name)
    ]
    if unsupported:
        yield f"not carried out by this release: {'; '.join(unsupported)}"
