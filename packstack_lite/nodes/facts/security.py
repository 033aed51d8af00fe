"""Facts of SELinux, firewalls, systemd units and NetworkManager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Tuple

from packstack_lite.nodes.facts.fields import SAY_FUNCTION, Values, fact, first_text, named_texts, texts, unique_texts
from packstack_lite.remote.command import Command

# Units whose states are read.
REPORTED_UNITS = (
    *("firewalld", "iptables", "ip6tables", "nftables", "ufw"),
    *("NetworkManager", "network", "systemd-networkd", "httpd", "apache2"),
)
# In this order: where several are active, firewalld rules. Its reload would drop what the others have loaded.
FIREWALLS = ("firewalld", "iptables", "nftables", "ufw")


def _active_firewall(values: Values) -> str:
    """Return the first firewall of FIREWALLS that is active; "" if none is."""
    states = named_texts(values)
    return next((name for name in FIREWALLS if states.get(f"{name}.service", "").startswith("active")), "")


@dataclass(frozen=True)
class SecurityFacts:
    """SELinux, firewalls and units.

    ``selinux`` is the mode of now, ``selinux_boot`` the one of the next boot. ``selinux_type`` is the policy that
    /etc/selinux/config names, ``selinux_policies`` are the installed ones. ``firewall`` is the firewall in force (one
    of ``FIREWALLS``). ``nft_support`` is "no" where the kernel takes no rules of nftables, ``nat_support`` where
    iptables cannot translate addresses. ``masked_units`` are units that nothing can start. ``unit_states`` maps units
    of ``REPORTED_UNITS`` to "ACTIVE ENABLED", in systemd's words. ``nm_interfaces`` are the interfaces that
    NetworkManager configures.
    """

    selinux: str = fact("selinux", first_text)
    selinux_boot: str = fact("selinux_boot", first_text)
    selinux_type: str = fact("selinux_type", first_text)
    selinux_policies: Tuple[str, ...] = fact("selinux_policy", unique_texts)
    firewall: str = fact("unit_state", _active_firewall)
    nft_support: str = fact("nft_support", first_text)
    nat_support: str = fact("nat_support", first_text)
    masked_units: Tuple[str, ...] = fact("masked_unit", unique_texts)
    unit_states: Mapping[str, str] = fact("unit_state", named_texts)
    nm_interfaces: Tuple[str, ...] = fact("nm_interface", texts)


_SCRIPT = (
    SAY_FUNCTION
    + r"""
say selinux "$(getenforce 2>/dev/null | tr 'A-Z' 'a-z')"
config=/etc/selinux/config
say selinux_boot "$(sed -n 's/^SELINUX= *\([a-z]*\).*/\1/p' "$config" 2>/dev/null | tail -n 1)"
say selinux_type "$(sed -n 's/^SELINUXTYPE= *\([a-z]*\).*/\1/p' "$config" 2>/dev/null | tail -n 1)"
for policy in /etc/selinux/*/policy/policy.*; do
    [ ! -e "$policy" ] || { policy=${policy%/policy/*}; say selinux_policy "${policy##*/}"; }
done
find /etc/systemd/system /run/systemd/system -maxdepth 1 -type l -lname /dev/null -printf 'masked_unit=%f\n' 2>/dev/null
[ ! -d /run/systemd/system ] ||
    timeout 5 systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState @units@ 2>/dev/null | awk -F= '
        function print_unit() { if (loaded == "loaded") printf "unit_state=%s %s %s\n", id, active, enabled }
        $1 == "Id" {id = $2}
        $1 == "LoadState" {loaded = $2}
        $1 == "ActiveState" {active = $2}
        $1 == "UnitFileState" {enabled = $2}
        $0 == "" {print_unit(); loaded = ""}
        END {print_unit()}'
rules='add table inet x; add chain inet x i { type filter hook input priority -5; }'
rules="$rules; add rule inet x i tcp dport { 1, 2-3 } reject with tcp reset"
! command -v nft >/dev/null || timeout 5 nft -c "$rules" >/dev/null 2>&1 || say nft_support no
! command -v iptables >/dev/null || timeout 5 iptables -w 4 -t nat -S >/dev/null 2>&1 || say nat_support no
# "connected (externally)" is what others made and NetworkManager only watches. Types ovs-... were given to it on
# purpose, with its plug-in for Open vSwitch.
if command -v nmcli >/dev/null && systemctl is-active --quiet NetworkManager 2>/dev/null; then
    timeout 5 nmcli -t -f DEVICE,STATE,TYPE device 2>/dev/null |
        sed -n '/:\(unmanaged\|unavailable\|connected (externally)\):[^:]*$/d; /:ovs-[^:]*$/d
            s/^\(.*\):[^:]*:[^:]*$/nm_interface=\1/p'
fi
exit 0
""".replace("@units@", " ".join(f"{name}.service" for name in REPORTED_UNITS))
)


def build_command() -> Command:
    """Return the command that prints the facts of security. It starts nothing."""
    return Command(_SCRIPT, description="gather facts of SELinux, firewalls and units")
