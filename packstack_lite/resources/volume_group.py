"""LVM volume groups, on a device or in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Sequence, Tuple, TypedDict

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, TypedResource, job_name
from packstack_lite.resources.shell import CONTENT_TYPE_SH
from packstack_lite.secret import quote_sh

_PROBE_SCRIPT = "command -v vgs >/dev/null || exit 0\nvgs --noheadings -o vg_name\n"

_CREATE_SCRIPT = (
    CONTENT_TYPE_SH
    + r"""
set -eu
name=%(name)s path=%(path)s mib=%(mib)d
[ -n "$path" ] || {
    echo "volume group $name does not exist: create it (vgcreate), or answer CONFIG_CINDER_VOLUMES_CREATE=y" >&2
    exit 1
}
device=$path
if [ "$mib" -gt 0 ]; then
    if [ ! -e "$path" ]; then
        mkdir -p "$(dirname "$path")"
        truncate -s "${mib}M" "$path.new"
        chmod 0600 "$path.new"
        mv "$path.new" "$path"
    fi
    content=$(holds "$path")
    case $content in
        -|LVM2_member) ;;
        *) echo "$path holds $content, so no volume group is created on it" >&2; exit 1 ;;
    esac
    device=$(losetup -j "$path" | head -n 1 | cut -d: -f1)
    [ -n "$device" ] || device=$(losetup -f --show "$path")
    # A file from an earlier run holds the group already.
    vgs "$name" >/dev/null 2>&1 && exit 0
fi
[ -b "$device" ] || { echo "$device is not a block device" >&2; exit 1; }
content=$(holds "$device")
[ "$content" = - ] || { echo "$path holds $content, so no volume group is created on it" >&2; exit 1; }
pvcreate -q "$device"
vgcreate -q "$name" "$device"
"""
)


class VolumeGroupState(TypedDict):
    """The group exists; a missing group has no state."""

    exists: bool


@dataclass(frozen=True)
class VolumeGroup(TypedResource[VolumeGroupState]):
    """A volume group of this name, created on ``path`` if missing.

    ``path`` is a device that holds nothing or, with ``size_mib``, a file of that size. Without a path a missing group
    is a failure.
    """

    kind: ClassVar[str] = "volume_group"
    name: str
    path: str = ""
    size_mib: int = 0
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``volume_group:NAME``."""
        return f"volume_group:{self.name}"

    def desired(self) -> VolumeGroupState:
        """Return that the volume group exists."""
        return {"exists": True}

    @classmethod
    def probe(cls, resources: Sequence["VolumeGroup"]) -> List[Probe[VolumeGroupState]]:
        """Return one probe for all, which lists the node's LVM volume groups."""

        def parse(reply: Reply) -> Dict[str, Observed[VolumeGroupState]]:
            """Return that a listed volume group exists, by resource id; None for others."""
            present = set(reply.out.split())
            return {group.id: {"exists": True} if group.name in present else None for group in resources}

        return [Probe(Command(_PROBE_SCRIPT, description="probe volume groups"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff["VolumeGroup"]]) -> List[Action]:
        """Return a job for each volume group."""
        return [diff.resource._create_job() for diff in diffs]

    def _create_job(self) -> Job:
        """Return the job that creates the volume group on ``path``.

        That is a block device, or with ``size_mib`` a file that the job creates and puts on a loop device.
        """
        script = _CREATE_SCRIPT % {"name": quote_sh(self.name), "path": quote_sh(self.path), "mib": self.size_mib}
        return Job(job_name(self.id), script, description=f"create volume group {self.name}", must_end=True)
