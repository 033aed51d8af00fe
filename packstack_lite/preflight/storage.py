"""Checks of what is kept for long: keys that data depends on, devices, what the kernel can do for volumes."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import Any, Optional, Tuple

from packstack_lite.preflight.check import CheckContext, Findings, error, info, warning
from packstack_lite.secret import Secret

# Answer -> the switch of its service, where the host keeps it, what is lost with it.
_STORED_KEYS = {
    "CONFIG_BARBICAN_KEK": ("CONFIG_BARBICAN_INSTALL", "kek in /etc/barbican/barbican.conf", "every secret"),
    "CONFIG_SWIFT_HASH": ("CONFIG_SWIFT_INSTALL", "swift_hash_path_suffix in /etc/swift/swift.conf", "every object"),
}
_MIB_PER_UNIT = {"K": 1 / 1024, "M": 1.0, "G": 1024.0}
# What works in a container too.
_ALTERNATIVES_HINT = (
    "keep volumes on Ceph, which needs nothing of the kernel: --cinder-backend=ceph; or use a machine of its own"
)


def check_encryption_keys(context: CheckContext) -> Findings:
    """What stored data can only be read with is not changed."""
    for name, (install_parameter, location, lost_data) in _STORED_KEYS.items():
        answer, stored_digest = context.answers.get(name), context.facts.cloud.key_digests.get(name)
        if (
            stored_digest
            and context.answers.get(install_parameter)
            and isinstance(answer, Secret)
            and key_digest(answer) != stored_digest
        ):
            yield error(
                f"{name} is not the one that this host has ({location}): with another one {lost_data} would be lost",
                f"answer {name} with the one that is there; to lose {lost_data}: --ignore keys",
            )


def key_digest(secret: Secret) -> str:
    """As the host's facts tell it: of either alphabet of base64 the one for URLs."""
    text = secret.reveal().translate(str.maketrans("+/", "-_"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_object_storage(context: CheckContext) -> Findings:
    """There is room and a place for objects, and nothing is formatted that holds anything."""
    answers = context.answers
    if not answers.get("CONFIG_SWIFT_INSTALL"):
        return
    devices = tuple(answers.get("CONFIG_SWIFT_STORAGES") or ())
    if context.facts.system.is_container:
        yield info(
            "a container mounts no file systems: objects are kept in a plain directory, /srv/node/swiftloopback"
            + (f", and not on {', '.join(devices)}" if devices else ""),
            "deploy on a machine of its own to have devices, or a file with a limit",
        )
        return
    for path in devices:
        mount_point = posixpath.join("/srv/node", re.sub(r"\W", "_", posixpath.basename(path)))
        yield from _check_blank_device(context, path, "CONFIG_SWIFT_STORAGES", mount_point)
    if not devices:
        yield from _check_free_space(context, "CONFIG_SWIFT_STORAGE_SIZE", "/")


def check_volume_backends(context: CheckContext) -> Findings:
    """Every backend of the volumes has what it stands on, in the kernel and on the host."""
    answers = context.answers
    if not answers.get("CONFIG_CINDER_INSTALL"):
        return
    backends = tuple(answers.get("CONFIG_CINDER_BACKEND") or ())
    for backend, check in (("lvm", _check_lvm), ("nfs", _check_nfs), ("ceph", _check_ceph)):
        if backend in backends:
            yield from check(context)


def _check_lvm(context: CheckContext) -> Findings:
    facts, answers = context.facts, context.answers
    group = str(answers.get("CONFIG_CINDER_VOLUME_NAME"))
    device = str(answers.get("CONFIG_CINDER_VOLUMES_DEVICE") or "")
    if not facts.hardware.has_device_mapper:
        yield error(
            "volumes on LVM need the kernel's device mapper, which is not there",
            f"modprobe dm_mod; {_ALTERNATIVES_HINT}",
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
            f"vgcreate {group} DEVICE; or have it made: CONFIG_CINDER_VOLUMES_CREATE=y",
        )


def _check_nfs(context: CheckContext) -> Findings:
    facts = context.facts
    if not context.answers.get("CONFIG_CINDER_NFS_MOUNTS"):
        yield error("volumes are to be kept on NFS, but CONFIG_CINDER_NFS_MOUNTS is empty", "name an export there")
    if "nfs" not in facts.storage.kernel_features or facts.system.is_container:
        yield error("volumes on NFS need the kernel's NFS client, which is not to be had here", _ALTERNATIVES_HINT)
    for export, reason in facts.storage.nfs_export_errors.items():
        if reason:
            yield error(f"the NFS export {export} cannot be used: {reason}", "mend it, or CONFIG_CINDER_NFS_MOUNTS")


def _check_ceph(context: CheckContext) -> Findings:
    facts, answers = context.facts, context.answers
    if answers.get("CONFIG_CINDER_CEPH_CREATE"):
        if "/etc/ceph/ceph.conf" in facts.storage.ceph_files and "ours" not in facts.storage.ceph_files:
            yield error(
                "/etc/ceph/ceph.conf is there, of another cluster",
                "use that one: CONFIG_CINDER_CEPH_CREATE=n; or move it away",
            )
        taken_ports = [
            str(port)
            for port in (3300, 6789)
            if port in facts.network.listening_ports and not facts.cloud.deployed_by_us
        ]
        if taken_ports:
            yield error(f"Ceph's port {', '.join(taken_ports)} is taken", "ss -ltnp shows by whom; end it")
        # It grows as it is written to, so that less room is no fault.
        yield from _check_free_space(context, "CONFIG_CINDER_CEPH_SIZE", "/var/lib", is_fatal=False)
        return
    conf, user = str(answers.get("CONFIG_CINDER_CEPH_CONF")), answers.get("CONFIG_CINDER_CEPH_USER")
    for path in (conf, posixpath.join(posixpath.dirname(conf), f"ceph.client.{user}.keyring")):
        if path.startswith("/etc/ceph/") and path not in facts.storage.ceph_files:
            yield error(f"there is no {path}", "copy it from the Ceph cluster")


def _check_blank_device(context: CheckContext, path: str, parameter: str, mount_point: str) -> Findings:
    """A device that is there and holds nothing, or is ours already (mounted at ``place``)."""
    entry = context.facts.storage.block_devices.get(path)
    if entry is None:
        yield error(f"there is no device {path} ({parameter})", "lsblk shows those that there are")
        return
    _, content, mounted = entry.split(" ", 2)
    if (content == "-" and mounted == "-") or (mount_point and mounted == mount_point):
        return
    contents = f"holds {content}" + (f", mounted at {mounted}" if mounted != "-" else "")
    yield error(
        f"{path} ({parameter}) {contents}: nothing is formatted that holds anything",
        f"take another device; or look at what it holds (lsblk -f {path}; blkid {path}), and when nobody needs that:"
        f" wipefs -a {path}",
    )


def _check_free_space(context: CheckContext, parameter: str, path: str, is_fatal: bool = True) -> Findings:
    """Room for a file of that size, if an earlier run has not made it."""
    required_mib, free = _parse_mib(context.answers.get(parameter)), _free_space(context, path)
    if context.facts.cloud.deployed_by_us or required_mib is None or free is None or required_mib <= free[0]:
        return
    message = f"{parameter} is {required_mib / 1024:.1f} GiB, but {free[0] / 1024:.1f} GiB are free on {free[1]}"
    hint = f"answer {parameter} with less, or make room on {free[1]}"
    make_finding = error if is_fatal else warning
    yield make_finding(message, hint)


def _parse_mib(size: Any) -> Optional[float]:
    match = re.fullmatch(r"(\d+)([KMG])", str(size))
    return int(match[1]) * _MIB_PER_UNIT[match[2]] if match else None


def _free_space(context: CheckContext, path: str) -> Optional[Tuple[int, str]]:
    free_mib = context.facts.storage.disk_free_mib.get(path)
    return None if free_mib is None else (free_mib, context.facts.storage.mounts.get(path, path))
