"""Placement: who has how much left. As in Packstack it shares nova's two passwords."""

from __future__ import annotations

from typing import List

from packstack_lite.resources.base import Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import DatabaseAccount, NodeContext
from packstack_lite.services._base.schema import declare_database, declare_schema_sync
from packstack_lite.services._base.wsgi import wsgi_files


def declare(context: NodeContext) -> List[Resource]:
    """The placement API."""
    user = context.profile.user("placement")
    account = DatabaseAccount("placement", context["CONFIG_NOVA_DB_PW"], "placement")
    config = context.render_file("placement", "placement", group=user, connection=context.database_url(account))
    api_files = wsgi_files(context, "placement", "placement", user)
    # Its first request fills tables: under the web server that may be the one that asks whether it is ready.
    schema = declare_schema_sync(context, "placement", context.run_as("placement", "placement-manage db sync"))
    ready = context.http_check(context.endpoint_url("placement", "/"))
    return [
        config,
        *api_files,
        declare_database(context, "placement", account),
        schema,
        catalog.declare_account(context, "placement", context["CONFIG_NOVA_KS_PW"]),
        *catalog.declare_service(
            context, "placement", "placement", context.endpoint_url("placement"), "OpenStack Placement"
        ),
        context.declare_unit("placement-api", "placement", [config, *api_files], needs=[schema.id], ready=ready),
    ]
