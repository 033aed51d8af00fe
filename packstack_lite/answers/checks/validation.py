"""Run all checks of whether answers fit each other.

Called by ``resolver`` once each answer is valid by itself.
"""

from __future__ import annotations

import re
from typing import Iterator, List, Tuple

from packstack_lite.answers.checks import addresses, network, storage, unused
from packstack_lite.answers.resolved_answers import CONTROLLER_HOST, Answers

_EXCLUDED, _COMPUTE_HOSTS = "EXCLUDE_SERVERS", "CONFIG_COMPUTE_HOSTS"
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
    for rule in (unused.find_warnings, network.find_warnings, addresses.find_warnings):
        warnings += rule(answers)
    return errors, warnings


def _check_required_services(answers: Answers) -> Iterator[str]:
    """Report a service without which no cloud works."""
    for service in ("NEUTRON", "NOVA", "GLANCE"):
        name = f"CONFIG_{service}_INSTALL"
        if not answers[name]:
            yield f"{answers.origin_label(name)}: must be y: the cloud does not work without it"


def _check_excluded_controller(answers: Answers) -> Iterator[str]:
    """Report an excluded controller, and say what to write instead.

    Packstack's way to add a compute host is to exclude all others. Here a new node needs the controller: its host is
    registered there, and its address is let in.
    """
    controller, excluded = answers[CONTROLLER_HOST], answers[_EXCLUDED]
    if controller not in excluded:
        return
    label = f"{answers.origin_label(_EXCLUDED)}: {controller} is the controller and cannot be excluded"
    new_nodes = [host for host in answers[_COMPUTE_HOSTS] if host not in excluded]
    if not new_nodes:
        yield f"{label}: nothing would be deployed"
        return
    remaining = ",".join(host for host in excluded if host != controller)
    yield (
        f"{label}: {', '.join(new_nodes)} must be registered there. Write {_EXCLUDED}={remaining} and, in"
        f" {_COMPUTE_HOSTS}, every compute host, old and new. What is deployed on {controller} stays as it is: plan"
        " shows the few changes that a new node needs there"
    )


def _check_proxy(answers: Answers) -> Iterator[str]:
    """Check the form of the proxy's URL.

    curl, yum and apt read other forms differently. The URL may contain a password, so the message does not show it.
    """
    proxy_url = answers[_PROXY].reveal()
    if proxy_url and not _PROXY_URL.fullmatch(proxy_url):
        yield f"{answers.origin_label(_PROXY)}: is not of the form http://[USER:PASSWORD@]HOST:PORT"
