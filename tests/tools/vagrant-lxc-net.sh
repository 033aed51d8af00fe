#!/bin/sh
# Make or remove the network of Vagrant's lxc machines, which lxc does not make: vagrant-lxc-net.sh up|down (root).
# A bridge with DHCP and DNS (dnsmasq) and NAT to other networks; "down" undoes "up".
# The Vagrantfile uses the bridge's name and the MAC addresses below.
set -eu

bridge=plvagrant
gateway=198.18.252.1
# The network of the cloud's floating addresses, routed to the machine with the first address.
external=198.18.253.0/24
hosts='52:54:00:12:fc:0a,198.18.252.10 52:54:00:12:fc:0b,198.18.252.11 52:54:00:12:fc:0c,198.18.252.12'
state=/run/packstack-lite-vagrant

rule() { # rule -I|-D TABLE CHAIN SPECIFICATION...
    how=$1 table=$2 chain=$3
    shift 3
    iptables -w -t "$table" "$how" "$chain" "$@" -m comment --comment "packstack-lite vagrant"
}
rules() {
    for network in 198.18.252.0/24 "$external"; do
        rule "$1" nat POSTROUTING -s "$network" ! -d 198.18.0.0/15 -j MASQUERADE
    done
    # Accept DHCP, DNS and forwarded packets where a firewall drops them.
    rule "$1" filter INPUT -i "$bridge" -p udp -m multiport --dports 53,67 -j ACCEPT
    rule "$1" filter FORWARD -i "$bridge" -j ACCEPT
    rule "$1" filter FORWARD -o "$bridge" -j ACCEPT
}

# Print the id of our dnsmasq; fail where the id is now another process's.
server() {
    pid=$(cat "$state/dnsmasq.pid" 2>/dev/null) && grep -qs "$state" "/proc/$pid/cmdline" && echo "$pid"
}

down() {
    if pid=$(server); then kill "$pid"; fi
    rules -D 2>/dev/null || :
    ip link delete "$bridge" 2>/dev/null || :
    # Switch forwarding off where it was off before, unless sandboxes need it now.
    if [ "$(cat "$state/ip_forward" 2>/dev/null)" = 0 ] && ! ls /sys/class/net | grep -q '^plsandbox'; then
        echo 0 >/proc/sys/net/ipv4/ip_forward
    fi
    rm -rf "$state"
}

up() {
    if ip link show "$bridge" >/dev/null 2>&1 && server >/dev/null; then return; fi
    down
    mkdir -p "$state"
    cat /proc/sys/net/ipv4/ip_forward >"$state/ip_forward"
    trap down EXIT
    ip link add "$bridge" type bridge
    ip addr add "$gateway/24" dev "$bridge"
    ip link set "$bridge" up
    ip route replace "$external" via 198.18.252.10 dev "$bridge"
    echo 1 >/proc/sys/net/ipv4/ip_forward
    rules -I
    set --
    for host in $hosts; do set -- "$@" "--dhcp-host=$host"; done
    dnsmasq --conf-file=/dev/null --pid-file="$state/dnsmasq.pid" --dhcp-leasefile="$state/leases" \
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
