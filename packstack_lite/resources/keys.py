"""Key repositories that are made once, on the host, and never replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.resources.records import records
from packstack_lite.secret import sh

_LOOK = r"""
for directory in DIRECTORIES; do
    [ -s "$directory/0" ] && printf '%s\t%s\n' "$directory" "$(stat -c '0%a	%U' "$directory")"
done
exit 0
"""


@dataclass(frozen=True)
class Keys(Resource):
    """A fernet key repository: files 0 (staged) and 1 (primary), 32 random bytes in urlsafe base64 each.

    Source of the format: keystone's fernet_utils; writing it directly takes 0.1 s instead of
    the 3 s of ``keystone-manage fernet_setup``. Rotation by keystone adds files, which is fine.
    """

    kind: ClassVar[str] = "keys"
    directory: str
    owner: str
    group: str
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"keys:{self.directory}"

    def want(self) -> Optional[State]:
        return {"present": True, "mode": "0700", "owner": self.owner}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        members = cast("Sequence[Keys]", group)
        script = _LOOK.replace("DIRECTORIES", " ".join(sh(member.directory) for member in members))

        def parse(reply: Reply) -> Dict[str, Seen]:
            lines = records(reply, 2)
            return {
                member.id: {"present": True, "mode": lines[member.directory][0], "owner": lines[member.directory][1]}
                if member.directory in lines
                else None
                for member in members
            }

        return [Look(Command(script, says="look at key repositories"), parse)]

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Keys, gap.resource)._make() for gap in gaps]

    def _make(self) -> Command:
        place, owner = sh(self.directory), f"{self.owner}:{self.group}"
        script = f"""
umask 077
mkdir -p {place}
for n in 1 0; do
    [ -s {place}/$n ] && continue
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\\n' > {place}/$n.new && mv {place}/$n.new {place}/$n
done
chown -R {owner} {place} && chmod 0700 {place} && chmod 0600 {place}/*
"""
        return Command(script, says=f"make keys in {self.directory}")
