"""Volumes on LVM: the volume group, on a device or in a file, and the daemons that lead instances to it."""

from __future__ import annotations

import posixpath
from typing import List

from packstack_lite.resources import Unit, VolumeGroup
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services.cloud import Cloud, tags

# Packstack's: what LVM keeps for itself beside the volumes.
OVERHEAD_PERCENT = 3


def used(cloud: Cloud) -> bool:
    """Whether volumes are kept on LVM."""
    return cloud.says("CONFIG_CINDER_INSTALL") and "lvm" in cloud["CONFIG_CINDER_BACKEND"]


def group_name(cloud: Cloud) -> str:
    return str(cloud["CONFIG_CINDER_VOLUME_NAME"])


def backing_file(cloud: Cloud) -> str:
    """The file that the volume group is in; "" when it is on a device, or is somebody else's affair."""
    if not cloud.says("CONFIG_CINDER_VOLUMES_CREATE") or cloud["CONFIG_CINDER_VOLUMES_DEVICE"]:
        return ""
    return posixpath.join(cloud.profile.path("cinder-state"), group_name(cloud))


def size_mib(cloud: Cloud) -> int:
    """The size of that file in MiB."""
    return int(str(cloud["CONFIG_CINDER_VOLUMES_SIZE"]).rstrip("G")) * 1024 * (100 + OVERHEAD_PERCENT) // 100


def declare(cloud: Cloud) -> List[Resource]:
    """The volume group, the iSCSI target before it, and the initiator: images are written to volumes through it."""
    file = backing_file(cloud)
    group = VolumeGroup(
        name=group_name(cloud),
        path=file or str(cloud["CONFIG_CINDER_VOLUMES_DEVICE"]),
        size_mib=size_mib(cloud) if file else 0,
        phase=Phase.PLATFORM,
        tags=tags("cinder"),
    )
    target = cloud.unit("iscsi-target", "cinder", phase=Phase.PLATFORM, needs=[group.id])
    if not file:
        return [group, target, initiator(cloud)]
    # After a boot nothing attaches the file again; what serves the volumes waits for it.
    unit_file = cloud.file(
        "cinder",
        "volumes-unit",
        phase=Phase.PLATFORM,
        file=file,
        volume_group=group_name(cloud),
        before=[f"{cloud.profile.unit(role)}.service" for role in ("iscsi-target", "cinder-volume")],
    )
    attached = cloud.unit("cinder-volumes", "cinder", [unit_file], needs=[group.id], phase=Phase.PLATFORM)
    return [group, unit_file, attached, target, initiator(cloud)]


def initiator(cloud: Cloud) -> Unit:
    """The daemon by which a host reaches volumes."""
    return cloud.unit("iscsi-initiator", "cinder", phase=Phase.PLATFORM)
