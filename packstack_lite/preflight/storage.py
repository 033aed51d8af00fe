"""Checks of stored data: encryption keys, Swift's devices, Cinder's back ends."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import Any, Optional, Tuple

from packstack_lite.preflight import node_commands
from packstack_lite.preflight.check import CheckContext, Findings, error, info, warning
from packstack_lite.secret import Secret
from packstack_lite.services.registry import STORED_KEYS

_MIB_PER_UNIT = {"K": 1 / 1024, "M": 1.0, "G": 1024.0}
# Works in a container too.
_ALTERNATIVES_HINT = (
    "keep volumes on Ceph, which needs nothing from the kernel: --cinder-backend=ceph; or use a machine, not a"
    " container"
)


def check_encryption_keys(context: CheckContext) -> Findings:
    """Check that the keys of stored data are unchanged: other keys cannot read it."""
    for install_parameter, key in STORED_KEYS:
        name, lost_data = key.parameter, key.data
        answer, stored_digest = context.answers.get(name), context.facts.cloud.key_digests.get(name)
        if (
            stored_digest
            and context.answers.get(install_parameter)
            and isinstance(answer, Secret)
            and key_digest(answer) != stored_digest
        ):
            yield error(
                f"{name} is not the one on this node ({key.option} in {key.path}):"
                f" with another one {lost_data} would be lost",
                f"set {name} to the node's; to lose {lost_data}: --ignore keys",
            )


def key_digest(secret: Secret) -> str:
    """Return the digest that the facts hold, of the key in URL-safe base64."""
    text = secret.reveal().translate(str.maketrans("+/", "-_"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_object_storage(context: CheckContext) -> Findings:
    """Check that Swift's devices exist and are empty, or there is space for a file.

    Nothing is formatted that holds data.
    """
    answers = context.answers
    if not answers.get("CONFIG_SWIFT_INSTALL"):
        return
    devices = tuple(answers.get("CONFIG_SWIFT_STORAGES") or ())
    if context.facts.system.is_container:
        yield info(
            "a container cannot mount file systems: objects go into a plain directory, /srv/node/swiftloopback"
            + (f", and not on {', '.join(devices)}" if devices else ""),
            "deploy on a machine to use devices, or a file with a size limit",
        )
        return
    for path in devices:
        mount_point = posixpath.join("/srv/node", re.sub(r"\W", "_", posixpath.basename(path)))
        yield from _check_blank_device(context, path, "CONFIG_SWIFT_STORAGES", mount_point)
    if not devices:
        yield from _check_free_space(context, "CONFIG_SWIFT_STORAGE_SIZE", "/")


def check_volume_backends(context: CheckContext) -> Findings:
    """Check that each Cinder back end has what it needs from the kernel and the node."""
    answers = context.answers
    if not answers.get("CONFIG_CINDER_INSTALL"):
        return
    backends = tuple(answers.get("CONFIG_CINDER_BACKEND") or ())
    for backend, check in (("lvm", _check_lvm), ("nfs", _check_nfs), ("ceph", _check_ceph)):
        if backend in backends:
            yield from check(context)


def _check_lvm(context: CheckContext) -> Findings:
    """Check the kernel's drivers and the volume group's device for volumes on LVM."""
    facts, answers = context.facts, context.answers
    group = str(answers.get("CONFIG_CINDER_VOLUME_NAME"))
    device = str(answers.get("CONFIG_CINDER_VOLUMES_DEVICE") or "")
    if not facts.hardware.has_device_mapper:
        yield error(
            "volumes on LVM need the kernel's device mapper, which is missing",
            f"{node_commands.load_kernel_module('dm_mod')}; {_ALTERNATIVES_HINT}",
        )
    if "iscsi" not in facts.storage.kernel_features:
        yield error("instances reach volumes on LVM by iSCSI, and the kernel has no iscsi_tcp", _ALTERNATIVES_HINT)
    if group in facts.storage.volume_groups:
        return
    if device:
        yield from _check_blank_device(context, device, "CONFIG_CINDER_VOLUMES_DEVICE", "")
    elif answers.get("CONFIG_CINDER_VOLUMES_CREATE"):
        yield from _check_free_space(context, "CONFIG_CINDER_VOLUMES_SIZE", "/var/lib")
    else:
        yield error(
            f"there is no volume group {group} (CONFIG_CINDER_VOLUME_NAME)",
            f"vgcreate {group} DEVICE; or let apply create it: CONFIG_CINDER_VOLUMES_CREATE=y",
        )


def _check_nfs(context: CheckContext) -> Findings:
    """Check the kernel's client and the exports for volumes on NFS."""
    facts = context.facts
    if not context.answers.get("CONFIG_CINDER_NFS_MOUNTS"):
        yield error("CONFIG_CINDER_BACKEND has nfs, but CONFIG_CINDER_NFS_MOUNTS is empty", "name an export there")
    if "nfs" not in facts.storage.kernel_features or facts.system.is_container:
        yield error("volumes on NFS need the kernel's NFS client, which is missing", _ALTERNATIVES_HINT)
    for export, reason in facts.storage.nfs_export_errors.items():
        if reason:
            yield error(
                f"the NFS export {export} cannot be used: {reason}", "repair it, or change CONFIG_CINDER_NFS_MOUNTS"
            )


