"""The part of a host's facts that is about keeping data: devices, what the kernel can do, what must not change."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from packstack_lite.nodes.facts.key_value import parse_key_values, split_named_values
from packstack_lite.remote.command import Command, Reply

# KEY=VALUE lines, a key as often as there is something to say.
_ASK = r"""
say() { printf '%s=%s\n' "$1" "$2"; }

# What stored data can only be read with; a digest of it.
kept() {
    value=$(sed -n "s/^$3 *= *//p" "$2" 2>/dev/null | head -n 1 | sed 's/%%/%/g' | tr '+/' '-_')
    case $value in ''|changeme) ;; *) say kept "$1 $(printf %s "$value" | sha256sum | cut -d' ' -f1)" ;; esac
}
kept CONFIG_BARBICAN_KEK /etc/barbican/barbican.conf kek
kept CONFIG_SWIFT_HASH /etc/swift/swift.conf swift_hash_path_suffix

# PATH MIB WHAT-IT-HOLDS WHERE-IT-IS-MOUNTED
device() {
    found=$(blkid -p -o value -s TYPE -- "$2" 2>/dev/null)
    [ -n "$found" ] || [ -z "$(blkid -p -o value -s PTTYPE -- "$2" 2>/dev/null)" ] || found=partitions
    mounted=$(findmnt -nro TARGET -S "$2" 2>/dev/null | head -n 1)
    say device "$1 $(($(cat "/sys/class/block/${2##*/}/size") / 2048)) ${found:--} ${mounted:--}"
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
    say kernel "$name"
}
has iscsi iscsi_tcp
grep -qw nfs4 /proc/filesystems && say kernel nfs || has nfs nfsv4
for path in /etc/ceph/*; do
    [ ! -e "$path" ] || say ceph "$path"
done
! grep -qs '^# Written by packstack-lite' /etc/ceph/ceph.conf || say ceph ours
"""

# A server that answers on NFS's port, and one that tells what it exports must tell of this.
_PROBE_EXPORTS = r"""
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
    printf 'export=%s %s\n' "$export" "$reason"
done
"""


def build_commands(nfs_exports: Sequence[str] = ()) -> List[Command]:
    """What to ask: of the host itself, and whether it reaches these NFS exports."""
    storage_command = Command(_ASK + "exit 0\n", description="gather facts of storage")
    if not nfs_exports:
        return [storage_command]
    lines = "".join(f"{nfs_export}\n" for nfs_export in nfs_exports)
    return [
        storage_command,
        Command(_PROBE_EXPORTS, stdin=lines.encode(), description="try NFS exports", concurrent=True),
    ]


def parse_facts(replies: Sequence[Reply]) -> Dict[str, Any]:
    """The fields of Facts that the replies to ``commands`` fill."""
    values_by_key = parse_key_values(replies)
    return {
        "key_digests": split_named_values(values_by_key.get("kept", [])),
        "block_devices": split_named_values(values_by_key.get("device", [])),
        "volume_groups": tuple(values_by_key.get("volume_group", ())),
        "kernel_features": tuple(values_by_key.get("kernel", ())),
        "ceph_files": tuple(values_by_key.get("ceph", ())),
        "nfs_export_errors": split_named_values(values_by_key.get("export", [])),
    }
