"""Forward the traffic of a network behind the node through firewalld.

firewalld rejects traffic that no rule of its own allows, and drops rules that others loaded whenever it starts or
reloads (seen with firewalld 1.3.3): rules that were given to iptables directly do not last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Tuple, TypedDict

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe
from packstack_lite.resources.shell import SCRATCH_DIR_SH, require_ok
from packstack_lite.secret import quote_sh

POLICY_NAME = "packstack-lite"

# Policies came with firewalld 0.9 (EL 8). Older releases, whose back end is iptables, apply direct rules before their
# own. The lines are as firewall-cmd lists them, without quotation marks.
_COMMON = (
    SCRATCH_DIR_SH
    + r"""
policies=
firewall-cmd --get-policies >/dev/null 2>&1
case $? in
    0) policies=y ;;
    252) echo "firewalld does not run" >&2; exit 1 ;;
esac
rich() {
    printf '%s\n' "rule family=ipv4 source address=$source accept"
    printf '%s\n' "rule family=ipv4 destination address=$source accept"
    printf '%s\n' "rule family=ipv4 source address=$source masquerade"
}
direct() {
    printf '%s\n' "ipv4 filter FORWARD 0 -s $source -j ACCEPT"
    printf '%s\n' "ipv4 filter FORWARD 0 -d $source -j ACCEPT"
    printf '%s\n' "ipv4 nat POSTROUTING 0 -s $source ! -o $bridge -j MASQUERADE"
}
rules() { if [ -n "$policies" ]; then rich; else direct; fi; }
right() {
    if [ -n "$policies" ]; then
        firewall-cmd $1 --policy NAME --list-rich-rules 2>/dev/null
    else
        firewall-cmd $1 --direct --get-all-rules
    fi | tr -d "\"'" > "$work/present"
    rules | while IFS= read -r rule; do grep -qxF -e "$rule" "$work/present" || exit 1; done
}
"""
).replace("NAME", POLICY_NAME)
_PROBE_SCRIPT = (
    _COMMON
    + r"""
for when in '' --permanent; do right "$when" && echo yes || echo no; done
"""
)
_ALLOW_SCRIPT = (
    _COMMON
    + r"""
firewall() { out=$(firewall-cmd "$@" 2>&1) || { echo "firewall-cmd $*: $out" >&2; exit 1; }; }
if [ -n "$policies" ]; then
    firewall-cmd --permanent --info-policy NAME >/dev/null 2>&1 || firewall --permanent --new-policy NAME
    firewall --permanent --policy NAME --set-priority -100
    for side in ingress egress; do
        firewall-cmd -q --permanent --policy NAME --query-$side-zone ANY ||
            firewall --permanent --policy NAME --add-$side-zone ANY
    done
    rich | while IFS= read -r rule; do firewall --permanent --policy NAME --add-rich-rule "$rule"; done || exit 1
    # A new policy comes into force only by a reload; connections stay.
    right '' || firewall --reload
else
    for when in '' --permanent; do
        direct | while IFS= read -r rule; do
            firewall-cmd $when --direct --query-rule $rule >/dev/null 2>&1 || firewall $when --direct --add-rule $rule
        done || exit 1
    done
fi
""".replace("NAME", POLICY_NAME)
)


ForwardState = TypedDict("ForwardState", {"passes": bool, "passes after a boot": bool})


@dataclass(frozen=True)
class FirewalldForward(IndividualResource[ForwardState]):
    """A network on a bridge whose traffic firewalld forwards and masquerades."""

    kind: ClassVar[str] = "firewalld_forward"
    source_cidr: str
    bridge: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``firewalld_forward:CIDR``."""
        return f"firewalld_forward:{self.source_cidr}"

    def desired(self) -> ForwardState:
        """Return that the network's packets are forwarded, now and after a boot."""
        return {"passes": True, "passes after a boot": True}

    def describe(self, diff: Diff["FirewalldForward"]) -> Description:
        """Describe that the network's packets are forwarded through firewalld."""
        state = diff.state()
        reason = "blocked after a boot" if state and state["passes"] else ""
        return Description(f"forward {self.source_cidr} through firewalld", reason)

    def describe_drift(self, diff: Diff["FirewalldForward"]) -> str:
        """Describe that firewalld blocks the network, now or after a boot."""
        state = diff.state()
        return f"firewalld blocks {self.source_cidr}{' after a boot' if state and state['passes'] else ''} (should not)"

    def probe_one(self) -> Probe[ForwardState]:
        """Return the probe of firewalld's rules for the network, now and after a boot."""

        def parse(reply: Reply) -> Dict[str, Observed[ForwardState]]:
            """Return whether packets pass, now and after a boot, from two times yes or no."""
            answers = reply.out.split()
            require_ok(reply, len(answers) == 2)
            return {self.id: {"passes": answers[0] == "yes", "passes after a boot": answers[1] == "yes"}}

        return Probe(self._command(_PROBE_SCRIPT, "probe what firewalld forwards"), parse)

    def _command(self, script: str, description: str) -> Command:
        """Return the command that runs a script with network and bridge as variables."""
        variables = f"source={quote_sh(self.source_cidr)} bridge={quote_sh(self.bridge)}"
        return Command(
            f"{variables}\n{script}", timeout=90, description=description, concurrent=script is _PROBE_SCRIPT
        )

    def fix_one(self, diff: Diff["FirewalldForward"]) -> Command:
        """Return the command that lets the network's packets through firewalld."""
        return self._command(_ALLOW_SCRIPT, f"forward {self.source_cidr} through firewalld")
