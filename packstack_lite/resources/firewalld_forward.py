"""Traffic of a network behind the host let through firewalld, its addresses translated, now and after a boot.

firewalld rejects what it is not told of, and throws away the rules that others made whenever it starts or reloads (seen
with firewalld 1.3.3): what iptables has been told directly does not last beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.edit_sh import SCRATCH_DIR_SH
from packstack_lite.secret import quote_sh

POLICY_NAME = "packstack-lite"

# Policies came with firewalld 0.9 (EL 8); older ones, whose back end is iptables, heed direct rules before their own.
# The lines are what firewall-cmd lists, but for quotation marks.
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
    fi | tr -d "\"'" > "$work/there"
    rules | while IFS= read -r rule; do grep -qxF -e "$rule" "$work/there" || exit 1; done
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
said() { out=$(firewall-cmd "$@" 2>&1) || { echo "firewall-cmd $*: $out" >&2; exit 1; }; }
if [ -n "$policies" ]; then
    firewall-cmd --permanent --info-policy NAME >/dev/null 2>&1 || said --permanent --new-policy NAME
    said --permanent --policy NAME --set-priority -100
    for side in ingress egress; do
        firewall-cmd -q --permanent --policy NAME --query-$side-zone ANY ||
            said --permanent --policy NAME --add-$side-zone ANY
    done
    rich | while IFS= read -r rule; do said --permanent --policy NAME --add-rich-rule "$rule"; done || exit 1
    # A policy that is new comes into force by a reload only; connections stay.
    right '' || said --reload
else
    for when in '' --permanent; do
        direct | while IFS= read -r rule; do
            firewall-cmd $when --direct --query-rule $rule >/dev/null 2>&1 || said $when --direct --add-rule $rule
        done || exit 1
    done
fi
""".replace("NAME", POLICY_NAME)
)


@dataclass(frozen=True)
class FirewalldForward(Resource):
    """What comes from or goes to ``source``, a network on ``bridge``, passes firewalld; leaving, it bears the host's
    address."""

    kind: ClassVar[str] = "firewalld_forward"
    source_cidr: str
    bridge: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"firewalld_forward:{self.source_cidr}"

    def desired(self) -> Optional[State]:
        return {"passes": True, "passes after a boot": True}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(FirewalldForward, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            states = reply.out.split()
            if not reply.ok or len(states) != 2:
                raise ValueError(f"exit {reply.code}: {reply.err.strip() or reply.out!r}")
            return {self.id: {"passes": states[0] == "yes", "passes after a boot": states[1] == "yes"}}

        return Probe(self._command(_PROBE_SCRIPT, "look at what firewalld forwards"), parse)

    def _command(self, script: str, description: str) -> Command:
        variables = f"source={quote_sh(self.source_cidr)} bridge={quote_sh(self.bridge)}"
        return Command(
            f"{variables}\n{script}", timeout=90, description=description, concurrent=script is _PROBE_SCRIPT
        )

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        resources = [cast(FirewalldForward, diff.resource) for diff in diffs]
        return [
            resource._command(_ALLOW_SCRIPT, f"let {resource.source_cidr} through firewalld") for resource in resources
        ]
