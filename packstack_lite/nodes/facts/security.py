"""The part of a host's facts that is about what guards it and its network: SELinux, firewalls, units."""

from __future__ import annotations

from typing import Any, Dict, Sequence

from packstack_lite.nodes.facts.key_value import SAY_FUNCTION, parse_key_values, split_named_values
from packstack_lite.remote.command import Command, Reply

# Whose states are told.
REPORTED_UNITS = (
    *("firewalld", "iptables", "ip6tables", "nftables", "ufw"),
    *("NetworkManager", "network", "systemd-networkd", "httpd", "apache2"),
)
# In this order: where several are active, firewalld rules. Its reload would drop what the others have loaded.
FIREWALLS = ("firewalld", "iptables", "nftables", "ufw")

_ASK = (
    SAY_FUNCTION
    + r"""
config=/etc/selinux/config
say selinux_boot "$(sed -n 's/^SELINUX= *\([a-z]*\).*/\1/p' "$config" 2>/dev/null | tail -n 1)"
say selinux_type "$(sed -n 's/^SELINUXTYPE= *\([a-z]*\).*/\1/p' "$config" 2>/dev/null | tail -n 1)"
for policy in /etc/selinux/*/policy/policy.*; do
    [ ! -e "$policy" ] || { policy=${policy%/policy/*}; say selinux_policy "${policy##*/}"; }
done
find /etc/systemd/system /run/systemd/system -maxdepth 1 -type l -lname /dev/null -printf 'masked=%f\n' 2>/dev/null
[ ! -d /run/systemd/system ] ||
    timeout 5 systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState @units@ 2>/dev/null | awk -F= '
        function tell() { if (loaded == "loaded") printf "state=%s %s %s\n", id, active, enabled }
        $1 == "Id" {id = $2}
        $1 == "LoadState" {loaded = $2}
        $1 == "ActiveState" {active = $2}
        $1 == "UnitFileState" {enabled = $2}
        $0 == "" {tell(); loaded = ""}
        END {tell()}'
rules='add table inet x; add chain inet x i { type filter hook input priority -5; }'
rules="$rules; add rule inet x i tcp dport { 1, 2-3 } reject with tcp reset"
! command -v nft >/dev/null || timeout 5 nft -c "$rules" >/dev/null 2>&1 || say nft no
! command -v iptables >/dev/null || timeout 5 iptables -w 4 -t nat -S >/dev/null 2>&1 || say nat no
# What others made and NetworkManager only looks at is "connected (externally)"; what is of type ovs-... it was given on
# purpose, with its plug-in for Open vSwitch.
if command -v nmcli >/dev/null && systemctl is-active --quiet NetworkManager 2>/dev/null; then
    timeout 5 nmcli -t -f DEVICE,STATE,TYPE device 2>/dev/null |
        sed -n '/:\(unmanaged\|unavailable\|connected (externally)\):[^:]*$/d; /:ovs-[^:]*$/d
            s/^\(.*\):[^:]*:[^:]*$/managed=\1/p'
fi
exit 0
""".replace("@units@", " ".join(f"{name}.service" for name in REPORTED_UNITS))
)


def build_command() -> Command:
    """What to ask. Nothing is started by asking."""
    return Command(_ASK, description="gather facts of SELinux, firewalls and units")


def parse_facts(replies: Sequence[Reply]) -> Dict[str, Any]:
    """The fields of Facts that the reply fills."""
    values_by_key = parse_key_values(replies)
    states = split_named_values(values_by_key.get("state", []))
    active = [name for name in FIREWALLS if states.get(f"{name}.service", "").startswith("active")]
    return {
        "selinux_boot": "".join(values_by_key.get("selinux_boot", [])[:1]),
        "selinux_type": "".join(values_by_key.get("selinux_type", [])[:1]),
        "selinux_policies": tuple(dict.fromkeys(values_by_key.get("selinux_policy", ()))),
        "masked_units": tuple(dict.fromkeys(values_by_key.get("masked", ()))),
        "unit_states": states,
        "firewall": "".join(active[:1]),
        "nft_support": "".join(values_by_key.get("nft", [])[:1]),
        "nat_support": "".join(values_by_key.get("nat", [])[:1]),
        "nm_interfaces": tuple(values_by_key.get("managed", ())),
    }
