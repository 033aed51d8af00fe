"""Ports opened in firewalld, and hosts let in, now and after a boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.secret import quote_sh

# The zone of the interface; firewalld says "no zone" where it belongs to the default one.
_FIND_ZONE = r"""
zone=$(firewall-cmd --get-zone-of-interface=%(interface)s 2>/dev/null)
case $zone in ''|no*) zone=$(firewall-cmd --get-default-zone) ;; esac
[ -n "$zone" ] || exit 1
"""
_PROBE_SCRIPT = (
    _FIND_ZONE
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
_OPEN_SCRIPT = (
    _FIND_ZONE
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
    attributed_to: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"firewalld:{self.attributed_to or 'ports'}"

    def desired(self) -> Optional[State]:
        return {"closed": (), "closed after a boot": ()}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(FirewalldPorts, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            pairs = [line.split("\t", 1) for line in reply.out.splitlines() if "\t" in line]
            lines = {key: text for key, text in pairs if not key.endswith(" rule")}
            if not reply.ok or not {"now", "boot"} <= set(lines):
                raise ValueError(f"exit {reply.code}: {reply.err.strip() or reply.out!r}")
            rules = {when: [text for key, text in pairs if key == f"{when} rule"] for when in ("now", "boot")}
            closed, closed_after_boot = (self._missing(lines[when], rules[when]) for when in ("now", "boot"))
            return {
                self.id: {"closed": closed, "closed after a boot": closed_after_boot, "zone": lines.get("zone", "")}
            }

        command = _PROBE_SCRIPT % {"interface": quote_sh(self.interface), "peers": " ".join(self.peers)}
        return Probe(Command(command, description="look at firewalld", concurrent=True), parse)

    def _missing(self, listed: str, rules: Sequence[str]) -> Tuple[str, ...]:
        """The wanted ports that ``--list-ports`` (``80/tcp 5000-6000/tcp``) does not hold; peers without a rule."""
        spans = [entry[: -len("/tcp")].split("-") for entry in listed.split() if entry.endswith("/tcp")]
        open_ranges = [range(int(span[0]), int(span[-1]) + 1) for span in spans]
        ports = [str(port) for port in self.ports if not any(port in span for span in open_ranges)]
        return (*ports, *(peer for peer in self.peers if _rich_rule(peer) not in rules))

    def describe(self, diff: Diff) -> str:
        """Which ports, in which zone."""
        observed = cast(State, diff.observed)
        now, boot = (cast(Tuple[str, ...], observed[key]) for key in ("closed", "closed after a boot"))
        text = f"open {', '.join(now or boot)} in the zone {observed['zone']}"
        return text if now else f"{text} after a boot too"

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(FirewalldPorts, diff.resource)._open() for diff in diffs]

    def _open(self) -> Command:
        options = [f"--add-port={port}/tcp" for port in self.ports]
        options += [f"--add-rich-rule={_rich_rule(peer)}" for peer in self.peers]
        opened = " ".join(map(quote_sh, options))
        script = _OPEN_SCRIPT % {"interface": quote_sh(self.interface), "now": opened, "boot": opened}
        return Command(script, timeout=60, description="open ports in firewalld")


def _rich_rule(peer: str) -> str:
    """As firewalld lists it, but for quotation marks."""
    return f"rule family={'ipv6' if ':' in peer else 'ipv4'} source address={peer} accept"
