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


def _root(cloud: Cloud) -> Once:
    """Root over the socket as before, and with the password of the answers as Packstack gives it."""
    password = cloud["CONFIG_MARIADB_PW"]
    client = cloud.profile.command("mariadb")
    ways = f"unix_socket OR mysql_native_password USING PASSWORD({sql(password)})"
    return Once(
        name="mariadb-root",
        script=client,
        stdin=f"ALTER USER root@localhost IDENTIFIED VIA {ways};\n".encode(),
        done=cloud.in_database("SELECT 1"),
        token=hashlib.sha256(b"root " + plain(password).encode()).hexdigest(),
        known_after=Phase.PLATFORM,
        phase=Phase.DATABASES,
        tags=tags("mariadb"),
    )
