"""MariaDB: where every service keeps its state."""

from __future__ import annotations

import hashlib
from typing import List

from packstack_lite.resources import Once
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import plain, sql
from packstack_lite.services.cloud import Cloud, tags


def declare(cloud: Cloud) -> List[Resource]:
    """The server, listening on the controller's address, and root's password beside its socket login."""
    config = cloud.file("mariadb", "mariadb", phase=Phase.PLATFORM)
    unit = cloud.unit("mariadb", "mariadb", watches=[config], phase=Phase.PLATFORM)
    return [config, unit, _root(cloud)]


# An account has one way in before MariaDB 10.4 (EL7 has 10.3): there root@localhost is the socket's, and root's
# password is asked for over TCP. What mysql_install_db lets in without a password goes; 10.4 does not make it.
_ROOT = """case $(CLIENT -N -e 'SELECT VERSION()') in
5.* | 10.[0-3].*)
    CLIENT -e "INSTALL SONAME 'auth_socket'" 2>/dev/null
    part=1d ;;
*) part='1!d' ;;
esac
sed "$part" | CLIENT"""
_OLD_ROOT = """CREATE USER IF NOT EXISTS root@127.0.0.1;
ALTER USER root@127.0.0.1 IDENTIFIED BY {password};
GRANT ALL PRIVILEGES ON *.* TO root@127.0.0.1 WITH GRANT OPTION;
ALTER USER root@localhost IDENTIFIED VIA unix_socket;
DELETE FROM mysql.user WHERE User = '' OR (User = 'root' AND Host NOT IN ('localhost', '127.0.0.1'));
FLUSH PRIVILEGES;
"""


def _root(cloud: Cloud) -> Once:
    """Root over the socket as before, and with the password of the answers as Packstack gives it."""
    password = cloud["CONFIG_MARIADB_PW"]
    ways = f"unix_socket OR mysql_native_password USING PASSWORD({sql(password)})"
    statements = f"ALTER USER root@localhost IDENTIFIED VIA {ways};\n" + _OLD_ROOT.format(password=sql(password))
    return Once(
        name="mariadb-root",
        script=_ROOT.replace("CLIENT", cloud.profile.command("mariadb")),
        stdin=statements.encode(),
        done=cloud.in_database("SELECT 1"),
        token=hashlib.sha256(b"root " + plain(password).encode()).hexdigest(),
        known_after=Phase.PLATFORM,
        phase=Phase.DATABASES,
        tags=tags("mariadb"),
    )
