"""Checks of what is kept for long: keys that data depends on, devices, what the kernel can do for volumes."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import Any, Optional, Tuple

from packstack_lite.preflight.subject import Remarks, Subject, error, info, warning
from packstack_lite.secret import Secret

# Answer -> the switch of its service, where the host keeps it, what is lost with it.
_KEPT = {
    "CONFIG_BARBICAN_KEK": ("CONFIG_BARBICAN_INSTALL", "kek in /etc/barbican/barbican.conf", "every secret"),
    "CONFIG_SWIFT_HASH": ("CONFIG_SWIFT_INSTALL", "swift_hash_path_suffix in /etc/swift/swift.conf", "every object"),
}
_UNITS = {"K": 1 / 1024, "M": 1.0, "G": 1024.0}
# What works in a container too.
_INSTEAD = "keep volumes on Ceph, which needs nothing of the kernel: --cinder-backend=ceph; or use a machine of its own"


def keys(subject: Subject) -> Remarks:
    """What stored data can only be read with is not changed."""
    for name, (switch, where, lost) in _KEPT.items():
        answer, there = subject.answers.get(name), subject.facts.kept.get(name)
        if there and subject.answers.get(switch) and isinstance(answer, Secret) and digest(answer) != there:
            yield error(
                f"{name} is not the one that this host has ({where}): with another one {lost} would be lost",
                f"answer {name} with the one that is there; to lose {lost}: --ignore keys",
            )


def digest(secret: Secret) -> str:
    """As the host's facts tell it: of either alphabet of base64 the one for URLs."""
    text = secret.reveal().translate(str.maketrans("+/", "-_"))
    return hashlib.sha256(text.encode()).hexdigest()


def objects(subject: Subject) -> Remarks:
    """There is room and a place for objects, and nothing is formatted that holds anything."""
    answers = subject.answers
    if not answers.get("CONFIG_SWIFT_INSTALL"):
        return
    devices = tuple(answers.get("CONFIG_SWIFT_STORAGES") or ())
    if subject.facts.container:
        yield info(
            "a container mounts no file systems: objects are kept in a plain directory, /srv/node/swiftloopback"
            + (f", and not on {', '.join(devices)}" if devices else ""),
            "deploy on a machine of its own to have devices, or a file with a limit",
        )
        return
    for path in devices:
        place = posixpath.join("/srv/node", re.sub(r"\W", "_", posixpath.basename(path)))
        yield from _blank(subject, path, "CONFIG_SWIFT_STORAGES", place)
    if not devices:
        yield from _room(subject, "CONFIG_SWIFT_STORAGE_SIZE", "/")


def volumes(subject: Subject) -> Remarks:
    """Every backend of the volumes has what it stands on, in the kernel and on the host."""
    answers = subject.answers
    if not answers.get("CONFIG_CINDER_INSTALL"):
        return
    wanted = tuple(answers.get("CONFIG_CINDER_BACKEND") or ())
    for backend, look in (("lvm", _lvm), ("nfs", _nfs), ("ceph", _ceph)):
        if backend in wanted:
            yield from look(subject)


def _lvm(subject: Subject) -> Remarks:
    facts, answers = subject.facts, subject.answers
    group = str(answers.get("CONFIG_CINDER_VOLUME_NAME"))
    device = str(answers.get("CONFIG_CINDER_VOLUMES_DEVICE") or "")
    if not facts.device_mapper:
        yield error(
            "volumes on LVM need the kernel's device mapper, which is not there", f"modprobe dm_mod; {_INSTEAD}"
        )
    if "iscsi" not in facts.kernel:
        yield error("instances reach volumes on LVM by iSCSI, and the kernel has no iscsi_tcp", _INSTEAD)
    if group in facts.volume_groups:
        return
    if device:
        yield from _blank(subject, device, "CONFIG_CINDER_VOLUMES_DEVICE", "")
    elif answers.get("CONFIG_CINDER_VOLUMES_CREATE"):
        yield from _room(subject, "CONFIG_CINDER_VOLUMES_SIZE", "/var/lib")
    else:
        yield error(
            f"there is no volume group {group} (CONFIG_CINDER_VOLUME_NAME)",
            f"vgcreate {group} DEVICE; or have it made: CONFIG_CINDER_VOLUMES_CREATE=y",
        )


