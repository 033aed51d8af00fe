"""Check the answers about images, objects and volumes together.

Used by ``validation``; connects to no node.
"""

from __future__ import annotations

from typing import Iterator

from packstack_lite.answers.parameter_table import PARAMETERS_BY_NAME
from packstack_lite.answers.resolved_answers import Answers

_CINDER_BACKEND = "CONFIG_CINDER_BACKEND"
_VOLUME_ENCRYPTION = "CONFIG_CINDER_VOLUME_ENCRYPTION"
_ZONES, _REPLICAS = "CONFIG_SWIFT_STORAGE_ZONES", "CONFIG_SWIFT_STORAGE_REPLICAS"


def find_errors(answers: Answers) -> Iterator[str]:
    """Yield an error, with parameter and origin, for storage answers that conflict."""
    for rule in (_check_object_storage, _check_volumes):
        yield from rule(answers)


def _check_object_storage(answers: Answers) -> Iterator[str]:
    """Check Swift's zones and replicas, and that images in Swift have a Swift."""
    if not answers["CONFIG_SWIFT_INSTALL"]:
        if answers["CONFIG_GLANCE_BACKEND"] == "swift":
            yield f"{answers.origin_label('CONFIG_GLANCE_BACKEND')}: swift needs CONFIG_SWIFT_INSTALL=y"
        return
    devices, zones, replicas = max(1, len(answers["CONFIG_SWIFT_STORAGES"])), answers[_ZONES], answers[_REPLICAS]
    if not 1 <= zones <= devices:
        yield f"{answers.origin_label(_ZONES)}: {zones} is not within 1 and the number of devices, {devices}"
    elif not 1 <= replicas <= zones:
        yield f"{answers.origin_label(_REPLICAS)}: {replicas} is not within 1 and the number of zones, {zones}"


def _check_volumes(answers: Answers) -> Iterator[str]:
    """Check that Cinder's backend is supported and encryption has a key manager."""
    if not answers["CONFIG_CINDER_INSTALL"]:
        return
    if answers[_VOLUME_ENCRYPTION] and not answers["CONFIG_BARBICAN_INSTALL"]:
        yield f"{answers.origin_label(_VOLUME_ENCRYPTION)}: y needs CONFIG_BARBICAN_INSTALL=y: Barbican keeps the keys"
    supported_values = PARAMETERS_BY_NAME[_CINDER_BACKEND].supported_values or ()
    if not set(answers[_CINDER_BACKEND]) & set(supported_values):
        backends = ",".join(answers[_CINDER_BACKEND]) or "an empty list"
        yield (
            f"{answers.origin_label(_CINDER_BACKEND)}: {backends} is not deployed by this release;"
            f" use one of {', '.join(supported_values)}"
        )
