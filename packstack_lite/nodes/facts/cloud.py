"""Facts of a cloud that exists on the node: whose it is, its keys and databases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Sequence, Tuple

from packstack_lite.manifest import Manifest, parse_manifest
from packstack_lite.nodes.facts.fields import SAY_FUNCTION, Values, fact, first_text, is_present, named_texts, texts
from packstack_lite.remote.command import Command
from packstack_lite.secret import quote_sh

# A key of stored data: the parameter that holds it, and the file and the option that hold it on the node.
StoredKeyPlace = Tuple[str, str, str]


def _mechanisms(values: Values) -> Tuple[str, ...]:
    """Split the first value, "a, b", into names."""
    return tuple(filter(None, first_text(values).replace(" ", "").split(",")))


def _digests_by_account(values: Values) -> Mapping[str, str]:
    """Map MariaDB's accounts (USER@HOST) to digests of their passwords' hashes.

    A value is "DIGEST ACCOUNT"; values without a space are skipped.
    """
    rows = (value.partition(" ") for value in values)
    return {account: digest for digest, space, account in rows if space}


def _manifest(values: Values) -> Manifest:
    """Parse the manifest, whose lines are joined in the first value."""
    return parse_manifest(first_text(values))


@dataclass(frozen=True)
class CloudFacts:
    """Facts about a cloud that exists on the node, ours or another's.

    ``deployed_by_us``: an earlier run of packstack-lite has left its record. ``other_openstack`` are paths that another
    OpenStack may have left; our own cloud has them too, so read ``deployed_by_us`` first. ``ours`` are those of them
    whose first line says that packstack-lite wrote them. ``ml2_mechanisms`` are the ML2 drivers that an earlier run
    configured. ``key_digests`` maps answers that stored data depends on to the SHA-256 of the key on the node.
    ``mariadb_databases`` are those in /var/lib/mysql but MariaDB's own. ``accounts`` maps MariaDB's accounts
    (USER@HOST) to the first 12 digits of the SHA-256 of their password's hash. ``mariadb_root_error`` is MariaDB's
    answer if it refuses root's login over the socket. ``packstack_files`` are files that Packstack leaves.
    ``manifest`` is what earlier runs made. ``ovs_system_id`` is the name by which Open vSwitch is known to OVN. Of
    databases on this node: ``instances`` maps hypervisors to the names of their instances; ``volumes`` maps back ends
    (HOST@BACKEND#POOL) to their number of volumes; ``image_stores`` are the kinds of stores that hold images;
    ``networks`` are "TYPE PHYSNET NAME" each, ``subnets`` "CIDR NAME".
    """

    manifest: Manifest = fact("manifest", _manifest)  # noqa: RUF009
    ovs_system_id: str = fact("ovs_system_id", first_text)
    instances: Mapping[str, str] = fact("instances", named_texts)
    volumes: Mapping[str, str] = fact("volumes", named_texts)
    image_stores: Tuple[str, ...] = fact("image_store", texts)
    networks: Tuple[str, ...] = fact("network", texts)
    subnets: Tuple[str, ...] = fact("subnet", texts)
    deployed_by_us: bool = fact("deployed_by_us", is_present)
    other_openstack: Tuple[str, ...] = fact("other_openstack", texts)
    ours: Tuple[str, ...] = fact("our_file", texts)
    ml2_mechanisms: Tuple[str, ...] = fact("ml2_mechanisms", _mechanisms)
    key_digests: Mapping[str, str] = fact("key_digest", named_texts)
    mariadb_databases: Tuple[str, ...] = fact("mariadb_database", texts)
    accounts: Mapping[str, str] = fact("mariadb_account", _digests_by_account)
    mariadb_root_error: str = fact("mariadb_root_error", first_text)
    packstack_files: Tuple[str, ...] = fact("packstack_file", texts)


_ACCOUNTS = (
    "SELECT CONCAT(LEFT(SHA2(COALESCE(NULLIF(Password, ''), authentication_string, ''), 256), 12),"
    " ' ', User, '@', Host) FROM mysql.user"
)

# What is stored under names that the answers give. A table that does not exist (yet) is passed over.
_STORED_NAMES = """
SELECT CONCAT('instances=', host, ' ', GROUP_CONCAT(display_name ORDER BY display_name SEPARATOR ', '))
    FROM nova.instances WHERE deleted = 0 AND host IS NOT NULL GROUP BY host;
SELECT CONCAT('volumes=', host, ' ', COUNT(*)) FROM cinder.volumes WHERE deleted = 0 AND host IS NOT NULL GROUP BY host;
SELECT DISTINCT CONCAT('image_store=', SUBSTRING_INDEX(value, ':', 1)) FROM glance.image_locations WHERE deleted = 0;
SELECT CONCAT('network=', s.network_type, ' ', COALESCE(s.physical_network, '-'), ' ', n.name)
    FROM neutron.networks n JOIN neutron.networksegments s ON s.network_id = n.id;
SELECT CONCAT('subnet=', cidr, ' ', name) FROM neutron.subnets;
"""

_SCRIPT = (
    SAY_FUNCTION
    + r"""
for trace in manifest.json journal jobs units once; do
    [ ! -e "/var/lib/packstack-lite/$trace" ] || say deployed_by_us "$trace"
done
for path in /etc/keystone/keystone.conf /etc/glance/glance-api.conf /etc/nova/nova.conf /etc/neutron/neutron.conf \
    /etc/cinder/cinder.conf /etc/placement/placement.conf /etc/kolla /etc/openstack_deploy /var/lib/config-data \
    /opt/stack/devstack /opt/stack/nova /var/snap/openstack \
    /var/lib/mysql/mysql
do
    [ ! -e "$path" ] || say other_openstack "$path"
    [ ! -f "$path" ] || ! head -n 1 "$path" | grep -q '^# Written by packstack-lite' || say our_file "$path"
done
# In one line; version 1 had several.
say manifest "$(cat /var/lib/packstack-lite/manifest.json 2>/dev/null | tr -d '\n')"
say ovs_system_id "$(cat /etc/openvswitch/system-id.conf 2>/dev/null)"
# Only of our own file: a package's example names other drivers.
ml2=/etc/neutron/plugins/ml2/ml2_conf.ini
[ ! -r "$ml2" ] || ! head -n 1 "$ml2" | grep -q packstack-lite ||
    say ml2_mechanisms "$(sed -n 's/^mechanism_drivers *= *//p' "$ml2")"

# Digests of the keys that stored data can only be read with.
key_digest() {
    value=$(sed -n "s/^$3 *= *//p" "$2" 2>/dev/null | head -n 1 | sed 's/%%/%/g' | tr '+/' '-_')
    case $value in ''|changeme) ;; *) say key_digest "$1 $(printf %s "$value" | sha256sum | cut -d' ' -f1)" ;; esac
}
@stored_keys@

