"""Placement, the inventory of resources.

As with Packstack it uses Nova's two passwords.
"""

from __future__ import annotations

from typing import List

from packstack_lite.resources.base import Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.schema import database_account, declare_databases, declare_schema_sync
from packstack_lite.services._base.spec import Api, ServiceDatabase, ServiceSpec
from packstack_lite.services._base.wsgi import wsgi_files

SPEC = ServiceSpec(
    name="placement",
    after=("glance",),
    answer="CONFIG_NOVA_INSTALL",
    is_required=True,
    apis=(Api("placement", "placement", 8778, description="OpenStack Placement", units=("placement-api",)),),
    units=("placement-api",),
    user="placement",
    databases=(ServiceDatabase("placement", "placement", "CONFIG_NOVA_DB_PW"),),
    account_parameter="CONFIG_NOVA_KS_PW",
    template_dir="placement",
    smoke_cases=("instance",),
)


def declare(context: NodeContext) -> List[Resource]:
    """Declare the placement API."""
    user = context.profile.user("placement")
    connection = context.database_url(database_account(context, SPEC.databases[0]))
    config = context.render_file("placement", "placement", group=user, connection=connection)
    api_files = wsgi_files(context, "placement", "placement", user)
    # The first request fills tables. Under the web server that may be the readiness check, so the schema comes first.
    schema = declare_schema_sync(context, "placement", context.run_as("placement", "placement-manage db sync"))
    ready = context.http_check(context.endpoint_url("placement", "/"))
    return [
        config,
        *api_files,
        *declare_databases(context, SPEC),
        schema,
        *catalog.declare_catalog(context, SPEC),
        context.declare_unit("placement-api", "placement", [config, *api_files], needs=[schema.id], ready=ready),
    ]
