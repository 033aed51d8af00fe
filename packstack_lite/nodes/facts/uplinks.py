"""Facts of uplinks: interfaces that go into bridges, and what configures them.

``network.NetworkFacts`` holds the result in ``uplinks``, ``network_files`` and ``nm_has_ovs_plugin``.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from packstack_lite.nodes.facts.fields import (
    Values,
    fact,
    first_text,
    interface_addresses,
    is_present,
    parse_fields,
    texts,
)
from packstack_lite.remote.command import Command


def _has_carrier(values: Values) -> bool:
    """Return whether the kernel says 1 for the interface's carrier."""
    return first_text(values) == "1"


@dataclass(frozen=True)
class UplinkFacts:
    """An uplink or its bridge: how it is connected, and what configures it.

    ``managed_by`` is ``networkd``, ``ifupdown``, ``NetworkManager``, ``network-scripts`` or "" for none of them;
    ``config_path`` is the file that it reads for this interface, if there is one file. ``bridge`` is the Open vSwitch
    bridge that the interface is a port of, ``master`` what else it is a part of, ``upper_interfaces`` are made on top
    of it, and ``bridge_ports`` are a bridge's ports that are interfaces of the node. ``addresses`` are static, as
    ``a.b.c.d/len``; ``has_dhcp``: DHCP gave it an IPv4 address. ``iaid`` identifies it to a DHCP server (eight
    hexadecimal digits). ``is_move_pending``: a move into a bridge was begun and neither confirmed nor taken back.
    """

    mac: str = fact("mac", first_text)
    has_carrier: bool = fact("carrier", _has_carrier, default=True)
    master: str = fact("master", first_text)
    bridge: str = fact("bridge", first_text)
    upper_interfaces: Tuple[str, ...] = fact("upper", texts)
    bridge_ports: Tuple[str, ...] = fact("port", texts)
    is_wireless: bool = fact("wireless", is_present)
    addresses: Tuple[str, ...] = fact("address", interface_addresses)
    has_dhcp: bool = fact("dynamic", is_present)
    iaid: str = fact("iaid", first_text)
    managed_by: str = fact("manager", first_text)
    config_path: str = fact("path", first_text)
    is_move_pending: bool = fact("armed", is_present)


