# Moves an interface into a bridge and its addresses onto the bridge; undoes the move when nobody reconnects over it.
# resources/uplink.py sets these variables in front of it: bridge, card (the interface), system (what configures the
# network), datapath, seconds (time to confirm), addresses, dynamic (by DHCP).
#   (no argument)  the move; standard input has the files to write: MODE BASE64 PATH, "-" to remove a file
#   undo           undo a move that was begun and not confirmed; do nothing if there is none
#   back           undo a confirmed move: for people, and for destroy
#   guard PID STARTED   wait for the end of the move; undo it when that process ends without a confirmation
set -u
umask 077
base=/var/lib/packstack-lite
home=$base/uplink/$card
boot=/etc/systemd/system/packstack-lite-uplink-$card.service
want=/etc/systemd/system/multi-user.target.wants/packstack-lite-uplink-$card.service

ovs() { ovs-vsctl --timeout=20 "$@"; }
# In a systemd scope: processes that ifup leaves running (dhclient) must not end with this script.
in_scope() { timeout 90 systemd-run --quiet --scope -- "$@"; }
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
sync_file() { dd if=/dev/null of="$1" conv=notrunc,fsync 2>/dev/null; }
is_plugged() { [ "$(ovs port-to-br "$card" 2>/dev/null)" = "$bridge" ]; }
addresses_of() { ip -o addr show dev "$1" scope global 2>/dev/null | awk '{print $4}'; }
has_addresses() {
    for address in $addresses; do
        addresses_of "$bridge" | grep -qxF "$address" || return 1
    done
    [ -z "$dynamic" ] || ip -o -4 addr show dev "$bridge" scope global 2>/dev/null | grep -q inet
}
# The router's reply shows that the path works: the kernel asks it by ARP, if it was known before.
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
        sync_file "$new"
        mv -f "$new" "$path" || return 1
        ! command -v restorecon >/dev/null || restorecon "$path" || return 1
    done < "$home/files"
}

# Save everything that can change, as it is before the move.
save() {
    rm -rf "$home/saved"
    mkdir -p "$home/saved" || return 1
    number=0
    while read -r mode text path; do
        number=$((number + 1))
        if [ -e "$path" ]; then cp -p "$path" "$home/saved/$number" && sync_file "$home/saved/$number" || return 1; fi
        printf '%s %s\n' "$number" "$path"
    done < "$home/files" > "$home/saved/list"
    ! is_plugged || : > "$home/saved/plugged"
    holder=$card
    ! is_plugged || holder=$bridge
    addresses_of "$holder" > "$home/saved/addresses"
    for family in -4 -6; do
        ip $family route show dev "$holder" | grep -v 'proto \(kernel\|ra\)' | sed 's/ linkdown//; s/ dead//' > "$home/saved/routes$family"
    done
    router=$(sed -n 's/^default via \([^ ]*\).*/\1/p' "$home/saved/routes-4" | head -n 1)
    [ -z "$router" ] || ip neigh show "$router" dev "$holder" | sed -n "s/.*lladdr \([^ ]*\).*/$router \1/p" > "$home/saved/router"
    nmcli -g GENERAL.CON-UUID device show "$card" > "$home/saved/profile" 2>/dev/null
    ovs --if-exists get bridge "$bridge" other-config:hwaddr 2>/dev/null | grep . > "$home/saved/hwaddr"
    return 0
}

# A move that a power failure interrupts is undone at the next boot.
arm() {
    save || return 1
    cp "$0" "$home/run"
    cat > "$boot" <<END
[Unit]
Description=Undo an interrupted move of $card into $bridge
After=network.target openvswitch-switch.service openvswitch.service
ConditionPathExists=$home/armed

[Service]
Type=oneshot
ExecStart=/bin/sh $home/run undo
END
    ln -sf "$boot" "$want"
    : > "$home/armed"
    sync_file "$home/armed"
    systemd-run --quiet --unit="packstack-lite-uplink-guard-$card-$$" \
        --setenv=PATH="$PATH" sh "$home/run" guard $$ "$(start_time $$)"
}
disarm() { rm -f "$home/armed" "$boot" "$want"; }

make_port() {
    ovs --may-exist add-br "$bridge" -- set bridge "$bridge" "datapath_type=$datapath" \
        "other-config:hwaddr=\"$(cat "/sys/class/net/$card/address")\"" -- --may-exist add-port "$bridge" "$card" &&
        ip link set "$card" up && ip link set "$bridge" up
}
# Create the bridge as it was before the move, after NetworkManager has owned it.
make_empty() {
    ovs --if-exists del-br "$bridge" -- add-br "$bridge" -- set bridge "$bridge" "datapath_type=$datapath"
    ip link set "$bridge" up
    without_offload
}
# As resources/bridge.py does: bulk traffic into a guest stalls otherwise.
without_offload() { [ "$datapath" != netdev ] || ethtool -K "$bridge" tso off gso off; }
activate() {
    case $system in
        networkd)
            make_port && networkctl reload && networkctl reconfigure "$card" "$bridge" && ip addr flush dev "$card" scope global
            ;;
        ifupdown) in_scope ifup --force "$bridge" && ip link set "$card" up ;;
        network-scripts)
            ! systemctl is-active -q NetworkManager || nmcli connection reload
            # NetworkManager does not bring up interfaces that it must not manage: the older service does at boot.
            systemctl is-enabled -q network || systemctl enable -q network || return 1
            in_scope /sbin/ifup "$bridge" && in_scope /sbin/ifup "$card"
            ;;
        NetworkManager)
            # NetworkManager has to create the bridge itself.
            [ -n "$(ovs list-ports "$bridge" 2>/dev/null)" ] || ovs --if-exists del-br "$bridge"
            nmcli connection reload && nmcli --wait 40 connection up "packstack-lite-$card" &&
                nmcli --wait 40 connection up "packstack-lite-$bridge" && without_offload
            ;;
        *) make_port ;;
    esac
}
# Release the interface from what configures it now, by its old files.
release() {
    case $system in
        ifupdown) in_scope ifdown --force "$card"; ip addr flush dev "$card" ;;
        network-scripts) in_scope /sbin/ifdown "$card" ;;
    esac
    return 0
}

