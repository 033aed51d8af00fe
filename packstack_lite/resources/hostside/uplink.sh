# Puts an interface into a bridge and its addresses onto the bridge, and takes that back when nobody comes that way
# afterwards. What it works on is set in front of it: bridge, card, system, datapath, seconds, addresses, dynamic.
#   (no word)  the move itself; the files to be written come on standard input: MODE BASE64 PATH, "-" for "remove"
#   undo       take back a move that was begun and not confirmed; nothing when there is none
#   back       take back a confirmed one: for people, and for destroy
#   guard PID STARTED   wait for the end of the move; take it back when that process ends without having confirmed it
set -u
umask 077
base=/var/lib/packstack-lite
home=$base/uplink/$card
boot=/etc/systemd/system/packstack-lite-uplink-$card.service
want=/etc/systemd/system/multi-user.target.wants/packstack-lite-uplink-$card.service

switch() { ovs-vsctl --timeout=20 "$@"; }
# In a scope of its own: what ifup leaves running (dhclient) must not end together with this script.
apart() { timeout 90 systemd-run --quiet --scope -- "$@"; }
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
durable() { dd if=/dev/null of="$1" conv=notrunc,fsync 2>/dev/null; }
plugged() { [ "$(switch port-to-br "$card" 2>/dev/null)" = "$bridge" ]; }
owned() { ip -o addr show dev "$1" scope global 2>/dev/null | awk '{print $4}'; }
addressed() {
    for address in $addresses; do
        owned "$bridge" | grep -qxF "$address" || return 1
    done
    [ -z "$dynamic" ] || ip -o -4 addr show dev "$bridge" scope global 2>/dev/null | grep -q inet
}
# The router's own word that the way is open: the kernel asks it again (by ARP), if it was known before.
router_answers() {
    [ -s "$home/saved/router" ] || return 0
    read -r router mac < "$home/saved/router"
    ip neigh replace "$router" lladdr "$mac" dev "$bridge" nud probe 2>/dev/null || return 0
    for _ in 1 2 3 4 5 6 7 8; do
        sleep 0.5
        case $(ip neigh show "$router" dev "$bridge") in
            *REACHABLE*) return 0 ;;
            *FAILED*) return 1 ;;
        esac
    done
    return 1
}

