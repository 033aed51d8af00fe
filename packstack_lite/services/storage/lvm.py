"""Cinder volumes on LVM: volume group, iSCSI target and initiator."""

from __future__ import annotations

import posixpath
from typing import List

from packstack_lite.resources import Unit, VolumeGroup
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags

# Packstack's: what LVM needs for itself, in percent of the volumes.
OVERHEAD_PERCENT = 3


def is_used(context: NodeContext) -> bool:
    """Return whether LVM is a volume backend."""
    return context.is_enabled("CONFIG_CINDER_INSTALL") and "lvm" in context["CONFIG_CINDER_BACKEND"]


def volume_group_name(context: NodeContext) -> str:
    """Return the name of the volume group."""
    return str(context["CONFIG_CINDER_VOLUME_NAME"])


def backing_file(context: NodeContext) -> str:
    """Return the file that holds the volume group.

    Empty if the group is on a device or not created by us.
    """
    if not context.is_enabled("CONFIG_CINDER_VOLUMES_CREATE") or context["CONFIG_CINDER_VOLUMES_DEVICE"]:
        return ""
    return posixpath.join(context.profile.path("cinder-state"), volume_group_name(context))


def backing_file_mib(context: NodeContext) -> int:
    """Return the size of that file in MiB."""
    return int(str(context["CONFIG_CINDER_VOLUMES_SIZE"]).rstrip("G")) * 1024 * (100 + OVERHEAD_PERCENT) // 100


def declare(context: NodeContext) -> List[Resource]:
    """Declare the volume group, the iSCSI target and the initiator.

    Images are written to volumes through the initiator.
    """
    file = backing_file(context)
    group = VolumeGroup(
        name=volume_group_name(context),
        path=file or str(context["CONFIG_CINDER_VOLUMES_DEVICE"]),
        size_mib=backing_file_mib(context) if file else 0,
        phase=Phase.PLATFORM,
        tags=make_tags("cinder"),
    )
    target = context.declare_unit("iscsi-target", "cinder", phase=Phase.PLATFORM, needs=[group.id])
    if not file:
        return [group, target, declare_initiator(context)]
    # A unit of ours attaches the file after each boot, before the units that serve volumes.
    unit_file = context.render_file(
        "cinder",
        "volumes-unit",
        phase=Phase.PLATFORM,
        file=file,
        volume_group=volume_group_name(context),
        before=[f"{context.profile.unit(role)}.service" for role in ("iscsi-target", "cinder-volume")],
    )
    attached = context.declare_unit("cinder-volumes", "cinder", [unit_file], needs=[group.id], phase=Phase.PLATFORM)
    return [group, unit_file, attached, target, declare_initiator(context)]


def declare_initiator(context: NodeContext) -> Unit:
    """Declare the iSCSI initiator: the daemon by which a node attaches volumes."""
    return context.declare_unit("iscsi-initiator", "cinder", phase=Phase.PLATFORM)
