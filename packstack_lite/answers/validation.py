"""Faults that only show when answers are seen together."""

from __future__ import annotations

import re
from typing import Any, Iterator, List, Tuple

from packstack_lite.answers import addresses, network, proxy, storage
from packstack_lite.answers.places import at
from packstack_lite.answers.table import TABLE, Parameter

_SWITCH = re.compile(r"CONFIG_([A-Z]+)_INSTALL")


def check(answers: Any) -> Tuple[List[str], List[str]]:
    """Faults and warnings; each names the parameter and where its answer stands."""
    faults: List[str] = []
    doubts: List[str] = []
    for told in (_needed, network.faults, storage.faults, addresses.faults, proxy.faults, _hosts):
        faults += told(answers)
    for told in (_switches, _not_built, network.doubts, addresses.doubts):
        doubts += told(answers)
    return faults, doubts


def _needed(answers: Any) -> Iterator[str]:
    for service in ("NEUTRON", "NOVA", "GLANCE"):
        name = f"CONFIG_{service}_INSTALL"
        if not answers[name]:
            yield f"{at(answers, name)}: must be y: the cloud does not work without it"


def _hosts(answers: Any) -> Iterator[str]:
    controller = answers["CONFIG_CONTROLLER_HOST"]
    if controller in answers["EXCLUDE_SERVERS"]:
        yield f"{at(answers, 'EXCLUDE_SERVERS')}: {controller} is the controller, and nothing would be deployed"


def _unbuilt(answers: Any) -> Iterator[Parameter]:
    """What was asked for and is not carried out yet: the table says what is."""
    for parameter in TABLE:
        if parameter.built is None or _carried_out(parameter, answers):
            continue
        if answers[parameter.name] not in (False, (), "") and answers.counts(parameter.name):
            yield parameter


def _carried_out(parameter: Parameter, answers: Any) -> bool:
    built = parameter.built or ()
    if parameter.kind == "list" and answers[parameter.name]:
        return set(answers[parameter.name]) <= set(built)
    return answers.text(parameter.name) in built


def _switches(answers: Any) -> Iterator[str]:
    for parameter in _unbuilt(answers):
        service = _SWITCH.fullmatch(parameter.name)
        if service:
            yield (
                f"{at(answers, parameter.name)}=y: {service.group(1).capitalize()} is not deployed by this release,"
                " everything else is; say n to silence this"
            )


def _not_built(answers: Any) -> Iterator[str]:
    told = [
        f"{at(answers, parameter.name)}={answers.text(parameter.name)}"
        for parameter in _unbuilt(answers)
        if not _SWITCH.fullmatch(parameter.name)
    ]
    if told:
        yield f"not carried out by this release: {'; '.join(told)}"