write() {
    while read -r mode text path; do
        if [ "$text" = - ]; then rm -f "$path"; continue; fi
        new=${path%/*}/.packstack-lite.new
        printf '%s' "$text" | tr -d . | base64 -d > "$new" || return 1
        if [ "$mode" != 0 ]; then chmod "$mode" "$new"
        elif [ -e "$path" ]; then chmod --reference="$path" "$new" && chown --reference="$path" "$new"
        else chmod 0644 "$new"
        fi
        durable "$new"
        mv -f "$new" "$path" || return 1
        ! command -v restorecon >/dev/null || restorecon "$path" || return 1
    done < "$home/files"
}

# Everything that can change, as it is before the move.
save() {
    rm -rf "$home/saved"
    mkdir -p "$home/saved" || return 1
    number=0
    while read -r mode text path; do
        number=$((number + 1))
        if [ -e "$path" ]; then cp -p "$path" "$home/saved/$number" && durable "$home/saved/$number" || return 1; fi
        printf '%s %s\n' "$number" "$path"
    done < "$home/files" > "$home/saved/list"
    ! plugged || : > "$home/saved/plugged"
    holder=$card
    ! plugged || holder=$bridge
    owned "$holder" > "$home/saved/addresses"
    for family in -4 -6; do
        ip $family route show dev "$holder" | grep -v 'proto \(kernel\|ra\)' | sed 's/ linkdown//; s/ dead//' > "$home/saved/routes$family"
    done
    router=$(sed -n 's/^default via \([^ ]*\).*/\1/p' "$home/saved/routes-4" | head -n 1)
    [ -z "$router" ] || ip neigh show "$router" dev "$holder" | sed -n "s/.*lladdr \([^ ]*\).*/$router \1/p" > "$home/saved/router"
    nmcli -g GENERAL.CON-UUID device show "$card" > "$home/saved/profile" 2>/dev/null
    switch --if-exists get bridge "$bridge" other-config:hwaddr 2>/dev/null | grep . > "$home/saved/hwaddr"
    return 0
}

# A move that is cut off by a power failure is taken back at the next boot.
arm() {
    save || return 1
    cp "$0" "$home/run"
    cat > "$boot" <<END
[Unit]
Description=Take back a move of $card into $bridge that was cut off
After=network.target openvswitch-switch.service openvswitch.service
ConditionPathExists=$home/armed

[Service]
Type=oneshot
ExecStart=/bin/sh $home/run undo
END
    ln -sf "$boot" "$want"
    : > "$home/armed"
    durable "$home/armed"
    systemd-run --quiet --unit="packstack-lite-uplink-guard-$card-$$" \
        --setenv=PATH="$PATH" sh "$home/run" guard $$ "$(started $$)"
}
disarm() { rm -f "$home/armed" "$boot" "$want"; }

make_port() {
    switch --may-exist add-br "$bridge" -- set bridge "$bridge" "datapath_type=$datapath" \
        "other-config:hwaddr=\"$(cat "/sys/class/net/$card/address")\"" -- --may-exist add-port "$bridge" "$card" &&
        ip link set "$card" up && ip link set "$bridge" up
}
# The bridge as it was before the move, when it has been somebody else's meanwhile.
make_empty() {
    switch --if-exists del-br "$bridge" -- add-br "$bridge" -- set bridge "$bridge" "datapath_type=$datapath"
    ip link set "$bridge" up
    without_offload
}
# As resources.bridge wants it: bulk traffic into a guest stalls otherwise.
without_offload() { [ "$datapath" != netdev ] || ethtool -K "$bridge" tso off gso off; }
activate() {
    case $system in
        networkd)
            make_port && networkctl reload && networkctl reconfigure "$card" "$bridge" && ip addr flush dev "$card" scope global
            ;;
        ifupdown) apart ifup --force "$bridge" && ip link set "$card" up ;;
        network-scripts)
            ! systemctl is-active -q NetworkManager || nmcli connection reload
            # NetworkManager does not bring up what it must not touch: that is the older service's work at boot.
            systemctl is-enabled -q network || systemctl enable -q network || return 1
            apart /sbin/ifup "$bridge" && apart /sbin/ifup "$card"
            ;;
        NetworkManager)
            # It wants to have made the bridge itself.
            [ -n "$(switch list-ports "$bridge" 2>/dev/null)" ] || switch --if-exists del-br "$bridge"
            nmcli connection reload && nmcli --wait 40 connection up "packstack-lite-$card" &&
                nmcli --wait 40 connection up "packstack-lite-$bridge" && without_offload
            ;;
        *) make_port ;;
    esac
}
# Whoever configures the interface now lets go of it, by its old files.
release() {
    case $system in
        ifupdown) apart ifdown --force "$card"; ip addr flush dev "$card" ;;
        network-scripts) apart /sbin/ifdown "$card" ;;
    esac
    return 0
}

put_back() {
    case $system in
        ifupdown) [ -e "$saved/plugged" ] || apart ifdown --force "$bridge" ;;
        network-scripts) [ -e "$saved/plugged" ] || { apart /sbin/ifdown "$bridge"; apart /sbin/ifdown "$card"; } ;;
        NetworkManager) [ -e "$saved/plugged" ] || nmcli --wait 20 connection down "packstack-lite-$bridge" ;;
    esac
    while read -r number path; do
        if [ -e "$saved/$number" ]; then cp -p "$saved/$number" "$path"; else rm -f "$path"; fi
    done < "$saved/list"
    holder=$bridge
    if [ ! -e "$saved/plugged" ]; then
        holder=$card
        switch --if-exists del-port "$bridge" "$card"
        [ -s "$saved/hwaddr" ] || ! switch br-exists "$bridge" || switch remove bridge "$bridge" other-config hwaddr
        [ ! -e "/sys/class/net/$bridge" ] || ip addr flush dev "$bridge" scope global
    fi
    case $system in
        networkd)
            networkctl reload
            for name in "$card" "$bridge"; do [ ! -e "/sys/class/net/$name" ] || networkctl reconfigure "$name"; done
            ;;
        ifupdown) apart ifup --force "$holder" ;;
        network-scripts)
            ! systemctl is-active -q NetworkManager || nmcli connection reload
            apart /sbin/ifup "$holder"
            ;;
        NetworkManager)
            nmcli connection reload
            # What it has made goes with it; the bridge is to be as empty as it was.
            [ -e "$saved/plugged" ] || make_empty
            [ ! -s "$saved/profile" ] || nmcli --wait 40 connection up uuid "$(cat "$saved/profile")"
            ;;
    esac
    ip link set "$card" up
    # Also what nobody's file brings: as it was before, to the last route.
    while read -r address; do
        owned "$holder" | grep -qxF "$address" || ip addr add "$address" dev "$holder"
    done < "$saved/addresses"
    for family in -4 -6; do
        while read -r route; do ip $family route replace $route dev "$holder"; done < "$saved/routes$family"
    done
}
undo() { flock -o "$home/lock" sh "$home/run" undo-now; }

