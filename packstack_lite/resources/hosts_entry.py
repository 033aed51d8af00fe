"""The host's own name in /etc/hosts: one line, and only where the name does not lead to the host anyway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.edit_sh import REPLACE_FILE_SH, SCRATCH_DIR_SH
from packstack_lite.secret import quote_sh

HOSTS_FILE = "/etc/hosts"
MARKER = "# packstack-lite"

# The first address that a program gets is the one that counts.
_PROBE_SCRIPT = r"""
leads() { [ "$(timeout 5 getent ahostsv4 "$1" 2>/dev/null | awk 'NR == 1 {print $1}')" = %(address)s ]; }
for name in %(names)s; do
    leads "$name" || { echo "no	$(sed -n 's/[ 	]*MARK$//p' PLACE 2>/dev/null | head -n 1)"; exit 0; }
done
echo yes
""".replace("PLACE", HOSTS_FILE).replace("MARK", MARKER)

# First in the file: of several lines with a name, the first one wins.
_WRITE_SCRIPT = (
    (
        SCRATCH_DIR_SH
        + REPLACE_FILE_SH
        + r"""
[ -f PLACE ] || : > PLACE
{ printf '%s MARK\n' "$line"; sed '/MARK$/d' PLACE; } > "$work/new"
put PLACE "$work/new"
"""
    )
    .replace("PLACE", HOSTS_FILE)
    .replace("MARK", MARKER)
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

    def desired(self) -> Optional[State]:
        return {"leads to": self.address}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(HostsEntry, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            answer, _, line = reply.out.strip().partition("\t")
            if answer not in ("yes", "no"):
                raise ValueError(f"exit {reply.code}: {reply.err.strip() or reply.out!r}")
            old = line.split(" ")[0] or "elsewhere"
            observed = "elsewhere" if old == self.address else old
            return {self.id: {"leads to": self.address if answer == "yes" else observed}}

        names = " ".join(map(quote_sh, self.names))
        script = _PROBE_SCRIPT % {"address": quote_sh(self.address), "names": names}
        return Probe(Command(script, description="look at the host's name"), parse)

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        entries = [cast(HostsEntry, diff.resource) for diff in diffs]
        return [
            Command(f"line={quote_sh(entry.line)}\n{_WRITE_SCRIPT}", description=f"write {HOSTS_FILE}")
            for entry in entries
        ]
