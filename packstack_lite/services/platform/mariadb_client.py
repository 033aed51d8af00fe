"""The database client's login to a server on another node."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import File
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import DATABASE_CLIENT_CONFIG, PORTS, NodeContext, make_tags
from packstack_lite.services._base.spec import ServiceSpec

SPEC = ServiceSpec(
    name="mariadb-client",
    after=("mariadb",),
    on_node_if=lambda context: not context.has_local_database,
    template_dir="common",
)


def declare(context: NodeContext) -> List[Resource]:
    """Declare root's option file, used to create databases and accounts on the server."""
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