case ${1:-} in
    undo) undo; exit ;;
    undo-now)
        [ -e "$home/armed" ] || exit 0
        echo "putting $card back as it was"
        saved=$home/saved
        put_back
        disarm
        exit 0
        ;;
    back)
        [ -d "$home/original" ] || { echo "$card was not put into $bridge by packstack-lite" >&2; exit 1; }
        saved=$home/original
        put_back
        exit
        ;;
    guard)
        while [ -e "$home/armed" ]; do
            [ "$(started "$2")" = "$3" ] || undo
            sleep 0.5
        done
        exit 0
        ;;
esac

fail() {
    echo "$1" >&2
    undo >&2
    [ ! -s "$home/saved/addresses" ] || [ -n "$(owned "$card"; owned "$bridge")" ] ||
        echo "but the host has no address on $card now: look at it on the console" >&2
    exit 1
}
mkdir -p "$home"
[ ! -e "$home/armed" ] || undo
cat > "$home/files"
if plugged && addressed; then
    # The move itself has been made: no packet is lost for a file.
    write || { echo "a file could not be written" >&2; exit 1; }
    exit 0
fi
if [ "$system" = network-scripts ] && [ ! -x /etc/sysconfig/network-scripts/ifup-ovs ]; then
    echo "network-scripts cannot make bridges of Open vSwitch here, nothing was moved: /etc/sysconfig/network-scripts/ifup-ovs" \
        "is missing; it comes with the package openvswitch or network-scripts-openvswitch" >&2
    exit 1
fi
arm || { disarm; echo "what is there now could not be saved in $home/saved: nothing was changed" >&2; exit 1; }
release
write || fail "a file could not be written: nothing was moved"
activate || fail "$system did not bring $bridge up with $card"

followed=$base/jobs/followed
end=$(($(date +%s) + seconds))
late() { [ "$(date +%s)" -ge "$end" ]; }
until plugged && addressed; do
    ! late || fail "within $seconds seconds $bridge did not get the addresses of $card (${addresses:-by DHCP})"
    sleep 0.2
done
until router_answers; do
    ! late || fail "after the move the router $(cut -d' ' -f1 "$home/saved/router") did not answer through $bridge within $seconds seconds"
done
echo "$bridge has the addresses of $card; waiting for you to come back over it"
# Whoever follows this job leaves a mark each time he comes. The second one is certain to have been sent after he
# heard of something that happened after the move: a whole round trip.
for _ in 1 2; do
    rm -f "$followed"
    until [ -e "$followed" ]; do
        ! late || fail "after the move nobody came back over $bridge within $seconds seconds"
        sleep 0.1
    done
    echo "somebody came"
done
if [ ! -e "$home/saved/plugged" ]; then
    rm -rf "$home/original"
    cp -a "$home/saved" "$home/original"
fi
while read -r number path; do
    grep -qxF -e "$path" "$base/files" 2>/dev/null && continue
    # ifupdown reads every file in interfaces.d.
    kept=$(printf '%s' "$path" | sed 's|/interfaces\.d/|/|').packstack-lite.orig
    [ ! -e "$home/saved/$number" ] || [ -e "$kept" ] || cp -p "$home/saved/$number" "$kept"
    printf '%s\n' "$path" >> "$base/files"
done < "$home/saved/list"
disarm
exit 0
