"""Facts of storage: file systems, devices, volume groups, Ceph, NFS exports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Mapping, Sequence, Tuple

from packstack_lite.nodes.facts.fields import SAY_FUNCTION, Values, fact, named_texts, parse_number, texts
from packstack_lite.remote.command import Command


def _free_mib(values: Values) -> Mapping[str, int]:
    """Map directories to the free MiB of their file system, from "PATH MIB MOUNT"."""
    return {path: parse_number(free) for path, free, _ in (value.split(" ", 2) for value in values)}


def _mounts(values: Values) -> Mapping[str, str]:
    """Map directories to their file system's mount point, from "PATH MIB MOUNT"."""
    return {path: mount for path, _, mount in (value.split(" ", 2) for value in values)}


def _devices(values: Values) -> Mapping[str, str]:
    """Map devices to "MIB CONTENT MOUNT". Raises ValueError for another form."""
    for value in values:
        _, _, _, _ = value.split(" ", 3)
    return named_texts(values)


@dataclass(frozen=True)
class StorageFacts:
    """File systems and devices. Sizes are MiB.

    ``disk_free_mib`` and ``mounts`` give, for a few directories, the free space and the mount point of their file
    system. ``block_devices`` maps devices, and the links to them below /dev/disk, to "MIB CONTENT MOUNT", where "-" is
    nothing. ``volume_groups`` are LVM's, by name. ``kernel_features`` holds what the kernel can do of ``iscsi`` and
    ``nfs``. ``ceph_files`` are the files in /etc/ceph, and ``ours`` if packstack-lite wrote their ceph.conf.
    ``nfs_export_errors`` maps the exports that were asked for to what is wrong with them, "" for nothing.
    """

    disk_free_mib: Mapping[str, int] = fact("disk", _free_mib)
    mounts: Mapping[str, str] = fact("disk", _mounts)
    block_devices: Mapping[str, str] = fact("device", _devices)
    volume_groups: Tuple[str, ...] = fact("volume_group", texts)
    kernel_features: Tuple[str, ...] = fact("kernel_feature", texts)
    ceph_files: Tuple[str, ...] = fact("ceph_file", texts)
    nfs_export_errors: Mapping[str, str] = fact("nfs_export", named_texts)


_SCRIPT = (
    SAY_FUNCTION
    + r"""
for dir in / /var /var/lib /tmp; do
    say disk "$(df -Pm "$dir" 2>/dev/null | awk -v dir="$dir" 'NR == 2 {print dir, $4, $6}')"
done
# PATH MIB CONTENT MOUNT
device() {
    content=$(blkid -p -o value -s TYPE -- "$2" 2>/dev/null)
    [ -n "$content" ] || [ -z "$(blkid -p -o value -s PTTYPE -- "$2" 2>/dev/null)" ] || content=partitions
    mounted=$(findmnt -nro TARGET -S "$2" 2>/dev/null | head -n 1)
    say device "$1 $(($(cat "/sys/class/block/${2##*/}/size") / 2048)) ${content:--} ${mounted:--}"
}
if command -v blkid >/dev/null; then
    for entry in /sys/class/block/*; do
        node=/dev/${entry##*/}
        case $node in /dev/loop*|/dev/ram*|/dev/sr*|/dev/zram*|/dev/nbd*) continue ;; esac
        [ ! -b "$node" ] || device "$node" "$node"
    done
    for link in /dev/disk/by-*/*; do
        node=$(readlink -f "$link")
        [ ! -b "$node" ] || device "$link" "$node"
    done
fi
if command -v vgs >/dev/null; then
    vgs --noheadings -o vg_name 2>/dev/null | while read -r group; do say volume_group "$group"; done
fi
has() {
    name=$1; shift
    for module; do
        [ -d "/sys/module/$module" ] || modprobe -n -q "$module" 2>/dev/null || return
    done
    say kernel_feature "$name"
}
has iscsi iscsi_tcp
grep -qw nfs4 /proc/filesystems && say kernel_feature nfs || has nfs nfsv4
for path in /etc/ceph/*; do
    [ ! -e "$path" ] || say ceph_file "$path"
done
! grep -qs '^# Written by packstack-lite' /etc/ceph/ceph.conf || say ceph_file ours
exit 0
"""
)

# The server must answer on NFS's port; if it lists its exports (showmount), this one must be among them.
_EXPORTS_SCRIPT = r"""
for python in python3 python2 python ''; do [ -z "$python" ] || ! command -v $python >/dev/null || break; done
while IFS= read -r export; do
    server=${export%%:/*} path=/${export#*:/}
    server=${server#[} server=${server%]}
    if [ -z "$python" ]; then reason=
    elif ! $python -c 'import socket, sys; socket.create_connection((sys.argv[1], 2049), 4)' "$server" 2>/dev/null
    then reason="$server does not answer on port 2049"
    elif command -v showmount >/dev/null && list=$(timeout 5 showmount --no-headers -e "$server" 2>/dev/null) &&
        ! printf '%s\n' "$list" | awk '{print $1}' | grep -qxF "$path"
    then reason="$server does not export $path"
    else reason=
    fi
    printf 'nfs_export=%s %s\n' "$export" "$reason"
done
exit 0
"""


def build_commands(nfs_exports: Sequence[str] = ()) -> List[Command]:
    """Return the commands that print storage and try exports (``SERVER:/PATH``)."""
    storage_command = Command(_SCRIPT, description="gather facts of storage")
    if not nfs_exports:
        return [storage_command]
    lines = "".join(f"{nfs_export}\n" for nfs_export in nfs_exports)
    return [
        storage_command,
        Command(_EXPORTS_SCRIPT, stdin=lines.encode(), description="try NFS exports", concurrent=True),
    ]