restore() {
    case $system in
        ifupdown) [ -e "$saved/plugged" ] || in_scope ifdown --force "$bridge" ;;
        network-scripts) [ -e "$saved/plugged" ] || { in_scope /sbin/ifdown "$bridge"; in_scope /sbin/ifdown "$card"; } ;;
        NetworkManager) [ -e "$saved/plugged" ] || nmcli --wait 20 connection down "packstack-lite-$bridge" ;;
    esac
    while read -r number path; do
        if [ -e "$saved/$number" ]; then cp -p "$saved/$number" "$path"; else rm -f "$path"; fi
    done < "$saved/list"
    holder=$bridge
    if [ ! -e "$saved/plugged" ]; then
        holder=$card
        ovs --if-exists del-port "$bridge" "$card"
        [ -s "$saved/hwaddr" ] || ! ovs br-exists "$bridge" || ovs remove bridge "$bridge" other-config hwaddr
        [ ! -e "/sys/class/net/$bridge" ] || ip addr flush dev "$bridge" scope global
    fi
    case $system in
        networkd)
            networkctl reload
            for name in "$card" "$bridge"; do [ ! -e "/sys/class/net/$name" ] || networkctl reconfigure "$name"; done
            ;;
        ifupdown) in_scope ifup --force "$holder" ;;
        network-scripts)
            ! systemctl is-active -q NetworkManager || nmcli connection reload
            in_scope /sbin/ifup "$holder"
            ;;
        NetworkManager)
            nmcli connection reload
            # NetworkManager removes the bridge that it created; it was there before, and empty.
            [ -e "$saved/plugged" ] || make_empty
            [ ! -s "$saved/profile" ] || nmcli --wait 40 connection up uuid "$(cat "$saved/profile")"
            ;;
    esac
    ip link set "$card" up
    # Addresses and routes that come from no file, too.
    while read -r address; do
        addresses_of "$holder" | grep -qxF "$address" || ip addr add "$address" dev "$holder"
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
        echo "restoring $card as it was"
        saved=$home/saved
        restore
        disarm
        exit 0
        ;;
    back)
        [ -d "$home/original" ] || { echo "packstack-lite did not move $card into $bridge" >&2; exit 1; }
        saved=$home/original
        restore
        exit
        ;;
    guard)
        while [ -e "$home/armed" ]; do
            [ "$(start_time "$2")" = "$3" ] || undo
            sleep 0.5
        done
        exit 0
        ;;
esac

fail() {
    echo "$1" >&2
    undo >&2
    [ ! -s "$home/saved/addresses" ] || [ -n "$(addresses_of "$card"; addresses_of "$bridge")" ] ||
        echo "but the node has no address on $card now: log in on its console" >&2
    exit 1
}
mkdir -p "$home"
[ ! -e "$home/armed" ] || undo
cat > "$home/files"
if is_plugged && has_addresses; then
    # The interface was moved before: write the files without an interruption.
    write || { echo "a file could not be written" >&2; exit 1; }
    exit 0
fi
if [ "$system" = network-scripts ] && [ ! -x /etc/sysconfig/network-scripts/ifup-ovs ]; then
    echo "network-scripts cannot create Open vSwitch bridges, nothing was moved: /etc/sysconfig/network-scripts/ifup-ovs" \
        "is missing; it comes with the package openvswitch or network-scripts-openvswitch" >&2
    exit 1
fi
arm || { disarm; echo "the present configuration could not be saved in $home/saved: nothing was changed" >&2; exit 1; }
release
write || fail "a file could not be written: nothing was moved"
activate || fail "$system did not bring $bridge up with $card"

followed=$base/jobs/followed
# Not "date": chrony may set the clock meanwhile.
uptime_seconds() { read -r uptime _ </proc/uptime && echo "${uptime%.*}"; }
end=$(($(uptime_seconds) + seconds))
is_late() { [ "$(uptime_seconds)" -ge "$end" ]; }
until is_plugged && has_addresses; do
    ! is_late || fail "within $seconds seconds $bridge did not get the addresses of $card (${addresses:-by DHCP})"
    sleep 0.2
done
until router_answers; do
    ! is_late || fail "after the move the router $(cut -d' ' -f1 "$home/saved/router") did not answer through $bridge within $seconds seconds"
done
echo "$bridge has the addresses of $card; waiting for a new connection over it"
# The run that follows this job touches a file each time it asks. The second time it has certainly received a reply that
# was sent after the move: a whole round trip.
for _ in 1 2; do
    rm -f "$followed"
    until [ -e "$followed" ]; do
        ! is_late || fail "after the move nobody reconnected over $bridge within $seconds seconds"
        sleep 0.1
    done
    echo "a request arrived"
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
