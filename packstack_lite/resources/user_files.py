"""The record of the user's configuration files on the node.

With it a file that is no longer given can be removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Sequence, Tuple, TypedDict

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe, join_names
from packstack_lite.state_paths import USER_FILES_LIST, WRITTEN_FILES_LIST

# Standard input: the user's files, an empty line, then the paths that other resources manage.
_FIX_SCRIPT = r"""
set -eu
umask 077
mkdir -p "$(dirname LIST)"
desired=$(cat)
disown() {
    grep -vxF -e "$1" FILES > FILES.new || :
    mv FILES.new FILES
}
touch LIST FILES
while IFS= read -r path; do
    if [ -n "$path" ] && ! printf '%s\n' "$desired" | grep -Fqx -- "$path"; then
        [ -L "$path" ] && path=$(readlink -f -- "$path")
        before=$path.packstack-lite.orig
        # In this order a run that is killed in between can be repeated: a restored file is not taken for one of ours.
        if [ -e "$before" ]; then
            disown "$path"
            mv -f -- "$before" "$path"
        elif grep -qxF -e "$path" FILES; then
            rm -f -- "$path"
            disown "$path"
        fi
    fi
done < LIST
printf '%s\n' "$desired" | sed '/^$/,$d' > LIST.new
mv LIST.new LIST
""".replace("LIST", USER_FILES_LIST).replace("FILES", WRITTEN_FILES_LIST)


class UserFilesState(TypedDict):
    """The recorded paths, sorted and joined; "none" without any."""

    files: str


@dataclass(frozen=True)
class UserFiles(IndividualResource[UserFilesState]):
    """The list, on the node, of the files that the user gave: exactly ``paths``.

    They come from --config-dir, and no other resource writes them. A file that is no longer among them is removed if
    packstack-lite wrote it, and the original is restored. ``managed_paths`` are the paths of all other File resources:
    those stay.
    """

    kind: ClassVar[str] = "placed"
    paths: Tuple[str, ...] = ()
    managed_paths: Tuple[str, ...] = ()
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``placed:files of yours``: a node has one."""
        return "placed:files of yours"

    @property
    def label(self) -> str:
        """Return ``record of your configuration files``."""
        return "record of your configuration files"

    def desired(self) -> UserFilesState:
        """Return the paths of the user's files, sorted and joined."""
        return {"files": _format_paths(self.paths)}

    def describe(self, diff: Diff["UserFiles"]) -> Description:
        """Describe the files that are recorded and those that are removed."""
        state = diff.state()
        recorded = set() if state is None or state["files"] == "none" else set(state["files"].split(", "))
        added, dropped = sorted(set(self.paths) - recorded), sorted(recorded - set(self.paths))
        parts = [f"record your {join_names(added)}"] if added else []
        parts += [f"remove your {join_names(dropped)}"] if dropped else []
        return Description(" and ".join(parts), "no longer in --config-dir" if dropped else "")

    def probe_one(self) -> Probe[UserFilesState]:
        """Return the probe that prints the list of recorded paths."""

        def parse(reply: Reply) -> Dict[str, Observed[UserFilesState]]:
            """Return the recorded paths; "none" without any."""
            return {self.id: {"files": _format_paths(reply.out.splitlines())}}

        return Probe(Command(f"cat {USER_FILES_LIST} 2>/dev/null || :", description="probe your files"), parse)

    def fix_one(self, diff: Diff["UserFiles"]) -> Command:
        """Return the command that records the paths and removes dropped files.

        Standard input has the user's paths, an empty line, and the paths that other resources manage.
        """
        lines = "\n".join([*sorted(self.paths), "", *self.managed_paths, ""])
        return Command(_FIX_SCRIPT, stdin=lines.encode(), description="record your configuration files")


def _format_paths(paths: Sequence[str]) -> str:
    """Return the value of ``UserFilesState.files``: "a, b", sorted, or "none"."""
    return ", ".join(sorted(path for path in paths if path)) or "none"
