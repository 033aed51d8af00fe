"""Facts of a cloud that exists on the node: whose it is, its keys and databases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Tuple

from packstack_lite.nodes.facts.fields import SAY_FUNCTION, Values, fact, first_text, is_present, named_texts, texts
from packstack_lite.remote.command import Command


def _mechanisms(values: Values) -> Tuple[str, ...]:
    """Split the first value, "a, b", into names."""
    return tuple(filter(None, first_text(values).replace(" ", "").split(",")))


def _digests_by_account(values: Values) -> Mapping[str, str]:
    """Map MariaDB's accounts (USER@HOST) to digests of their passwords' hashes.

    A value is "DIGEST ACCOUNT"; values without a space are skipped.
    """
    rows = (value.partition(" ") for value in values)
    return {account: digest for digest, space, account in rows if space}


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
    """

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
# Only of our own file: a package's example names other drivers.
ml2=/etc/neutron/plugins/ml2/ml2_conf.ini
[ ! -r "$ml2" ] || ! head -n 1 "$ml2" | grep -q packstack-lite ||
    say ml2_mechanisms "$(sed -n 's/^mechanism_drivers *= *//p' "$ml2")"

# Digests of the keys that stored data can only be read with.
key_digest() {
    value=$(sed -n "s/^$3 *= *//p" "$2" 2>/dev/null | head -n 1 | sed 's/%%/%/g' | tr '+/' '-_')
    case $value in ''|changeme) ;; *) say key_digest "$1 $(printf %s "$value" | sha256sum | cut -d' ' -f1)" ;; esac
}
key_digest CONFIG_BARBICAN_KEK /etc/barbican/barbican.conf kek
key_digest CONFIG_SWIFT_HASH /etc/swift/swift.conf swift_hash_path_suffix

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
    else
        say mariadb_root_error "$(printf '%s\n' "$reply" | grep 'Access denied' | head -n 1)"
    fi
fi

for path in /var/tmp/packstack /root/packstackca /root/packstack-answers-*.txt; do
    [ ! -e "$path" ] || say packstack_file "$path"
done
exit 0
""".replace("@accounts@", _ACCOUNTS)
)


def build_command() -> Command:
    """Return the command that prints the facts of clouds.

    It runs concurrently, because it may wait for MariaDB.
    """
    return Command(_SCRIPT, description="gather facts of clouds", concurrent=True)
