"""File systems on devices or in files: made where nothing is, never over anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.job_names import job_name
from packstack_lite.resources.tsv import parse_tsv
from packstack_lite.secret import quote_sh

# What a device holds: a file system, another thing that blkid knows, a partition table, or "-" for nothing.
CONTENT_TYPE_SH = r"""
holds() {
    local found
    found=$(blkid -p -o value -s TYPE -- "$1" 2>/dev/null) || :
    [ -n "$found" ] || [ -z "$(blkid -p -o value -s PTTYPE -- "$1" 2>/dev/null)" ] || found=partitions
    echo "${found:--}"
}
"""
_PROBE_SCRIPT = (
    CONTENT_TYPE_SH
    + r"""
while IFS= read -r path; do
    [ ! -e "$path" ] || printf '%s\t%s\n' "$path" "$(holds "$path")"
done
exit 0
"""
)
_MKFS_SCRIPT = (
    CONTENT_TYPE_SH
    + r"""
set -eu
path=%(path)s size=%(size)s
if [ -n "$size" ] && [ ! -e "$path" ]; then
    mkdir -p "$(dirname "$path")"
    truncate -s "$size" "$path.new"
    chmod 0600 "$path.new"
    mv "$path.new" "$path"
fi
[ -e "$path" ] || { echo "there is no $path" >&2; exit 1; }
found=$(holds "$path")
[ "$found" = - ] || { echo "$path holds $found: nothing is formatted that holds anything" >&2; exit 1; }
mkfs.%(type)s -q "$path"
"""
)


@dataclass(frozen=True)
class FileSystem(Resource):
    """A file system of this type on ``path``: a device, or a file of ``size`` (``2G``) that is made.

    What holds anything else is left alone, and that is a failure.
    """

    kind: ClassVar[str] = "filesystem"
    path: str
    type: str = "xfs"
    size: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"filesystem:{self.path}"

    def desired(self) -> Optional[State]:
        return {"type": self.type}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        filesystems = cast("Sequence[FileSystem]", resources)

        def parse(reply: Reply) -> Dict[str, Observed]:
            lines = parse_tsv(reply, 1)
            return {
                filesystem.id: {"type": lines[filesystem.path][0]}
                if lines.get(filesystem.path, ["-"]) != ["-"]
                else None
                for filesystem in filesystems
            }

        paths = "".join(f"{filesystem.path}\n" for filesystem in filesystems)
        return [Probe(Command(_PROBE_SCRIPT, stdin=paths.encode(), description="look at file systems"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(FileSystem, diff.resource)._make() for diff in diffs]

    def _make(self) -> Job:
        script = _MKFS_SCRIPT % {"path": quote_sh(self.path), "size": quote_sh(self.size), "type": quote_sh(self.type)}
        return Job(job_name(self.id), script, description=f"make a file system on {self.path}")
