"""Run all checks of whether answers fit each other.

Called by ``resolver`` once each answer is valid by itself.
"""

from __future__ import annotations

import re
from typing import Iterator, List, Tuple

from packstack_lite.answers.checks import addresses, network, storage
from packstack_lite.answers.parameter_table import PARAMETERS, Parameter
from packstack_lite.answers.resolved_answers import CONTROLLER_HOST, Answers

_INSTALL_PARAMETER = re.compile(r"CONFIG_([A-Z]+)_INSTALL")
_PROXY = "CONFIG_HTTP_PROXY"
_PROXY_URL = re.compile(r"http://([^\s:@/]+(:[^\s:@/]*)?@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?")


def check_answers(answers: Answers) -> Tuple[List[str], List[str]]:
    """Return the errors and the warnings, each with parameter and origin."""
    errors: List[str] = []
    warnings: List[str] = []
    for rule in (
        _check_required_services,
        network.find_errors,
        storage.find_errors,
        addresses.find_errors,
        _check_proxy,
        _check_excluded_controller,
    ):
        errors += rule(answers)
    for rule in (_warn_unsupported_services, _warn_unsupported_values, network.find_warnings, addresses.find_warnings):
        warnings += rule(answers)
    return errors, warnings


def _check_required_services(answers: Answers) -> Iterator[str]:
    """Report a service without which no cloud works."""
    for service in ("NEUTRON", "NOVA", "GLANCE"):
        name = f"CONFIG_{service}_INSTALL"
        if not answers[name]:
            yield f"{answers.origin_label(name)}: must be y: the cloud does not work without it"


def _check_excluded_controller(answers: Answers) -> Iterator[str]:
    """Report a controller that EXCLUDE_SERVERS excludes."""
    controller = answers[CONTROLLER_HOST]
    if controller in answers["EXCLUDE_SERVERS"]:
        yield f"{answers.origin_label('EXCLUDE_SERVERS')}: {controller} is the controller and cannot be excluded"


def _check_proxy(answers: Answers) -> Iterator[str]:
    """Check the form of the proxy's URL.

    curl, yum and apt read other forms differently. The URL may contain a password, so the message does not show it.
    """
    proxy_url = answers[_PROXY].reveal()
    if proxy_url and not _PROXY_URL.fullmatch(proxy_url):
        yield f"{answers.origin_label(_PROXY)}: is not of the form http://[USER:PASSWORD@]HOST:PORT"


def _unsupported_parameters(answers: Answers) -> Iterator[Parameter]:
    """Yield the parameters with answers that this release does not implement."""
    for parameter in PARAMETERS:
        if parameter.supported_values is None or _is_supported(parameter, answers):
            continue
        if answers[parameter.name] not in (False, (), "") and answers.applies(parameter.name):
            yield parameter


def _is_supported(parameter: Parameter, answers: Answers) -> bool:
    """Return whether this release implements the parameter's answer."""
    supported_values = parameter.supported_values or ()
    if parameter.kind == "list" and answers[parameter.name]:
        return set(answers[parameter.name]) <= set(supported_values)
    return answers.text(parameter.name) in supported_values


def _warn_unsupported_services(answers: Answers) -> Iterator[str]:
    """Warn about each requested service that is not deployed."""
    for parameter in _unsupported_parameters(answers):
        service = _INSTALL_PARAMETER.fullmatch(parameter.name)
        if service:
            yield (
                f"{answers.origin_label(parameter.name)}=y: {service.group(1).capitalize()} is not deployed by this"
                " release; everything else is. Answer n to silence this warning"
            )


def _warn_unsupported_values(answers: Answers) -> Iterator[str]:
    """Warn in one message about all other answers without effect; secrets are masked."""
    unsupported = [
        f"{answers.origin_label(parameter.name)}={'***' if parameter.is_secret else answers.text(parameter.name)}"
        for parameter in _unsupported_parameters(answers)
        if not _INSTALL_PARAMETER.fullmatch(parameter.name)
    ]
    if unsupported:
        yield f"ignored, since this release does not implement it: {'; '.join(unsupported)}"
