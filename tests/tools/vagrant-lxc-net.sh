#!/bin/sh
# The network of Vagrant's lxc machines, which lxc does not bring along: vagrant-lxc-net.sh up|down (root).
# A bridge with DHCP and DNS by a dnsmasq of its own, and a way out by NAT; "down" takes back what "up" did.
# The Vagrantfile knows the bridge by its name and gives its machines the MAC addresses below.
set -eu

bridge=plvagrant
gateway=198.18.252.1
# Where the cloud's floating addresses are; they are reached through the machine that has the first address.
external=198.18.253.0/24
hosts='52:54:00:12:fc:0a,198.18.252.10 52:54:00:12:fc:0b,198.18.252.11 52:54:00:12:fc:0c,198.18.252.12'
kept=/run/packstack-lite-vagrant

rule() { # rule -I|-D TABLE CHAIN SPECIFICATION...
    how=$1 table=$2 chain=$3
    shift 3
    iptables -w -t "$table" "$how" "$chain" "$@" -m comment --comment "packstack-lite vagrant"
}
rules() {
    for network in 198.18.252.0/24 "$external"; do
        rule "$1" nat POSTROUTING -s "$network" ! -d 198.18.0.0/15 -j MASQUERADE
    done
    # Where a firewall refuses the unknown: DHCP, DNS, and passage.
    rule "$1" filter INPUT -i "$bridge" -p udp -m multiport --dports 53,67 -j ACCEPT
    rule "$1" filter FORWARD -i "$bridge" -j ACCEPT
    rule "$1" filter FORWARD -o "$bridge" -j ACCEPT
}

# The server whose id was kept, unless the id has become another process's.
server() {
    pid=$(cat "$kept/dnsmasq.pid" 2>/dev/null) && grep -qs "$kept" "/proc/$pid/cmdline" && echo "$pid"
}

down() {
    if pid=$(server); then kill "$pid"; fi
    rules -D 2>/dev/null || :
    ip link delete "$bridge" 2>/dev/null || :
    # Forwarding was off before; others that forward by now need it on.
    if [ "$(cat "$kept/ip_forward" 2>/dev/null)" = 0 ] && ! ls /sys/class/net | grep -q '^plsandbox'; then
        echo 0 >/proc/sys/net/ipv4/ip_forward
    fi
    rm -rf "$kept"
}

up() {
    if ip link show "$bridge" >/dev/null 2>&1 && server >/dev/null; then return; fi
    down
    mkdir -p "$kept"
    cat /proc/sys/net/ipv4/ip_forward >"$kept/ip_forward"
    trap down EXIT
    ip link add "$bridge" type bridge
    ip addr add "$gateway/24" dev "$bridge"
    ip link set "$bridge" up
    ip route replace "$external" via 198.18.252.10 dev "$bridge"
    echo 1 >/proc/sys/net/ipv4/ip_forward
    rules -I
    set --
    for host in $hosts; do set -- "$@" "--dhcp-host=$host"; done
    dnsmasq --conf-file=/dev/null --pid-file="$kept/dnsmasq.pid" --dhcp-leasefile="$kept/leases" \
        --interface="$bridge" --except-interface=lo --bind-interfaces --no-hosts --dhcp-authoritative \
        --dhcp-range=198.18.252.100,198.18.252.199 "$@"
    trap - EXIT
}

case "${1:-}" in
    up | down) "$1" ;;
    *)
        echo "usage: vagrant-lxc-net.sh up|down" >&2
        exit 2
        ;;
esac
