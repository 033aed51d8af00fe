"""Glance, the image service. Images are files or Swift objects."""

from __future__ import annotations

from typing import List

from packstack_lite.resources.base import Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.schema import database_account, declare_databases, declare_schema_sync
from packstack_lite.services._base.spec import Api, ServiceDatabase, ServiceSpec

SPEC = ServiceSpec(
    name="glance",
    after=("keystone",),
    answer="CONFIG_GLANCE_INSTALL",
    is_required=True,
    apis=(Api("image", "glance", 9292, description="OpenStack Image", units=("glance-api",)),),
    units=("glance-api",),
    user="glance",
    databases=(ServiceDatabase("glance", "glance", "CONFIG_GLANCE_DB_PW"),),
    account_parameter="CONFIG_GLANCE_KS_PW",
    stores_data=True,
    template_dir="glance",
    smoke_cases=("image",),
)


def stores_in_swift(context: NodeContext) -> bool:
    """Return whether new images go to Swift."""
    return str(context.answers.get("CONFIG_GLANCE_BACKEND")) == "swift"


def declare(context: NodeContext) -> List[Resource]:
    """Declare the image API with its stores.

    With Swift the file store stays configured, so that older images remain readable.
    """
    user = context.profile.user("glance")
    connection = context.database_url(database_account(context, SPEC.databases[0]))
    config = context.render_file("glance", "glance", group=user, connection=connection, swift=stores_in_swift(context))
    swift_config = [context.render_file("glance", "glance-swift", group=user)] if stores_in_swift(context) else []
    ready = context.http_check(context.endpoint_url("glance", "/healthcheck"))
    return [
        config,
        *swift_config,
        *declare_databases(context, SPEC),
        declare_schema_sync(context, "glance", context.run_as("glance", "glance-manage db_sync")),
        *catalog.declare_catalog(context, SPEC),
        context.declare_unit("glance-api", "glance", [config, *swift_config], ready=ready),
    ]
