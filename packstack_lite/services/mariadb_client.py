"""The way to a database server on another host: made by us there, or somebody's own."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import File
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services.cloud import DATABASE_ACCESS, PORTS, Cloud, tags


def declare(cloud: Cloud) -> List[Resource]:
    """How root here asks the server there, to make databases and accounts."""
    user = "root" if cloud.makes_database else str(cloud["CONFIG_MARIADB_USER"])
    content = cloud.render(
        "common/mariadb_client.cnf.j2",
        host=cloud.database_host,
        port=PORTS["mariadb"],
        user=user,
        password=cloud["CONFIG_MARIADB_PW"],
    )
    return [File(path=DATABASE_ACCESS, content=content, mode=0o600, phase=Phase.PLATFORM, tags=tags("mariadb"))]
