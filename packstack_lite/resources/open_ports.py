"""Open TCP ports and allow peers in firewalld or iptables-services.

Both now and after a boot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Sequence, Tuple, TypedDict, TypeVar

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe, join_names
from packstack_lite.resources.shell import REPLACE_FILE_SH, SCRATCH_DIR_SH, require_ok
from packstack_lite.secret import quote_sh

_ClosedPorts = TypedDict("_ClosedPorts", {"closed": Tuple[str, ...], "closed after a boot": Tuple[str, ...]})


class PortState(_ClosedPorts, total=False):
    """Ports, peers and networks that are not let through; firewalld's zone."""

    zone: str


# Ports that a description lists; further ones are counted.
_MAX_PORTS = 12

OpenPortsT = TypeVar("OpenPortsT", bound="OpenPorts")


class OpenPorts(IndividualResource[PortState]):
    """Ports that the node's firewall opens, and addresses that it lets in.

    TCP ``ports`` are open to everyone, every port to the addresses ``peers``. With ``attributed_to`` the
    peers are that node's addresses.
    """

    ports: Tuple[int, ...]
    peers: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``KIND:NODE`` for a node's peers, otherwise ``KIND:ports``."""
        return f"{self.kind}:{self.attributed_to or 'ports'}"

    @property
    def label(self) -> str:
        """Return ``firewall (firewalld)`` or ``firewall (iptables)``."""
        return f"firewall ({self.kind})"

    def desired(self) -> PortState:
        """Return that nothing is closed, neither now nor after a boot."""
        return {"closed": (), "closed after a boot": ()}

    def describe(self: OpenPortsT, diff: Diff[OpenPortsT]) -> Description:
        """Describe what is blocked now: ports to open and addresses to let in."""
        closed, when = self._closed(diff)
        ports = [name for name in closed if name.isdigit()]
        sources = [name for name in closed if not name.isdigit()]
        parts = [f"open ports {join_names(ports, _MAX_PORTS)}"] if ports else []
        parts += [f"allow {', '.join(sources)}"] if sources else []
        state = diff.state()
        zone = f" in zone {state['zone']}" if state and state.get("zone") else ""
        return Description(" and ".join(parts) + zone, f"closed{when}" if when else "")

    def describe_drift(self: OpenPortsT, diff: Diff[OpenPortsT]) -> str:
        """Describe the ports and addresses that the firewall blocks."""
        closed, when = self._closed(diff)
        return f"{self.kind} blocks {join_names(closed, _MAX_PORTS)}{when} (should not)"

    def _closed(self, diff: "Diff[OpenPorts]") -> Tuple[Tuple[str, ...], str]:
        """Return what is closed, and " after a boot" if it is closed only then."""
        state = diff.state()
        if state is None:
            return (*map(str, self.ports), *self.peers), ""
        return (state["closed"], "") if state["closed"] else (state["closed after a boot"], " after a boot")


# --- firewalld

# The zone of the interface; firewalld prints "no zone" where the interface belongs to the default zone.
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
output=$(firewall-cmd -q --zone="$zone" %(now)s 2>&1) || { echo "$output" >&2; exit 1; }
output=$(firewall-cmd -q --permanent --zone="$zone" %(boot)s 2>&1) || { echo "$output" >&2; exit 1; }
"""
)


@dataclass(frozen=True)
class FirewalldPorts(OpenPorts):
    """Ports and peers in firewalld, in the zone of ``interface``.

    firewalld has to run; its other rules stay.
    """

    kind: ClassVar[str] = "firewalld"
    ports: Tuple[int, ...]
    interface: str
    peers: Tuple[str, ...] = ()
    attributed_to: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    def probe_one(self) -> Probe[PortState]:
        """Return the probe of the zone's ports and rules, now and after a boot."""

        def parse(reply: Reply) -> Dict[str, Observed[PortState]]:
            """Return the ports and peers that the zone lacks, and the zone's name."""
            pairs = [line.split("\t", 1) for line in reply.out.splitlines() if "\t" in line]
            ports = {key: text for key, text in pairs if not key.endswith(" rule")}
            require_ok(reply, {"now", "boot"} <= set(ports))
            rules = {when: [text for key, text in pairs if key == f"{when} rule"] for when in ("now", "boot")}
            closed, closed_after_boot = (self._find_blocked(ports[when], rules[when]) for when in ("now", "boot"))
            zone = ports.get("zone", "")
            return {self.id: {"closed": closed, "closed after a boot": closed_after_boot, "zone": zone}}

        command = _PROBE_SCRIPT % {"interface": quote_sh(self.interface), "peers": " ".join(self.peers)}
        return Probe(Command(command, description="probe firewalld", concurrent=True), parse)

    def _find_blocked(self, open_ports: str, rich_rules: Sequence[str]) -> Tuple[str, ...]:
        """Return the declared ports, then the peers' addresses, that firewalld blocks.

        ``open_ports`` is printed by ``--list-ports``, like ``80/tcp 5000-6000/tcp``; ``rich_rules`` are the lines of
        ``--list-rich-rules`` without quotation marks. A peer is let in by a rule of its own.
        """
        spans = [entry[: -len("/tcp")].split("-") for entry in open_ports.split() if entry.endswith("/tcp")]
        open_ranges = [range(int(span[0]), int(span[-1]) + 1) for span in spans]
        ports = [str(port) for port in self.ports if not any(port in span for span in open_ranges)]
        return (*ports, *(peer for peer in self.peers if _rich_rule(peer) not in rich_rules))

    def fix_one(self, diff: Diff["FirewalldPorts"]) -> Command:
        """Return the command that adds ports and peers to the zone, now and for good."""
        options = [f"--add-port={port}/tcp" for port in self.ports]
        options += [f"--add-rich-rule={_rich_rule(peer)}" for peer in self.peers]
        quoted_options = " ".join(map(quote_sh, options))
        script = _OPEN_SCRIPT % {
            "interface": quote_sh(self.interface),
            "now": quoted_options,
            "boot": quoted_options,
        }
        return Command(script, timeout=60, description="open ports in firewalld")


