"""The host's own name in /etc/hosts: one line, and only where the name does not lead to the host anyway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.resources.edited import PUT, SCRATCH
from packstack_lite.secret import sh

PLACE = "/etc/hosts"
MARK = "# packstack-lite"

# The first address that a program gets is the one that counts.
_LOOK = r"""
leads() { [ "$(timeout 5 getent ahostsv4 "$1" 2>/dev/null | awk 'NR == 1 {print $1}')" = %(address)s ]; }
for name in %(names)s; do
    leads "$name" || { echo "no	$(sed -n 's/[ 	]*MARK$//p' PLACE 2>/dev/null | head -n 1)"; exit 0; }
done
echo yes
""".replace("PLACE", PLACE).replace("MARK", MARK)

# First in the file: of several lines with a name, the first one wins.
_WRITE = (
    (
        SCRATCH
        + PUT
        + r"""
[ -f PLACE ] || : > PLACE
{ printf '%s MARK\n' "$line"; sed '/MARK$/d' PLACE; } > "$work/new"
put PLACE "$work/new"
"""
    )
    .replace("PLACE", PLACE)
    .replace("MARK", MARK)
)


@dataclass(frozen=True)
class HostsEntry(Resource):
    """Each of ``names`` (the full one first) leads to ``address``, by a line of ours where nothing else does it."""

    kind: ClassVar[str] = "hosts_entry"
    address: str
    names: Tuple[str, ...]
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"hosts_entry:{self.names[0]}"

    @property
    def line(self) -> str:
        return " ".join((self.address, *self.names))

    def want(self) -> Optional[State]:
        return {"leads to": self.address}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(HostsEntry, member)._look() for member in group]

    def _look(self) -> Look:
        def parse(reply: Reply) -> Dict[str, Seen]:
            said, _, line = reply.out.strip().partition("\t")
            if said not in ("yes", "no"):
                raise ValueError(f"exit {reply.code}: {reply.err.strip() or reply.out!r}")
            old = line.split(" ")[0] or "elsewhere"
            seen = "elsewhere" if old == self.address else old
            return {self.id: {"leads to": self.address if said == "yes" else seen}}

        names = " ".join(map(sh, self.names))
        script = _LOOK % {"address": sh(self.address), "names": names}
        return Look(Command(script, says="look at the host's name"), parse)

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        entries = [cast(HostsEntry, gap.resource) for gap in gaps]
        return [Command(f"line={sh(entry.line)}\n{_WRITE}", says=f"write {PLACE}") for entry in entries]
