"""Files of the user's own, remembered, so that they go when they are no longer given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State

USER_FILES_LIST = "/var/lib/packstack-lite/placed"
# What remote.push has written: of such a file no copy is kept when it is replaced.
WRITTEN_FILES_LIST = "/var/lib/packstack-lite/files"

# Standard input: the paths to remember, then an empty line, then paths that belong to somebody now.
_FIX_SCRIPT = r"""
set -eu
umask 077
mkdir -p "$(dirname LIST)"
wanted=$(cat)
disown() {
    grep -vxF -e "$1" FILES > FILES.new || :
    mv FILES.new FILES
}
touch LIST FILES
while IFS= read -r path; do
    if [ -n "$path" ] && ! printf '%s\n' "$wanted" | grep -Fqx -- "$path"; then
        [ -L "$path" ] && path=$(readlink -f -- "$path")
        before=$path.packstack-lite.orig
        # In an order in which a run killed in between is gone on with: what has come back is not taken for ours.
        if [ -e "$before" ]; then
            disown "$path"
            mv -f -- "$before" "$path"
        elif grep -qxF -e "$path" FILES; then
            rm -f -- "$path"
            disown "$path"
        fi
    fi
done < LIST
printf '%s\n' "$wanted" | sed '/^$/,$d' > LIST.new
mv LIST.new LIST
""".replace("LIST", USER_FILES_LIST).replace("FILES", WRITTEN_FILES_LIST)


@dataclass(frozen=True)
class UserFiles(Resource):
    """Exactly ``paths`` are files that the user gave and nobody else writes.

    One that is no longer among them is removed if we wrote it; what stood there before comes back.
    ``declared`` are the paths of all other files: those stay, whoever wrote them first.
    """

    kind: ClassVar[str] = "placed"
    paths: Tuple[str, ...] = ()
    managed_paths: Tuple[str, ...] = ()
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return "placed:files of yours"

    def desired(self) -> Optional[State]:
        return {"files": _join_paths(self.paths)}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        def parse(reply: Reply) -> Dict[str, Observed]:
            return {resource.id: {"files": _join_paths(reply.out.splitlines())} for resource in resources}

        return [Probe(Command(f"cat {USER_FILES_LIST} 2>/dev/null || :", description="look at placed files"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(UserFiles, diff.resource)._command() for diff in diffs]

    def _command(self) -> Command:
        lines = "\n".join([*sorted(self.paths), "", *self.managed_paths, ""])
        return Command(_FIX_SCRIPT, stdin=lines.encode(), description="remember which files are yours")


def _join_paths(paths: Sequence[str]) -> str:
    return ", ".join(sorted(path for path in paths if path)) or "none"
