"""Glance: images, kept as files or in Swift."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import Directory
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import catalog
from packstack_lite.services.cloud import Account, Cloud, tags
from packstack_lite.services.schema import database, sync


def in_swift(cloud: Cloud) -> bool:
    """Whether new images go to Swift."""
    return str(cloud.answers.get("CONFIG_GLANCE_BACKEND")) == "swift"


def declare(cloud: Cloud) -> List[Resource]:
    """The image API with its stores.

    With Swift the file store stays beside it, so that images from before can still be read.
    """
    user = cloud.profile.user("glance")
    account = Account("glance", cloud["CONFIG_GLANCE_DB_PW"], "glance")
    config = cloud.file("glance", "glance", group=user, connection=cloud.db_url(account), swift=in_swift(cloud))
    login = [cloud.file("glance", "glance-swift", group=user)] if in_swift(cloud) else []
    images = Directory(
        path=cloud.profile.path("images"),
        mode=0o750,
        owner=user,
        group=user,
        phase=Phase.CONFIGURE,
        tags=tags("glance"),
    )
    ready = cloud.http_ready(cloud.endpoint("glance", "/healthcheck"))
    return [
        config,
        *login,
        images,
        database(cloud, "glance", account),
        sync(cloud, "glance", cloud.as_user("glance", "glance-manage db_sync")),
        catalog.account(cloud, "glance", cloud["CONFIG_GLANCE_KS_PW"]),
        *catalog.service(cloud, "glance", "image", cloud.endpoint("glance"), "OpenStack Image"),
        cloud.unit("glance-api", "glance", [config, *login], ready=ready),
    ]