def _check_ceph(context: CheckContext) -> Findings:
    """Check the node for a new Ceph cluster, or for the files of an existing one.

    A new cluster needs its ports, free space, and no ceph.conf of another cluster. Of an existing one, the ceph.conf
    and the keyring that the answers name must be on the node; a path outside /etc/ceph is not checked.
    """
    facts, answers = context.facts, context.answers
    if answers.get("CONFIG_CINDER_CEPH_CREATE"):
        if "/etc/ceph/ceph.conf" in facts.storage.ceph_files and "ours" not in facts.storage.ceph_files:
            yield error(
                "/etc/ceph/ceph.conf belongs to another cluster",
                "use that cluster: CONFIG_CINDER_CEPH_CREATE=n; or move the file away",
            )
        taken_ports = [
            port for port in (3300, 6789) if port in facts.network.listening_ports and not facts.cloud.deployed_by_us
        ]
        if taken_ports:
            yield error(
                f"Ceph's port {', '.join(map(str, taken_ports))} is in use",
                f"{node_commands.show_port_holder(taken_ports[0])} shows the process; stop it",
            )
        # The file grows as it is written to, so that too little space is only a warning.
        yield from _check_free_space(context, "CONFIG_CINDER_CEPH_SIZE", "/var/lib", is_fatal=False)
        return
    conf, user = str(answers.get("CONFIG_CINDER_CEPH_CONF")), answers.get("CONFIG_CINDER_CEPH_USER")
    for path in (conf, posixpath.join(posixpath.dirname(conf), f"ceph.client.{user}.keyring")):
        if path.startswith("/etc/ceph/") and path not in facts.storage.ceph_files:
            yield error(f"there is no {path}", "copy it from the Ceph cluster")


def _check_blank_device(context: CheckContext, path: str, parameter: str, mount_point: str) -> Findings:
    """Check that a device exists and is empty, or mounted at ``mount_point`` by us.

    ``parameter`` is the one whose answer names the device.
    """
    entry = context.facts.storage.block_devices.get(path)
    if entry is None:
        yield error(f"there is no device {path} ({parameter})", "lsblk lists the devices")
        return
    _, content, mounted = entry.split(" ", 2)
    if (content == "-" and mounted == "-") or (mount_point and mounted == mount_point):
        return
    contents = f"holds {content}" + (f", mounted at {mounted}" if mounted != "-" else "")
    yield error(
        f"{path} ({parameter}) {contents}: packstack-lite does not format a device with data",
        f"use another device; or look at its contents ({node_commands.show_contents(path)}), and if nobody needs them:"
        f" {node_commands.wipe_device(path)}",
    )


def _check_free_space(context: CheckContext, parameter: str, path: str, is_fatal: bool = True) -> Findings:
    """Check that a new file, of the size that a parameter gives, fits below ``path``.

    A cloud that is deployed is not checked: an earlier run has created the file.
    """
    required_mib, free = _parse_mib(context.answers.get(parameter)), _free_space(context, path)
    if context.facts.cloud.deployed_by_us or required_mib is None or free is None or required_mib <= free[0]:
        return
    message = f"{parameter} is {required_mib / 1024:.1f} GiB, but {free[0] / 1024:.1f} GiB are free on {free[1]}"
    hint = f"set {parameter} to less, or free space on {free[1]}"
    make_finding = error if is_fatal else warning
    yield make_finding(message, hint)


def _parse_mib(size: Any) -> Optional[float]:
    """Parse a size such as ``20G`` into MiB; None if it is no size."""
    match = re.fullmatch(r"(\d+)([KMG])", str(size))
    return int(match[1]) * _MIB_PER_UNIT[match[2]] if match else None


def _free_space(context: CheckContext, path: str) -> Optional[Tuple[int, str]]:
    """Return (free MiB, mount point) of a directory's file system; None if unknown."""
    free_mib = context.facts.storage.disk_free_mib.get(path)
    return None if free_mib is None else (free_mib, context.facts.storage.mounts.get(path, path))