def _rich_rule(peer: str) -> str:
    """Return the rule for a peer as firewalld lists it, without quotation marks."""
    return f"rule family={'ipv6' if ':' in peer else 'ipv4'} source address={peer} accept"


# --- iptables-services

RULES_FILE = "/etc/sysconfig/iptables"
# iptables itself writes rules in this form, so that the saved line and the one in force compare.
_PORT_RULE = "-A INPUT -p tcp -m tcp --dport {} -m comment --comment packstack-lite -j ACCEPT"
_PEER_RULE = "-A INPUT -s {}/32 -m comment --comment packstack-lite -j ACCEPT"
_FORWARD_FROM_RULE = "-A FORWARD -s {} -m comment --comment packstack-lite -j ACCEPT"
_FORWARD_TO_RULE = "-A FORWARD -d {} -m comment --comment packstack-lite -j ACCEPT"

_PROBE_RULES = rf"""
iptables -w 5 -S INPUT && iptables -w 5 -S FORWARD || exit 1
echo ==
cat {RULES_FILE} 2>/dev/null
exit 0
"""
# Each rule goes before the chain's first, as the last one of the usual set rejects what came so far. Saved by line, not
# by "iptables-save": that would also keep the rules that Neutron and libvirt made for running instances.
_ADD_RULES = (
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
class IptablesPorts(OpenPorts):
    """Ports, peers and forwarded networks in the rules of iptables-services.

    Rules are added to INPUT and FORWARD, in the kernel and in /etc/sysconfig/iptables. For a node where
    iptables-services loads that file at boot. Other rules stay as they are.
    """

    kind: ClassVar[str] = "iptables"
    ports: Tuple[int, ...]
    peers: Tuple[str, ...] = ()
    forwarded_networks: Tuple[str, ...] = ()
    attributed_to: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    def probe_one(self) -> Probe[PortState]:
        """Return the probe of the kernel's rules and of those in the saved file."""

        def parse(reply: Reply) -> Dict[str, Observed[PortState]]:
            """Return the ports and addresses without a rule, now and after a boot."""
            now, separator, saved = reply.out.partition("==\n")
            require_ok(reply, bool(separator))
            return {self.id: {"closed": self._find_blocked(now), "closed after a boot": self._find_blocked(saved)}}

        return Probe(Command(_PROBE_RULES, description="probe iptables"), parse)

    def _find_blocked(self, text: str) -> Tuple[str, ...]:
        """Return ports, peers and networks without a rule in ``iptables -S`` or the file."""
        present_rules = {line.strip().replace('"', "") for line in text.splitlines()}
        return tuple(dict.fromkeys(name for name, rule in self._rules() if rule not in present_rules))

    def _rules(self) -> List[Tuple[str, str]]:
        """Return a name and a rule for each port, peer and forwarded network."""
        ports = [(str(port), _PORT_RULE.format(port)) for port in self.ports]
        ports += [(peer, _PEER_RULE.format(peer)) for peer in self.peers if ":" not in peer]
        return ports + [
            (network, rule.format(network))
            for network in self.forwarded_networks
            for rule in (_FORWARD_FROM_RULE, _FORWARD_TO_RULE)
        ]

    def fix_one(self, diff: Diff["IptablesPorts"]) -> Command:
        """Return the command that adds missing rules to the kernel and the saved file."""
        rules = "".join(f"{rule}\n" for _, rule in self._rules())
        return Command(_ADD_RULES, stdin=rules.encode(), description="open ports in iptables")