# Standard input: BRIDGE:INTERFACE, one a line. Output: "uplink=NAME KEY VALUE" and "network_file=BASE64 PATH".
# Of a NetworkManager profile only the sections that are carried over are printed: others hold passwords.
_SCRIPT = r"""
say() { [ -z "$3" ] || printf 'uplink=%s %s %s\n' "$1" "$2" "$3"; }
file() { printf 'network_file=%s %s\n' "$(base64 | tr -d '\n')" "$1"; }
vsctl() { command -v ovs-vsctl >/dev/null && ovs-vsctl --timeout=5 --no-wait "$@" 2>/dev/null; }
interfaces='/etc/network/interfaces /etc/network/interfaces.d/*'
scripts=/etc/sysconfig/network-scripts
profile() {
    nmcli -t -f DEVICE,FILENAME connection show --active 2>/dev/null | sed -n "s/^$1://p" | sed 's/\\:/:/g' | head -n 1
}
sections() { awk '/^\[/ {keep = $0 ~ /^\[(connection|ethernet|ipv4|ipv6)\]/} keep' "$1"; }
by_networkd() {
    [ -f "$2" ] && ! grep -q '^ADMIN_STATE=unmanaged' "$2" && grep -q '^NETWORK_FILE=.' "$2" || return
    say "$1" manager networkd
    origin=$(sed -n 's/^NETWORK_FILE=//p' "$2")
    say "$1" path "$origin"
    {
        cat "$origin"
        for dir in /usr/lib /lib /run /etc; do
            [ ! -L "$dir" ] || continue
            cat "$dir/systemd/network/${origin##*/}.d"/*.conf 2>/dev/null
        done
    } | file "$origin"
}
manager() {
    if [ -f "$scripts/ifcfg-$1" ] && [ -x "$scripts/ifup" ]; then
        say "$1" manager network-scripts
        for kind in ifcfg route route6 rule rule6; do
            path=$scripts/$kind-$1
            [ ! -f "$path" ] || file "$path" < "$path"
        done
    elif nmcli -t -f DEVICE,STATE device 2>/dev/null | grep "^$1:" | grep -qv ':unmanaged'; then
        say "$1" manager NetworkManager
        path=$(profile "$1")
        say "$1" path "$path"
        [ ! -f "$path" ] || sections "$path" | file "$path"
    elif by_networkd "$1" "/run/systemd/netif/links/$2"; then :
    elif grep -Eqs "^[[:space:]]*iface[[:space:]]+$1([[:space:]]|$)" $interfaces; then
        say "$1" manager ifupdown
    fi
}
uplink() {
    path=/sys/class/net/$1
    [ ! -e "/var/lib/packstack-lite/uplink/$1/armed" ] || say "$1" armed yes
    [ -e "$path" ] || return
    index=$(cat "$path/ifindex")
    say "$1" mac "$(cat "$path/address" 2>/dev/null)"
    say "$1" carrier "$(cat "$path/carrier" 2>/dev/null || echo unknown)"
    [ ! -e "$path/master" ] || say "$1" master "$(basename "$(readlink "$path/master")")"
    say "$1" bridge "$(vsctl port-to-br "$1")"
    for upper in "$path"/upper_*; do
        [ ! -e "$upper" ] || [ -e "$path/master" ] || say "$1" upper "${upper##*/upper_}"
    done
    [ ! -e "$path/wireless" ] || say "$1" wireless yes
    for address in $(ip -o addr show dev "$1" scope global | grep -v ' dynamic ' | awk '{print $4}'); do
        say "$1" address "$address"
    done
    ! ip -o -4 addr show dev "$1" | grep -q ' dynamic ' || say "$1" dynamic yes
    say "$1" iaid "$(sed -n 's/^CLIENTID=ff\([0-9a-f]\{8\}\).*/\1/p' "/run/systemd/netif/leases/$index" 2>/dev/null)"
    manager "$1" "$index"
}
# Our own files are printed even if nothing reads them at the moment.
our_files() {
    for path in "/etc/systemd/network/0-packstack-lite-$1.network" \
        "/etc/NetworkManager/system-connections/packstack-lite-$1.nmconnection"
    do
        [ ! -f "$path" ] || file "$path" < "$path"
    done
}
for path in $interfaces; do
    case $path in *.packstack-lite.*) continue ;; esac
    [ ! -f "$path" ] || file "$path" < "$path"
done
for path in /usr/lib*/NetworkManager/*/*-plugin-ovs.so /usr/lib/*/NetworkManager/*/*-plugin-ovs.so; do
    [ ! -e "$path" ] || echo nm_ovs_plugin=yes
done
while IFS=: read -r bridge interface; do
    uplink "$interface"
    uplink "$bridge"
    our_files "$interface"
    our_files "$bridge"
    for port in $(vsctl list-ports "$bridge"); do
        kind=$(vsctl get interface "$port" type | tr -d '"')
        [ -n "$kind" ] && [ "$kind" != system ] || say "$bridge" port "$port"
    done
done
exit 0
"""


def build_commands(bridge_interfaces: Sequence[str]) -> List[Command]:
    """Return the command that prints these ``BRIDGE:INTERFACE`` pairs, if any."""
    stdin = "".join(f"{pair}\n" for pair in bridge_interfaces)
    return [Command(_SCRIPT, stdin=stdin.encode(), description="gather facts of uplinks")] if bridge_interfaces else []


def parse_uplinks(values: Values) -> Mapping[str, UplinkFacts]:
    """Parse "NAME KEY VALUE" by name. Raises ValueError for another form."""
    fields_by_interface: Dict[str, Dict[str, List[str]]] = {}
    for name, key, value in (value.split(" ", 2) for value in values):
        fields_by_interface.setdefault(name, {}).setdefault(key, []).append(value)
    return {name: parse_fields(UplinkFacts, fields) for name, fields in fields_by_interface.items()}


def parse_files(values: Values) -> Mapping[str, str]:
    """Parse "BASE64 PATH" to texts by path."""
    rows = (value.partition(" ") for value in values)
    return {path: base64.b64decode(encoded).decode(errors="surrogateescape") for encoded, _, path in rows}