for dir in /var/lib/mysql/*/; do
    name=${dir%/} name=${name##*/}
    case $name in
        '*'|'#'*|mysql|performance_schema|information_schema|sys|test|lost+found) ;;
        *) say mariadb_database "$name" ;;
    esac
done
client=$(command -v mariadb || command -v mysql)
if [ -n "$client" ] && [ -d /var/lib/mysql/mysql ]; then
    if reply=$(timeout 5 "$client" -N -e 'SELECT 1' 2>&1 >/dev/null); then
        # No hash leaves the node: a digest is enough to compare. mysql.user is a view since MariaDB 10.4.
        timeout 5 "$client" -N -B -e "@accounts@" 2>/dev/null | sed 's/^/mariadb_account=/'
        # Late names would be taken for none, and what depends on them would not be missed: gather_facts refuses 124.
        # From standard input: with -e the client ends at the first error in spite of --force (MariaDB 10.11).
        printf '%s\n' "@stored_names@" | timeout 20 "$client" -N -B --force 2>/dev/null
        [ $? -ne 124 ] || exit 124
    else
        say mariadb_root_error "$(printf '%s\n' "$reply" | grep 'Access denied' | head -n 1)"
    fi
fi

for path in /var/tmp/packstack /root/packstackca /root/packstack-answers-*.txt; do
    [ ! -e "$path" ] || say packstack_file "$path"
done
exit 0
""".replace("@accounts@", _ACCOUNTS).replace("@stored_names@", _STORED_NAMES)
)


def build_command(stored_keys: Sequence[StoredKeyPlace] = ()) -> Command:
    """Return the command that prints the facts of clouds.

    Among them are digests of the stored keys.

    It runs concurrently, because it may wait for MariaDB.
    """
    lines = [" ".join(["key_digest", *map(quote_sh, place)]) for place in stored_keys]
    script = _SCRIPT.replace("@stored_keys@", "\n".join(lines))
    return Command(script, description="gather facts of clouds", concurrent=True)