def _nfs(subject: Subject) -> Remarks:
    facts = subject.facts
    if not subject.answers.get("CONFIG_CINDER_NFS_MOUNTS"):
        yield error("volumes are to be kept on NFS, but CONFIG_CINDER_NFS_MOUNTS is empty", "name an export there")
    if "nfs" not in facts.kernel or facts.container:
        yield error("volumes on NFS need the kernel's NFS client, which is not to be had here", _INSTEAD)
    for export, wrong in facts.exports.items():
        if wrong:
            yield error(f"the NFS export {export} cannot be used: {wrong}", "mend it, or CONFIG_CINDER_NFS_MOUNTS")


def _ceph(subject: Subject) -> Remarks:
    facts, answers = subject.facts, subject.answers
    if answers.get("CONFIG_CINDER_CEPH_CREATE"):
        if "/etc/ceph/ceph.conf" in facts.ceph and "ours" not in facts.ceph:
            yield error(
                "/etc/ceph/ceph.conf is there, of another cluster",
                "use that one: CONFIG_CINDER_CEPH_CREATE=n; or move it away",
            )
        strangers = [str(port) for port in (3300, 6789) if port in facts.ports and not facts.own]
        if strangers:
            yield error(f"Ceph's port {', '.join(strangers)} is taken", "ss -ltnp shows by whom; end it")
        # It grows as it is written to, so that less room is no fault.
        yield from _room(subject, "CONFIG_CINDER_CEPH_SIZE", "/var/lib", fatal=False)
        return
    conf, user = str(answers.get("CONFIG_CINDER_CEPH_CONF")), answers.get("CONFIG_CINDER_CEPH_USER")
    for path in (conf, posixpath.join(posixpath.dirname(conf), f"ceph.client.{user}.keyring")):
        if path.startswith("/etc/ceph/") and path not in facts.ceph:
            yield error(f"there is no {path}", "copy it from the Ceph cluster")


def _blank(subject: Subject, path: str, parameter: str, place: str) -> Remarks:
    """A device that is there and holds nothing, or is ours already (mounted at ``place``)."""
    told = subject.facts.devices.get(path)
    if told is None:
        yield error(f"there is no device {path} ({parameter})", "lsblk shows those that there are")
        return
    _, content, mounted = told.split(" ", 2)
    if (content == "-" and mounted == "-") or (place and mounted == place):
        return
    held = f"holds {content}" + (f", mounted at {mounted}" if mounted != "-" else "")
    yield error(
        f"{path} ({parameter}) {held}: nothing is formatted that holds anything", f"empty it first: wipefs -a {path}"
    )


def _room(subject: Subject, parameter: str, path: str, fatal: bool = True) -> Remarks:
    """Room for a file of that size, if an earlier run has not made it."""
    wanted, free = _mib(subject.answers.get(parameter)), _free(subject, path)
    if subject.facts.own or wanted is None or free is None or wanted <= free[0]:
        return
    told = f"{parameter} is {wanted / 1024:.1f} GiB, but {free[0] / 1024:.1f} GiB are free on {free[1]}"
    fix = f"answer {parameter} with less, or make room on {free[1]}"
    remark = error if fatal else warning
    yield remark(told, fix)


def _mib(size: Any) -> Optional[float]:
    found = re.fullmatch(r"(\d+)([KMG])", str(size))
    return int(found[1]) * _UNITS[found[2]] if found else None


def _free(subject: Subject, path: str) -> Optional[Tuple[int, str]]:
    free = subject.facts.disk_free.get(path)
    return None if free is None else (free, subject.facts.mounts.get(path, path))
