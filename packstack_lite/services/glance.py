"""Glance: images, kept as files or in Swift."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import Directory
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import DatabaseAccount, NodeContext, make_tags
from packstack_lite.services._base.schema import declare_database, declare_schema_sync


def stores_in_swift(context: NodeContext) -> bool:
    """Whether new images go to Swift."""
    return str(context.answers.get("CONFIG_GLANCE_BACKEND")) == "swift"


def declare(context: NodeContext) -> List[Resource]:
    """The image API with its stores.

    With Swift the file store stays beside it, so that images from before can still be read.
    """
    user = context.profile.user("glance")
    account = DatabaseAccount("glance", context["CONFIG_GLANCE_DB_PW"], "glance")
    config = context.render_file(
        "glance", "glance", group=user, connection=context.database_url(account), swift=stores_in_swift(context)
    )
    swift_config = [context.render_file("glance", "glance-swift", group=user)] if stores_in_swift(context) else []
    images = Directory(
        path=context.profile.path("images"),
        mode=0o750,
        owner=user,
        group=user,
        phase=Phase.CONFIGURE,
        tags=make_tags("glance"),
    )
    ready = context.http_check(context.endpoint_url("glance", "/healthcheck"))
    return [
        config,
        *swift_config,
        images,
        declare_database(context, "glance", account),
        declare_schema_sync(context, "glance", context.run_as("glance", "glance-manage db_sync")),
        catalog.declare_account(context, "glance", context["CONFIG_GLANCE_KS_PW"]),
        *catalog.declare_service(context, "glance", "image", context.endpoint_url("glance"), "OpenStack Image"),
        context.declare_unit("glance-api", "glance", [config, *swift_config], ready=ready),
    ]
