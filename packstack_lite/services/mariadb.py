"""MariaDB: where every service keeps its state."""

from __future__ import annotations

import hashlib
from typing import List

from packstack_lite.resources import Once
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret, plain, sql
from packstack_lite.services.cloud import Cloud, tags


def declare(cloud: Cloud) -> List[Resource]:
    """The server, listening on the controller's address, and root's password beside its socket login."""
    files = [cloud.file("mariadb", "mariadb", phase=Phase.PLATFORM)]
    files += cloud.optional("mariadb", "mariadb-unit", phase=Phase.PLATFORM)
    unit = cloud.unit("mariadb", "mariadb", watches=files, phase=Phase.PLATFORM)
    return [*files, unit, _root(cloud)]


def _root(cloud: Cloud) -> Once:
    """Root over the socket as before, and with the password of the answers as Packstack gives it."""
    password = cloud["CONFIG_MARIADB_PW"]
    return Once(
        name="mariadb-root",
        script=cloud.profile.command("mariadb"),
        stdin="".join(f"{statement};\n" for statement in [*_ways(cloud, password), *_closed(cloud)]).encode(),
        done=cloud.in_database("SELECT 1"),
        token=hashlib.sha256(b"root " + plain(password).encode()).hexdigest(),
        known_after=Phase.PLATFORM,
        phase=Phase.DATABASES,
        tags=tags("mariadb"),
    )


def _ways(cloud: Cloud, password: Secret) -> List[str]:
    """Both ways for one account; where an account has but one, the password is root's who comes by the address."""
    both = f"unix_socket OR mysql_native_password USING PASSWORD({sql(password)})"
    one_way = "mariadb-one-way-per-account" in cloud.profile.quirks
    local = f"ALTER USER root@localhost IDENTIFIED VIA {'unix_socket' if one_way else both}"
    if not one_way and cloud.has("controller"):
        return [local]
    remote = f"root@{sql(cloud.address)}"
    return [
        local,
        f"CREATE USER IF NOT EXISTS {remote} IDENTIFIED BY {sql(password)}",
        f"ALTER USER {remote} IDENTIFIED BY {sql(password)}",
        f"GRANT ALL PRIVILEGES ON *.* TO {remote} WITH GRANT OPTION",
    ]


def _closed(cloud: Cloud) -> List[str]:
    """What the installation leaves open to everybody, where it does (mysql_secure_installation closes the same)."""
    if "mariadb-open-accounts" not in cloud.profile.quirks:
        return []
    facts = cloud.facts
    others = [sql(name) for name in dict.fromkeys(("127.0.0.1", "::1", facts.hostname, facts.fqdn)) if _other(name)]
    names = [*[f"''@{name}" for name in ("'localhost'", *others)], *[f"root@{name}" for name in others]]
    rights = "DELETE FROM mysql.db WHERE User IN ('', 'PUBLIC') AND Db LIKE 'test%'"
    return [f"DROP USER IF EXISTS {', '.join(names)}", rights, "DROP DATABASE IF EXISTS test", "FLUSH PRIVILEGES"]


def _other(name: str) -> bool:
    """Whether it is another name than the one that root has here: who came by that one is root over the socket."""
    return name not in ("", "localhost")
