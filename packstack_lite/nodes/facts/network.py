"""Facts of the network: interfaces, addresses, ports, SR-IOV, uplinks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Tuple

from packstack_lite.nodes.facts import resolvers as name_servers
from packstack_lite.nodes.facts.fields import (
    SAY_FUNCTION,
    Values,
    fact,
    first_ip_address,
    first_text,
    interface_addresses,
    is_present,
    parse_number,
    texts,
    unique_networks,
    unique_texts,
)
from packstack_lite.nodes.facts.uplinks import UplinkFacts, parse_files, parse_uplinks
from packstack_lite.remote.command import Command

_KIND = re.compile(r"\\\s+(bond|bridge|dummy|geneve|gre|ipvlan|macvlan|openvswitch|team|tun|veth|vlan|vxlan)\s")


@dataclass(frozen=True)
class Interface:
    """A network interface.

    ``addresses`` are ``a.b.c.d/len``; ``kind`` is the word of ``ip -d link``, "" for a plain NIC.
    """

    name: str
    is_up: bool
    mtu: int
    addresses: Tuple[str, ...]
    kind: str = ""


def parse_interfaces(values: Values) -> Tuple[Interface, ...]:
    """Parse lines of ``ip -o -d link`` and ``ip -o addr``.

    They begin with "link" and "addr".
    """
    addresses: Dict[str, List[str]] = {}
    for line in _lines_of("addr", values):
        _, name, family, address = line.split()[:4]
        if family in ("inet", "inet6"):
            addresses.setdefault(name, []).extend(interface_addresses([address]))
    return tuple(_parse_interface(line, addresses) for line in _lines_of("link", values) if line.strip())


def _parse_interface(line: str, addresses: Mapping[str, List[str]]) -> Interface:
    """Parse a line of ``ip -o -d link``; ``addresses`` are by interface."""
    words = line.split()
    name = words[1].rstrip(":").split("@")[0]
    kind = _KIND.search(line + " ")
    is_up = "UP" in words[2].strip("<>").split(",")
    mtu = int(words[words.index("mtu") + 1])
    return Interface(name, is_up, mtu, tuple(addresses.get(name, ())), kind.group(1) if kind else "")


def parse_dhcp_addresses(values: Values) -> Tuple[str, ...]:
    """Parse the IPv4 addresses that have a lease (``dynamic``) from the same lines."""
    lines = [line.split() for line in _lines_of("addr", values)]
    return tuple(words[3].split("/")[0] for words in lines if words[2] == "inet" and "dynamic" in words[4:])


def _lines_of(kind: str, values: Values) -> Iterable[str]:
    """Yield the values that begin with ``kind``, without that word."""
    return (line for first, _, line in (value.partition(" ") for value in values) if first == kind)


def _split_ports(values: Values) -> List[List[str]]:
    """Split each ``PORT<tab>PROCESS<tab>UNIT`` into its three parts.

    Raises ValueError for a line of another form.
    """
    rows = [value.split("\t") for value in values]
    if any(len(row) != 3 for row in rows):
        raise ValueError("a listening port without process and unit")
    return rows


def _process_names(values: Values) -> Mapping[int, str]:
    """Map ports to the names of the processes that listen on them."""
    return {int(port): process for port, process, _ in _split_ports(values)}


def _port_units(values: Values) -> Mapping[int, str]:
    """Map ports to the units whose processes listen on them, where known."""
    return {int(port): unit for port, _, unit in _split_ports(values) if unit}


def _ipv4_gateway(values: Values) -> str:
    """Return the gateway of the IPv4 default route; "" if it has an IPv6 address.

    ip(8) then prints "via inet6 fe80::1" (RFC 5549).
    """
    return "" if first_text(values) == "inet6" else first_ip_address(values)


def _vf_counts(values: Values) -> Mapping[str, int]:
    """Map interfaces to the number of their SR-IOV virtual functions."""
    return {interface: parse_number(count) for interface, count in map(str.split, values)}


@dataclass(frozen=True)
class NetworkFacts:
    """Interfaces, addresses and who listens.

    ``default_interface`` and ``default_gateway`` are those of the IPv4 default route, ``address`` is the IPv4 address
    that it uses. ``interfaces`` are all network interfaces. ``dhcp_addresses`` are IPv4 addresses with a lease.
    ``listening_ports`` maps TCP ports to process names, ``port_units`` to systemd units. ``sriov_vfs`` maps network
    cards with SR-IOV to the number of their virtual functions. ``uplinks`` are the interfaces that go into bridges,
    and these bridges; ``network_files`` are the texts that configure them, by path.
    ``nm_has_ovs_plugin``: NetworkManager's plug-in for Open vSwitch is installed. ``routes`` are the IPv4 networks and
    addresses that the node has a route to, without the default one. ``resolvers`` are the name servers of
    /etc/resolv.conf, ``upstream_resolvers`` those that a name server on the node forwards to.
    """

    default_interface: str = fact("default_interface", first_text)
    default_gateway: str = fact("default_gateway", _ipv4_gateway)
    address: str = fact("address", first_ip_address)
    interfaces: Tuple[Interface, ...] = fact("interface", parse_interfaces)
    dhcp_addresses: Tuple[str, ...] = fact("interface", parse_dhcp_addresses)
    listening_ports: Mapping[int, str] = fact("port", _process_names)
    port_units: Mapping[int, str] = fact("port", _port_units)
    sriov_vfs: Mapping[str, int] = fact("sriov_vfs", _vf_counts)
    uplinks: Mapping[str, UplinkFacts] = fact("uplink", parse_uplinks)
    network_files: Mapping[str, str] = fact("network_file", parse_files)
    nm_has_ovs_plugin: bool = fact("nm_ovs_plugin", is_present)
    routes: Tuple[str, ...] = fact("route", unique_networks)
    resolvers: Tuple[str, ...] = fact("resolver", texts)
    upstream_resolvers: Tuple[str, ...] = fact("upstream_resolver", unique_texts)


_SCRIPT = (
    SAY_FUNCTION
    + r"""
