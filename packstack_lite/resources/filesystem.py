"""File systems on devices or in files, created only where nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Description, Diff, Observed, Phase, Probe, TypedResource, job_name
from packstack_lite.resources.shell import CONTENT_TYPE_SH, parse_tsv
from packstack_lite.secret import quote_sh

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
[ -e "$path" ] || { echo "$path does not exist" >&2; exit 1; }
content=$(holds "$path")
[ "$content" = - ] || { echo "$path holds $content, so it is not formatted" >&2; exit 1; }
mkfs.%(type)s -q "$path"
"""
)


FileSystemState = Mapping[str, str]
"""``type``: what the device or file holds, as blkid names it."""


@dataclass(frozen=True)
class FileSystem(TypedResource[FileSystemState]):
    """A file system of this type on ``path``, a device or a file.

    A file of ``size`` ("2G") is created if missing. A device or file that holds anything else is left alone, and the
    fix fails.
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
        """Return ``filesystem:PATH``."""
        return f"filesystem:{self.path}"

    @property
    def label(self) -> str:
        """Return ``TYPE file system on PATH``."""
        return f"{self.type} file system on {self.path}"

    def desired(self) -> FileSystemState:
        """Return the file system's type, such as "xfs"."""
        return {"type": self.type}

    def describe(self, diff: Diff["FileSystem"]) -> Description:
        """Describe the creation, and the type of file system that the path holds now."""
        state = diff.state()
        return Description(f"create {self.label}", "" if state is None else f"it holds {state['type']}")

    @classmethod
    def probe(cls, resources: Sequence["FileSystem"]) -> List[Probe[FileSystemState]]:
        """Return one probe for all paths, which prints each one's file system type."""

        def parse(reply: Reply) -> Dict[str, Observed[FileSystemState]]:
            """Return each file system's type, by resource id; None without one."""
            rows = parse_tsv(reply, 1)
            types = {filesystem.id: rows.get(filesystem.path, ["-"])[0] for filesystem in resources}
            return {resource_id: None if type_ == "-" else {"type": type_} for resource_id, type_ in types.items()}

        paths = "".join(f"{filesystem.path}\n" for filesystem in resources)
        return [Probe(Command(_PROBE_SCRIPT, stdin=paths.encode(), description="probe file systems"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff["FileSystem"]]) -> List[Action]:
        """Return a job for each file system."""
        return [diff.resource._create_job() for diff in diffs]

    def _create_job(self) -> Job:
        """Return the job that creates the file system, and with a size its image file.

        It fails if the path holds anything already.
        """
        script = _MKFS_SCRIPT % {"path": quote_sh(self.path), "size": quote_sh(self.size), "type": quote_sh(self.type)}
        return Job(job_name(self.id), script, description=f"create a file system on {self.path}", must_end=True)
