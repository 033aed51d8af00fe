"""The way to a database server on another host: made by us there, or somebody's own."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import File
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import DATABASE_CLIENT_CONFIG, PORTS, NodeContext, make_tags


def declare(context: NodeContext) -> List[Resource]:
    """How root here asks the server there, to make databases and accounts."""
    user = "root" if context.installs_database else str(context["CONFIG_MARIADB_USER"])
    content = context.render(
        "common/mariadb_client.cnf.j2",
        host=context.database_address,
        port=PORTS["mariadb"],
        user=user,
        password=context["CONFIG_MARIADB_PW"],
    )
    return [
        File(path=DATABASE_CLIENT_CONFIG, content=content, mode=0o600, phase=Phase.PLATFORM, tags=make_tags("mariadb"))
    ]
