"""LVM volume groups, on a device or in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.filesystem import CONTENT_TYPE_SH
from packstack_lite.resources.job_names import job_name
from packstack_lite.secret import quote_sh

_PROBE_SCRIPT = "command -v vgs >/dev/null || exit 0\nvgs --noheadings -o vg_name\n"

_CREATE_SCRIPT = (
    CONTENT_TYPE_SH
    + r"""
set -eu
name=%(name)s path=%(path)s mib=%(mib)d
[ -n "$path" ] || {
    echo "there is no volume group $name: make it (pvcreate, vgcreate), or answer CONFIG_CINDER_VOLUMES_CREATE=y" >&2
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
    found=$(holds "$path")
    case $found in
        -|LVM2_member) ;;
        *) echo "$path holds $found: no volume group is made where anything is" >&2; exit 1 ;;
    esac
    device=$(losetup -j "$path" | head -n 1 | cut -d: -f1)
    [ -n "$device" ] || device=$(losetup -f --show "$path")
    # A file from before, now attached again, brings its group along.
    vgs "$name" >/dev/null 2>&1 && exit 0
fi
[ -b "$device" ] || { echo "$device is no device" >&2; exit 1; }
found=$(holds "$device")
[ "$found" = - ] || { echo "$path holds $found: no volume group is made where anything is" >&2; exit 1; }
pvcreate -q "$device"
vgcreate -q "$name" "$device"
"""
)


@dataclass(frozen=True)
class VolumeGroup(Resource):
    """A volume group of this name. Where there is none it is made on ``path``: a device that holds
    nothing, or, with ``size_mib``, a file of that size; without a ``path`` that is a failure."""

    kind: ClassVar[str] = "volume_group"
    name: str
    path: str = ""
    size_mib: int = 0
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"volume_group:{self.name}"

    def desired(self) -> Optional[State]:
        return {"exists": True}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        def parse(reply: Reply) -> Dict[str, Observed]:
            present = set(reply.out.split())
            return {
                resource.id: {"exists": True} if resource.name in present else None
                for resource in cast("Sequence[VolumeGroup]", resources)
            }

        return [Probe(Command(_PROBE_SCRIPT, description="look at volume groups"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(VolumeGroup, diff.resource)._make() for diff in diffs]

    def _make(self) -> Job:
        script = _CREATE_SCRIPT % {"name": quote_sh(self.name), "path": quote_sh(self.path), "mib": self.size_mib}
        return Job(job_name(self.id), script, description=f"make the volume group {self.name}")
