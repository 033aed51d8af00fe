"""Facts of the interfaces that are to go into bridges: who configures them, with which files."""

from __future__ import annotations

import base64
from typing import Any, Dict, List, Mapping, Sequence

from packstack_lite.nodes.facts import UplinkFacts
from packstack_lite.remote.command import Command, Reply

# One BRIDGE:INTERFACE a line. Answers with "wire=NAME KEY VALUE" and "network_file=BASE64 PATH".
# Of a NetworkManager profile only the parts that are carried over: others hold passwords.
_ASK = r"""
wire() { [ -z "$3" ] || printf 'wire=%s %s %s\n' "$1" "$2" "$3"; }
file() { printf 'network_file=%s %s\n' "$(base64 | tr -d '\n')" "$1"; }
switch() { command -v ovs-vsctl >/dev/null && ovs-vsctl --timeout=5 --no-wait "$@" 2>/dev/null; }
interfaces='/etc/network/interfaces /etc/network/interfaces.d/*'
scripts=/etc/sysconfig/network-scripts
profile() {
    nmcli -t -f DEVICE,FILENAME connection show --active 2>/dev/null | sed -n "s/^$1://p" | sed 's/\\:/:/g' | head -n 1
}
carried() { awk '/^\[/ {keep = $0 ~ /^\[(connection|ethernet|ipv4|ipv6)\]/} keep' "$1"; }
by_networkd() {
    [ -f "$2" ] && ! grep -q '^ADMIN_STATE=unmanaged' "$2" && grep -q '^NETWORK_FILE=.' "$2" || return
    wire "$1" system networkd
    origin=$(sed -n 's/^NETWORK_FILE=//p' "$2")
    wire "$1" path "$origin"
    {
        cat "$origin"
        for dir in /usr/lib /lib /run /etc; do
            [ ! -L "$dir" ] || continue
            cat "$dir/systemd/network/${origin##*/}.d"/*.conf 2>/dev/null
        done
    } | file "$origin"
}
system() {
    if [ -f "$scripts/ifcfg-$1" ] && [ -x "$scripts/ifup" ]; then
        wire "$1" system network-scripts
        for kind in ifcfg route route6 rule rule6; do
            path=$scripts/$kind-$1
            [ ! -f "$path" ] || file "$path" < "$path"
        done
    elif nmcli -t -f DEVICE,STATE device 2>/dev/null | grep "^$1:" | grep -qv ':unmanaged'; then
        wire "$1" system NetworkManager
        path=$(profile "$1")
        wire "$1" path "$path"
        [ ! -f "$path" ] || carried "$path" | file "$path"
    elif by_networkd "$1" "/run/systemd/netif/links/$2"; then :
    elif grep -Eqs "^[[:space:]]*iface[[:space:]]+$1([[:space:]]|$)" $interfaces; then
        wire "$1" system ifupdown
    fi
}
look() {
    path=/sys/class/net/$1
    [ ! -e "/var/lib/packstack-lite/uplink/$1/armed" ] || wire "$1" armed yes
    [ -e "$path" ] || return
    index=$(cat "$path/ifindex")
    wire "$1" mac "$(cat "$path/address" 2>/dev/null)"
    wire "$1" carrier "$(cat "$path/carrier" 2>/dev/null || echo unknown)"
    [ ! -e "$path/master" ] || wire "$1" master "$(basename "$(readlink "$path/master")")"
    wire "$1" bridge "$(switch port-to-br "$1")"
    for upper in "$path"/upper_*; do
        [ ! -e "$upper" ] || [ -e "$path/master" ] || wire "$1" upper "${upper##*/upper_}"
    done
    [ ! -e "$path/wireless" ] || wire "$1" wireless yes
    for address in $(ip -o addr show dev "$1" scope global | grep -v ' dynamic ' | awk '{print $4}'); do
        wire "$1" address "$address"
    done
    ! ip -o -4 addr show dev "$1" | grep -q ' dynamic ' || wire "$1" dynamic yes
    wire "$1" iaid "$(sed -n 's/^CLIENTID=ff\([0-9a-f]\{8\}\).*/\1/p' "/run/systemd/netif/leases/$index" 2>/dev/null)"
    system "$1" "$index"
}
# Ours stay what they are, whether or not they are read at the moment.
ours() {
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
    [ ! -e "$path" ] || wire : nm-ovs yes
done
while IFS=: read -r bridge interface; do
    look "$interface"
    look "$bridge"
    ours "$interface"
    ours "$bridge"
    for port in $(switch list-ports "$bridge"); do
        kind=$(switch get interface "$port" type | tr -d '"')
        [ -n "$kind" ] && [ "$kind" != system ] || wire "$bridge" port "$port"
    done
done
exit 0
"""


def build_commands(bridge_interfaces: Sequence[str]) -> List[Command]:
    """What to ask of these ``BRIDGE:INTERFACE`` pairs; nothing without any."""
    stdin = "".join(f"{pair}\n" for pair in bridge_interfaces)
    return [Command(_ASK, stdin=stdin.encode(), description="gather facts of uplinks")] if bridge_interfaces else []


def parse_facts(replies: Sequence[Reply]) -> Dict[str, Any]:
    """The fields of Facts that the reply to ``commands`` fills; lines of other commands are passed over."""
    fields_by_interface: Dict[str, Dict[str, List[str]]] = {}
    files: Dict[str, str] = {}
    for line in "".join(reply.out for reply in replies).splitlines():
        key, _, value = line.partition("=")
        if key == "wire":
            name, field_name, field_value = value.split(" ", 2)
            fields_by_interface.setdefault(name, {}).setdefault(field_name, []).append(field_value)
        elif key == "network_file":
            encoded, _, path = value.partition(" ")
            files[path] = base64.b64decode(encoded).decode(errors="surrogateescape")
    nm_ovs = bool(fields_by_interface.pop(":", {}))
    return {
        "uplinks": {name: _uplink_facts(field_value) for name, field_value in fields_by_interface.items()},
        "network_files": files,
        "nm_has_ovs_plugin": nm_ovs,
    }


def _uplink_facts(fields: Mapping[str, List[str]]) -> UplinkFacts:
    first_values = {field_name: field_values[0] for field_name, field_values in fields.items()}
    return UplinkFacts(
        mac=first_values.get("mac", ""),
        has_carrier=first_values.get("carrier", "") == "1",
        master=first_values.get("master", ""),
        bridge=first_values.get("bridge", ""),
        upper_interfaces=tuple(fields.get("upper", ())),
        bridge_ports=tuple(fields.get("port", ())),
        is_wireless="wireless" in first_values,
        addresses=tuple(fields.get("address", ())),
        has_dhcp="dynamic" in first_values,
        iaid=first_values.get("iaid", ""),
        managed_by=first_values.get("system", ""),
        config_path=first_values.get("path", ""),
        is_move_pending="armed" in first_values,
    )
