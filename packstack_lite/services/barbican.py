"""Barbican: secrets of projects. API, worker, and the listener that forgets a deleted project's secrets."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import ApiObject
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import DatabaseAccount, NodeContext, make_tags
from packstack_lite.services._base.schema import declare_database, declare_schema_sync
from packstack_lite.services._base.wsgi import wsgi_files

# The role that lets a user of a project make and delete secrets (Barbican's default policy).
CREATOR_ROLE = "creator"


def is_enabled(context: NodeContext) -> bool:
    """Whether the answers ask for a key manager."""
    return context.is_enabled("CONFIG_BARBICAN_INSTALL")


def declare(context: NodeContext) -> List[Resource]:
    """The key manager with its software store: secrets are in the database, encrypted with keys under the KEK."""
    user = context.profile.user("barbican")
    account = DatabaseAccount("barbican", context["CONFIG_BARBICAN_DB_PW"], "barbican")
    config = context.render_file("barbican", "barbican", group=user, connection=context.database_url(account))
    api_files = wsgi_files(context, "barbican", "barbican", user)
    # Train's Barbican has no /healthcheck.
    ready = context.http_check(context.endpoint_url("barbican", "/"))
    return [
        config,
        *api_files,
        declare_database(context, "barbican", account),
        declare_schema_sync(context, "barbican", context.run_as("barbican", "barbican-manage db upgrade")),
        ApiObject(
            type="role",
            name=CREATOR_ROLE,
            credentials=context.admin_credentials,
            phase=Phase.CATALOG,
            tags=make_tags("barbican"),
        ),
        catalog.declare_account(context, "barbican", context["CONFIG_BARBICAN_KS_PW"]),
        *catalog.declare_service(
            context, "barbican", "key-manager", context.endpoint_url("barbican"), "OpenStack Key Manager"
        ),
        context.declare_unit("barbican-api", "barbican", [config, *api_files], ready=ready),
        context.declare_unit("barbican-worker", "barbican", [config]),
        context.declare_unit("barbican-keystone-listener", "barbican", [config]),
    ]
