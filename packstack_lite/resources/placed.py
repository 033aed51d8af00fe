"""Files of the user's own, remembered, so that they go when they are no longer given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State

LIST = "/var/lib/packstack-lite/placed"
# What remote.push has written: of such a file no copy is kept when it is replaced.
FILES = "/var/lib/packstack-lite/files"

# Standard input: the paths to remember, then an empty line, then paths that belong to somebody now.
_CLOSE = r"""
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
""".replace("LIST", LIST).replace("FILES", FILES)


@dataclass(frozen=True)
class Placed(Resource):
    """Exactly ``paths`` are files that the user gave and nobody else writes.

    One that is no longer among them is removed if we wrote it; what stood there before comes back.
    ``declared`` are the paths of all other files: those stay, whoever wrote them first.
    """

    kind: ClassVar[str] = "placed"
    paths: Tuple[str, ...] = ()
    declared: Tuple[str, ...] = ()
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return "placed:files of yours"

    def want(self) -> Optional[State]:
        return {"files": _words(self.paths)}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        def parse(reply: Reply) -> Dict[str, Seen]:
            return {member.id: {"files": _words(reply.out.splitlines())} for member in group}

        return [Look(Command(f"cat {LIST} 2>/dev/null || :", says="look at placed files"), parse)]

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Placed, gap.resource)._command() for gap in gaps]

    def _command(self) -> Command:
        lines = "\n".join([*sorted(self.paths), "", *self.declared, ""])
        return Command(_CLOSE, stdin=lines.encode(), says="remember which files are yours")


def _words(paths: Sequence[str]) -> str:
    return ", ".join(sorted(path for path in paths if path)) or "none"
