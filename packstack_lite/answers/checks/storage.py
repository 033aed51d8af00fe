"""Answers about objects, images, volumes and their keys, seen together. No host is asked."""

from __future__ import annotations

from typing import Any, Iterator

from packstack_lite.answers.checks.origins import origin_label
from packstack_lite.answers.parameter_table import PARAMETERS_BY_NAME

_CINDER_BACKEND = "CONFIG_CINDER_BACKEND"
_VOLUME_ENCRYPTION = "CONFIG_CINDER_VOLUME_ENCRYPTION"
_ZONES, _REPLICAS = "CONFIG_SWIFT_STORAGE_ZONES", "CONFIG_SWIFT_STORAGE_REPLICAS"


def find_errors(answers: Any) -> Iterator[str]:
    """What cannot work; each names its parameters and where their answers stand."""
    for rule in (_check_object_storage, _check_volumes):
        yield from rule(answers)


def _check_object_storage(answers: Any) -> Iterator[str]:
    if not answers["CONFIG_SWIFT_INSTALL"]:
        if answers["CONFIG_GLANCE_BACKEND"] == "swift":
            yield f"{origin_label(answers, 'CONFIG_GLANCE_BACKEND')}: swift needs CONFIG_SWIFT_INSTALL=y"
        return
    devices = max(1, len(answers["CONFIG_SWIFT_STORAGES"]))
    if not 1 <= answers[_ZONES] <= devices:
        yield f"{origin_label(answers, _ZONES)}: {answers[_ZONES]} is not within 1 and the devices, {devices}"
    elif not 1 <= answers[_REPLICAS] <= answers[_ZONES]:
        yield f"{origin_label(answers, _REPLICAS)}: {answers[_REPLICAS]} is not within 1 and the zones, {answers[_ZONES]}"


def _check_volumes(answers: Any) -> Iterator[str]:
    if not answers["CONFIG_CINDER_INSTALL"]:
        return
    if answers[_VOLUME_ENCRYPTION] and not answers["CONFIG_BARBICAN_INSTALL"]:
        yield f"{origin_label(answers, _VOLUME_ENCRYPTION)}: y needs CONFIG_BARBICAN_INSTALL=y, as the keys are kept there"
    supported_values = PARAMETERS_BY_NAME[_CINDER_BACKEND].supported_values or ()
    if not set(answers[_CINDER_BACKEND]) & set(supported_values):
        yield f"{origin_label(answers, _CINDER_BACKEND)}: none of them is deployed by this release; say one of {', '.join(supported_values)}"
