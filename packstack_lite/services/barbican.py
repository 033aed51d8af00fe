"""Barbican, the key manager: API, worker and Keystone listener."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import ApiObject
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.schema import database_account, declare_databases, declare_schema_sync
from packstack_lite.services._base.spec import Api, ServiceDatabase, ServiceSpec
from packstack_lite.services._base.wsgi import wsgi_files

SPEC = ServiceSpec(
    name="barbican",
    answer="CONFIG_BARBICAN_INSTALL",
    apis=(Api("key-manager", "barbican", 9311, description="OpenStack Key Manager", units=("barbican-api",)),),
    units=("barbican-api", "barbican-worker", "barbican-keystone-listener"),
    user="barbican",
    databases=(ServiceDatabase("barbican", "barbican", "CONFIG_BARBICAN_DB_PW"),),
    account_parameter="CONFIG_BARBICAN_KS_PW",
    template_dir="barbican",
    smoke_cases=("secret",),
)

# The role that lets a user of a project create and delete secrets (Barbican's default policy).
CREATOR_ROLE = "creator"


def is_enabled(context: NodeContext) -> bool:
    """Return whether the answers ask for a key manager."""
    return SPEC.is_requested(context)


def declare(context: NodeContext) -> List[Resource]:
    """Declare the key manager with its software store.

    The database holds the secrets, encrypted under the KEK. The listener deletes a deleted project's secrets.
    """
    user = context.profile.user("barbican")
    connection = context.database_url(database_account(context, SPEC.databases[0]))
    config = context.render_file("barbican", "barbican", group=user, connection=connection)
    api_files = wsgi_files(context, "barbican", "barbican", user)
    # Train's Barbican has no /healthcheck.
    ready = context.http_check(context.endpoint_url("barbican", "/"))
    return [
        config,
        *api_files,
        *declare_databases(context, SPEC),
        declare_schema_sync(context, "barbican", context.run_as("barbican", "barbican-manage db upgrade")),
        ApiObject(
            type="role",
            name=CREATOR_ROLE,
            credentials=context.admin_credentials,
            phase=Phase.CATALOG,
            tags=make_tags("barbican"),
        ),
        *catalog.declare_catalog(context, SPEC),
        context.declare_unit("barbican-api", "barbican", [config, *api_files], ready=ready),
        context.declare_unit("barbican-worker", "barbican", [config]),
        context.declare_unit("barbican-keystone-listener", "barbican", [config]),
    ]
