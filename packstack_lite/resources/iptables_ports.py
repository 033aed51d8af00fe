"""Ports opened in the rules that iptables-services loads, and networks let through, now and after a boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.edit_sh import REPLACE_FILE_SH, SCRATCH_DIR_SH

RULES_FILE = "/etc/sysconfig/iptables"
# iptables itself writes rules in this form, so that the saved line and the one in force compare.
_PORT_RULE = "-A INPUT -p tcp -m tcp --dport {} -m comment --comment packstack-lite -j ACCEPT"
_PEER_RULE = "-A INPUT -s {}/32 -m comment --comment packstack-lite -j ACCEPT"
_FORWARD_FROM_RULE = "-A FORWARD -s {} -m comment --comment packstack-lite -j ACCEPT"
_FORWARD_TO_RULE = "-A FORWARD -d {} -m comment --comment packstack-lite -j ACCEPT"

_PROBE_SCRIPT = rf"""
iptables -w 5 -S INPUT && iptables -w 5 -S FORWARD || exit 1
echo ==
cat {RULES_FILE} 2>/dev/null
exit 0
"""
# Each rule goes before the chain's first, as the last one of the usual set rejects what came so far. Saved by line, not
# by "iptables-save": that would keep what Neutron and libvirt have made for this very moment.
_OPEN_SCRIPT = (
    SCRATCH_DIR_SH
    + REPLACE_FILE_SH
    + r"""
cat > "$work/rules"
while read -r add chain rule; do
    iptables -w 5 -C "$chain" $rule 2>/dev/null || iptables -w 5 -I "$chain" $rule || exit 1
done < "$work/rules"
[ -f SAVED ] || exit 0
grep -vxF -f "$work/rules" SAVED > "$work/before"
awk '
    FNR == NR { rules[$2] = rules[$2] $0 "\n"; next }
    /^\*/ { table = $0 }
    table == "*filter" && $1 == "-A" { printf "%s", rules[$2]; rules[$2] = "" }
    table == "*filter" && /^COMMIT/ { for (chain in rules) printf "%s", rules[chain] }
    { print }
' "$work/rules" "$work/before" > "$work/new" || exit 1
put SAVED "$work/new"
"""
).replace("SAVED", RULES_FILE)


@dataclass(frozen=True)
class IptablesPorts(Resource):
    """These TCP ports, and all that comes from ``peers``, are accepted by rules of ours in INPUT and in
    /etc/sysconfig/iptables; what comes from or goes to the networks of ``forward`` by such in FORWARD. The peers are
    addresses of the host that this ``concerns``.

    For a host where iptables-services loads that file at boot. Other rules stay as they are.
    """

    kind: ClassVar[str] = "iptables"
    ports: Tuple[int, ...]
    peers: Tuple[str, ...] = ()
    forwarded_networks: Tuple[str, ...] = ()
    attributed_to: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"iptables:{self.attributed_to or 'ports'}"

    def desired(self) -> Optional[State]:
        return {"closed": (), "closed after a boot": ()}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(IptablesPorts, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            now, separator, saved = reply.out.partition("==\n")
            if not reply.ok or not separator:
                raise ValueError(f"exit {reply.code}: {reply.err.strip() or reply.out!r}")
            return {self.id: {"closed": self._missing(now), "closed after a boot": self._missing(saved)}}

        return Probe(Command(_PROBE_SCRIPT, description="look at iptables"), parse)

    def _missing(self, text: str) -> Tuple[str, ...]:
        """Ports and networks of which a rule is missing in what ``iptables -S`` or its file says."""
        present_rules = {line.strip().replace('"', "") for line in text.splitlines()}
        return tuple(dict.fromkeys(name for name, rule in self._rules() if rule not in present_rules))

    def _rules(self) -> List[Tuple[str, str]]:
        ports = [(str(port), _PORT_RULE.format(port)) for port in self.ports]
        ports += [(peer, _PEER_RULE.format(peer)) for peer in self.peers if ":" not in peer]
        return ports + [
            (network, rule.format(network))
            for network in self.forwarded_networks
            for rule in (_FORWARD_FROM_RULE, _FORWARD_TO_RULE)
        ]

    def describe(self, diff: Diff) -> str:
        """Which ports and networks."""
        observed = cast(State, diff.observed)
        now, boot = (cast(Tuple[str, ...], observed[key]) for key in ("closed", "closed after a boot"))
        return f"open {', '.join(now)}" if now else f"open {', '.join(boot)} after a boot too"

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(IptablesPorts, diff.resource)._open() for diff in diffs]

    def _open(self) -> Command:
        rules = "".join(f"{rule}\n" for _, rule in self._rules())
        return Command(_OPEN_SCRIPT, stdin=rules.encode(), description="open ports in iptables")
