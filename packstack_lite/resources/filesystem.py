"""File systems on devices or in files: made where nothing is, never over anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.resources.names import job_name
from packstack_lite.resources.records import records
from packstack_lite.secret import sh

# What a device holds: a file system, another thing that blkid knows, a partition table, or "-" for nothing.
HOLDS = r"""
holds() {
    local found
    found=$(blkid -p -o value -s TYPE -- "$1" 2>/dev/null) || :
    [ -n "$found" ] || [ -z "$(blkid -p -o value -s PTTYPE -- "$1" 2>/dev/null)" ] || found=partitions
    echo "${found:--}"
}
"""
_LOOK = (
    HOLDS
    + r"""
while IFS= read -r path; do
    [ ! -e "$path" ] || printf '%s\t%s\n' "$path" "$(holds "$path")"
done
exit 0
"""
)
_MAKE = (
    HOLDS
    + r"""
set -eu
path=%(path)s
if [ -n "%(size)s" ] && [ ! -e "$path" ]; then
    mkdir -p "$(dirname "$path")"
    truncate -s "%(size)s" "$path.new"
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

    def want(self) -> Optional[State]:
        return {"type": self.type}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        members = cast("Sequence[FileSystem]", group)

        def parse(reply: Reply) -> Dict[str, Seen]:
            lines = records(reply, 1)
            return {
                member.id: {"type": lines[member.path][0]} if lines.get(member.path, ["-"]) != ["-"] else None
                for member in members
            }

        paths = "".join(f"{member.path}\n" for member in members)
        return [Look(Command(_LOOK, stdin=paths.encode(), says="look at file systems"), parse)]

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(FileSystem, gap.resource)._make() for gap in gaps]

    def _make(self) -> Job:
        script = _MAKE % {"path": sh(self.path), "size": self.size, "type": self.type}
        return Job(job_name(self.id), script, says=f"make a file system on {self.path}")