ip -o -d link show | sed 's/^/interface=link /'
ip -o addr show | sed 's/^/interface=addr /'
interface= address=
set -- $(ip -4 route show default 2>/dev/null | head -n 1)
while [ $# -gt 1 ]; do
    case $1 in dev) interface=$2 ;; via) say default_gateway "$2" ;; src) address=$2 ;; esac
    shift
done
say default_interface "$interface"
[ -n "$address" ] || [ -z "$interface" ] ||
    address=$(ip -o -4 addr show dev "$interface" 2>/dev/null | awk 'NR == 1 {sub("/.*", "", $4); print $4}')
say address "$address"
ip -4 route show 2>/dev/null | sed -n 's/^\([0-9][0-9./]*\) .*/route=\1/p'
for card in /sys/class/net/*/device/sriov_numvfs; do
    [ ! -r "$card" ] || say sriov_vfs "$(echo "$card" | cut -d/ -f5) $(cat "$card")"
done
exit 0
"""
)

# PORT INODE PID..., then what systemd and the kernel call the process.
_PORTS_SCRIPT = r"""
listening() {
    if command -v ss >/dev/null; then
        ss -ltnpe | awk '$1 == "LISTEN" {
            count = split($4, end, ":")
            line = end[count] " " (match($0, / ino:[0-9]+/) ? substr($0, RSTART + 5, RLENGTH - 5) : 0)
            while (match($0, /pid=[0-9]+/)) {
                line = line " " substr($0, RSTART + 4, RLENGTH - 4)
                $0 = substr($0, RSTART + RLENGTH)
            }
            print line }'
        return
    fi
    { ls -l /proc/[0-9]*/fd 2>/dev/null; cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; } | awk '
        /^\/proc\// {split($0, part, "/"); pid = part[3]}
        match($0, /socket:\[[0-9]+\]/) {
            inode = substr($0, RSTART + 8, RLENGTH - 9)
            owner[inode] = owner[inode] " " pid
        }
        $4 == "0A" {split($2, end, ":"); print "0x" end[2], $10 owner[$10]}'
}
# A child of systemd has all of its sockets until it becomes its program, and may have the program's name already when
# ss looked at it half way. It holds the socket only if it is a program and has the socket now.
holder() {
    inode=$1
    shift
    case " $* " in *' 1 '*) ;; *) echo "$1"; return ;; esac
    for pid; do
        [ "$pid" != 1 ] || continue
        case $(cat "/proc/$pid/comm" 2>/dev/null) in '' | '('*) continue ;; esac
        ! ls -l "/proc/$pid/fd" 2>/dev/null | grep -qF "socket:[$inode]" || { echo "$pid"; return; }
    done
    echo 1
}
listening | sort -u | while read -r port users; do
    name= unit= pid=$(holder $users)
    if [ -n "$pid" ]; then
        name=$(cat "/proc/$pid/comm" 2>/dev/null)
        unit=$(sed -nE 's#.*/([^/]*\.(service|socket|scope)).*#\1#p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)
    fi
    printf 'port=%d\t%s\t%s\n' "$((port))" "$name" "$unit"
done
exit 0
"""


def build_commands() -> List[Command]:
    """Return the commands that print interfaces, listening ports and name servers."""
    return [
        Command(_SCRIPT, description="gather interfaces"),
        Command(_PORTS_SCRIPT, description="gather listening ports"),
        name_servers.build_command(),
    ]
