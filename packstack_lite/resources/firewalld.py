"""Ports opened in firewalld, and hosts let in, now and after a boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.secret import sh

# The zone of the interface; firewalld says "no zone" where it belongs to the default one.
_ZONE = r"""
zone=$(firewall-cmd --get-zone-of-interface=%(interface)s 2>/dev/null)
case $zone in ''|no*) zone=$(firewall-cmd --get-default-zone) ;; esac
[ -n "$zone" ] || exit 1
"""
_LOOK = (
    _ZONE
    + r"""
printf 'zone\t%%s\n' "$zone"
printf 'now\t%%s\n' "$(firewall-cmd --zone="$zone" --list-ports)"
printf 'boot\t%%s\n' "$(firewall-cmd --permanent --zone="$zone" --list-ports)"
[ -n "%(peers)s" ] || exit 0
rules() { firewall-cmd "$@" --list-rich-rules | tr -d "\"'" | sed 's/ *$//'; }
rules --zone="$zone" | sed 's/^/now rule\t/'
rules --permanent --zone="$zone" | sed 's/^/boot rule\t/'
"""
)
_OPEN = (
    _ZONE
    + r"""
said=$(firewall-cmd -q --zone="$zone" %(now)s 2>&1) || { echo "$said" >&2; exit 1; }
said=$(firewall-cmd -q --permanent --zone="$zone" %(boot)s 2>&1) || { echo "$said" >&2; exit 1; }
"""
)


@dataclass(frozen=True)
class FirewalldPorts(Resource):
    """These TCP ports are open in the zone of the interface, and every port to the addresses ``peers``, which are
    those of the host that this ``concerns``.

    firewalld has to run. Nothing else of it is touched.
    """

    kind: ClassVar[str] = "firewalld"
    ports: Tuple[int, ...]
    interface: str
    peers: Tuple[str, ...] = ()
    concerns: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"firewalld:{self.concerns or 'ports'}"

    def want(self) -> Optional[State]:
        return {"closed": (), "closed after a boot": ()}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(FirewalldPorts, member)._look() for member in group]

    def _look(self) -> Look:
        def parse(reply: Reply) -> Dict[str, Seen]:
            told = [line.split("\t", 1) for line in reply.out.splitlines() if "\t" in line]
            lines = {key: text for key, text in told if not key.endswith(" rule")}
            if not reply.ok or not {"now", "boot"} <= set(lines):
                raise ValueError(f"exit {reply.code}: {reply.err.strip() or reply.out!r}")
            rules = {when: [text for key, text in told if key == f"{when} rule"] for when in ("now", "boot")}
            closed, after = (self._closed(lines[when], rules[when]) for when in ("now", "boot"))
            return {self.id: {"closed": closed, "closed after a boot": after, "zone": lines.get("zone", "")}}

        command = _LOOK % {"interface": sh(self.interface), "peers": " ".join(self.peers)}
        return Look(Command(command, says="look at firewalld", slow=True), parse)

    def _closed(self, listed: str, rules: Sequence[str]) -> Tuple[str, ...]:
        """The wanted ports that ``--list-ports`` (``80/tcp 5000-6000/tcp``) does not hold; peers without a rule."""
        spans = [entry[: -len("/tcp")].split("-") for entry in listed.split() if entry.endswith("/tcp")]
        held = [range(int(span[0]), int(span[-1]) + 1) for span in spans]
        ports = [str(port) for port in self.ports if not any(port in span for span in held)]
        return (*ports, *(peer for peer in self.peers if _rule(peer) not in rules))

    def words(self, gap: Gap) -> str:
        """Which ports, in which zone."""
        seen = cast(State, gap.seen)
        now, boot = (cast(Tuple[str, ...], seen[key]) for key in ("closed", "closed after a boot"))
        told = f"open {', '.join(now or boot)} in the zone {seen['zone']}"
        return told if now else f"{told} after a boot too"

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(FirewalldPorts, gap.resource)._open() for gap in gaps]

    def _open(self) -> Command:
        words = [f"--add-port={port}/tcp" for port in self.ports]
        words += [f"--add-rich-rule={_rule(peer)}" for peer in self.peers]
        opened = " ".join(map(sh, words))
        script = _OPEN % {"interface": sh(self.interface), "now": opened, "boot": opened}
        return Command(script, timeout=60, says="open ports in firewalld")


def _rule(peer: str) -> str:
    """As firewalld lists it, but for quotation marks."""
    return f"rule family={'ipv6' if ':' in peer else 'ipv4'} source address={peer} accept"
