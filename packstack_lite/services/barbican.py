"""Barbican, the key manager: API, worker and Keystone listener."""

from __future__ import annotations

from typing import List

from packstack_lite.resources.base import Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.schema import database_account, declare_databases, declare_schema_sync
from packstack_lite.services._base.spec import Api, ServiceDatabase, ServiceSpec, StoredKey
from packstack_lite.services._base.wsgi import wsgi_files

SPEC = ServiceSpec(
    name="barbican",
    answer="CONFIG_BARBICAN_INSTALL",
    apis=(Api("key-manager", "barbican", 9311, description="OpenStack Key Manager", units=("barbican-api",)),),
    units=("barbican-api", "barbican-worker", "barbican-keystone-listener"),
    user="barbican",
    databases=(ServiceDatabase("barbican", "barbican", "CONFIG_BARBICAN_DB_PW"),),
    account_parameter="CONFIG_BARBICAN_KS_PW",
    stored_keys=(StoredKey("CONFIG_BARBICAN_KEK", "barbican/barbican.conf", "kek", "every secret"),),
    # Lets a user of a project create and delete secrets (Barbican's default policy), encrypted volumes too.
    user_roles=("creator",),
    # The others of that policy (barbican/common/policies/base.py). Until Barbican enforces its newer defaults alone,
    # observer and audit read a project's secrets, and the last one sets the quotas of projects.
    admin_roles=("observer", "audit", "key-manager:service-admin"),
    template_dir="barbican",
    smoke_cases=("secret",),
)


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
        *catalog.declare_catalog(context, SPEC),
        context.declare_unit("barbican-api", "barbican", [config, *api_files], ready=ready),
        context.declare_unit("barbican-worker", "barbican", [config]),
        context.declare_unit("barbican-keystone-listener", "barbican", [config]),
    ]
