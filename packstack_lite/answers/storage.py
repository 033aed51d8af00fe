"""Answers about objects, images, volumes and their keys, seen together. No host is asked."""

from __future__ import annotations

from typing import Any, Iterator

from packstack_lite.answers.places import at
from packstack_lite.answers.table import BY_NAME

_BACKEND = "CONFIG_CINDER_BACKEND"
_ENCRYPTION = "CONFIG_CINDER_VOLUME_ENCRYPTION"
_ZONES, _REPLICAS = "CONFIG_SWIFT_STORAGE_ZONES", "CONFIG_SWIFT_STORAGE_REPLICAS"


def faults(answers: Any) -> Iterator[str]:
    """What cannot work; each names its parameters and where their answers stand."""
    for rule in (_objects, _volumes):
        yield from rule(answers)


def _objects(answers: Any) -> Iterator[str]:
    if not answers["CONFIG_SWIFT_INSTALL"]:
        if answers["CONFIG_GLANCE_BACKEND"] == "swift":
            yield f"{at(answers, 'CONFIG_GLANCE_BACKEND')}: swift needs CONFIG_SWIFT_INSTALL=y"
        return
    devices = max(1, len(answers["CONFIG_SWIFT_STORAGES"]))
    if not 1 <= answers[_ZONES] <= devices:
        yield f"{at(answers, _ZONES)}: {answers[_ZONES]} is not within 1 and the devices, {devices}"
    elif not 1 <= answers[_REPLICAS] <= answers[_ZONES]:
        yield f"{at(answers, _REPLICAS)}: {answers[_REPLICAS]} is not within 1 and the zones, {answers[_ZONES]}"


def _volumes(answers: Any) -> Iterator[str]:
    if not answers["CONFIG_CINDER_INSTALL"]:
        return
    if answers[_ENCRYPTION] and not answers["CONFIG_BARBICAN_INSTALL"]:
        yield f"{at(answers, _ENCRYPTION)}: y needs CONFIG_BARBICAN_INSTALL=y, as the keys are kept there"
    built = BY_NAME[_BACKEND].built or ()
    if not set(answers[_BACKEND]) & set(built):
        yield f"{at(answers, _BACKEND)}: none of them is deployed by this release; say one of {', '.join(built)}"
