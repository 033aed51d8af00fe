"""The node's own names in /etc/hosts.

Where a name does not resolve to the node's address (a loopback address is another one), our line is put first in the
file, where it wins over others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Mapping, Tuple

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe
from packstack_lite.resources.shell import REPLACE_FILE_SH, SCRATCH_DIR_SH, require_ok
from packstack_lite.secret import quote_sh

HOSTS_FILE = "/etc/hosts"
MARKER = "# packstack-lite"

# The first address that a program gets counts.
_PROBE_SCRIPT = r"""
resolves() { [ "$(timeout 5 getent ahostsv4 "$1" 2>/dev/null | awk 'NR == 1 {print $1}')" = %(address)s ]; }
for name in %(names)s; do
    resolves "$name" || { echo "no	$(sed -n 's/[ 	]*MARK$//p' HOSTS_PATH 2>/dev/null | head -n 1)"; exit 0; }
done
echo yes
""".replace("HOSTS_PATH", HOSTS_FILE).replace("MARK", MARKER)

# First in the file: of several lines with a name, the first one wins.
_WRITE_SCRIPT = (
    (
        SCRATCH_DIR_SH
        + REPLACE_FILE_SH
        + r"""
[ -f HOSTS_PATH ] || : > HOSTS_PATH
{ printf '%s MARK\n' "$line"; sed '/MARK$/d' HOSTS_PATH; } > "$work/new"
put HOSTS_PATH "$work/new"
"""
    )
    .replace("HOSTS_PATH", HOSTS_FILE)
    .replace("MARK", MARKER)
)


HostsState = Mapping[str, str]
"""``leads to``: the address that the names resolve to, or "elsewhere"."""


@dataclass(frozen=True)
class HostsEntry(IndividualResource[HostsState]):
    """The node's names, each of which resolves to ``address``; the full one is first.

    A line in /etc/hosts does it where nothing else does.
    """

    kind: ClassVar[str] = "hosts_entry"
    address: str
    names: Tuple[str, ...]
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``hosts_entry:NAME``, with the full name."""
        return f"hosts_entry:{self.names[0]}"

    @property
    def line(self) -> str:
        """Return the line for /etc/hosts: the address, then the names."""
        return " ".join((self.address, *self.names))

    def desired(self) -> HostsState:
        """Return the address to which the names shall resolve."""
        return {"leads to": self.address}

    def describe(self, diff: Diff["HostsEntry"]) -> Description:
        """Describe the entry's name and address, and the address it resolved to before."""
        state = diff.state()
        reason = "" if state is None else f"resolved {_describe_target(state['leads to'])}"
        return Description(f"add {self.names[0]} to {HOSTS_FILE} as {self.address}", reason)

    def describe_drift(self, diff: Diff["HostsEntry"]) -> str:
        """Describe the address that the name resolves to, and the desired one."""
        state = diff.state()
        target = _describe_target(state["leads to"] if state else "elsewhere")
        return f"{self.names[0]} resolves {target} (should be {self.address})"

    def probe_one(self) -> Probe[HostsState]:
        """Return the probe that resolves the names and prints our line of /etc/hosts."""

        def parse(reply: Reply) -> Dict[str, Observed[HostsState]]:
            """Return the address that the names lead to, or "elsewhere"."""
            answer, _, line = reply.out.strip().partition("\t")
            require_ok(reply, answer in ("yes", "no"))
            # The address of packstack-lite's own line. A name that resolves to another address in spite of a right
            # line leads elsewhere.
            old = line.split(" ")[0] or "elsewhere"
            observed = "elsewhere" if old == self.address else old
            return {self.id: {"leads to": self.address if answer == "yes" else observed}}

        names = " ".join(map(quote_sh, self.names))
        script = _PROBE_SCRIPT % {"address": quote_sh(self.address), "names": names}
        return Probe(Command(script, description="probe the node's name"), parse)

    def fix_one(self, diff: Diff["HostsEntry"]) -> Command:
        """Return the command that writes our line into /etc/hosts."""
        return Command(f"line={quote_sh(self.line)}\n{_WRITE_SCRIPT}", description=f"write {HOSTS_FILE}")


def _describe_target(address: str) -> str:
    """Return "to ADDRESS", or "elsewhere" as it is."""
    return address if address == "elsewhere" else f"to {address}"
