# Steps that create a Ceph cluster of one node; each may be repeated. services/storage/ceph.py puts the variables
# name, fsid, osd, addresses, pool, user, keyring and groups in front, and the step to run at the end.
set -eu
umask 077
admin=/etc/ceph/ceph.client.admin.keyring

monitor() {
    home=/var/lib/ceph/mon/ceph-$name
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    [ -s "$admin" ] || ceph-authtool --create-keyring "$admin" --gen-key --name client.admin \
        --cap mon 'allow *' --cap osd 'allow *' --cap mds 'allow *' --cap mgr 'allow *'
    ceph-authtool --create-keyring "$work/keyring" --gen-key --name mon. --cap mon 'allow *'
    ceph-authtool "$work/keyring" --import-keyring "$admin"
    monmaptool --create --clobber --fsid "$fsid" --addv "$name" "$addresses" "$work/map"
    # Create the store completely or not at all: an existing store holds a cluster and is never removed.
    rm -rf "$home.new"
    install -d -o ceph -g ceph -m 0750 "$home.new"
    chown -R ceph:ceph "$work"
    runuser -u ceph -- ceph-mon --mkfs -i "$name" --mon-data "$home.new" --monmap "$work/map" --keyring "$work/keyring"
    [ ! -d "$home" ] || rmdir "$home"
    mv "$home.new" "$home"
}

manager() {
    home=/var/lib/ceph/mgr/ceph-$name
    install -d -o ceph -g ceph -m 0750 "$home"
    ceph auth get-or-create "mgr.$name" mon 'allow profile mgr' osd 'allow *' mds 'allow *' > "$home/keyring.new"
    chown ceph:ceph "$home/keyring.new"
    mv "$home/keyring.new" "$home/keyring"
}

storage() {
    home=/var/lib/ceph/osd/ceph-0
    install -d -o ceph -g ceph -m 0750 "$home"
    [ -s "$home/keyring" ] || printf '[osd.0]\n\tkey = %s\n' "$(ceph-authtool --gen-print-key)" > "$home/keyring"
    key=$(sed -n 's/^[[:space:]]*key = //p' "$home/keyring")
    number=$(printf '{"cephx_secret": "%s"}' "$key" | ceph osd new "$osd" -i -)
    [ "$number" = 0 ] || { echo "the cluster has other storage already: it would be osd.$number" >&2; exit 1; }
    chown -R ceph:ceph "$home"
    runuser -u ceph -- ceph-osd -i 0 --mkfs --osd-uuid "$osd" --keyring "$home/keyring"
}

pool() {
    ceph osd pool ls | grep -qxF "$pool" || ceph osd pool create "$pool" "$groups" "$groups"
    rbd pool init "$pool"
    {
        cat "$keyring"
        printf 'caps %s = "profile rbd"\n' mon
        printf "caps %s = \"profile rbd pool=$pool\"\n" osd mgr
    } | ceph auth import -i -
}
