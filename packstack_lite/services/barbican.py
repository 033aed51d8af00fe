"""Barbican: secrets of projects. API, worker, and the listener that forgets a deleted project's secrets."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import Entity
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import catalog
from packstack_lite.services.cloud import Account, Cloud, tags
from packstack_lite.services.schema import database, sync
from packstack_lite.services.wsgi import runner

# The role that lets a user of a project make and delete secrets (Barbican's default policy).
CREATOR = "creator"


def wanted(cloud: Cloud) -> bool:
    """Whether the answers ask for a key manager."""
    return cloud.says("CONFIG_BARBICAN_INSTALL")


def declare(cloud: Cloud) -> List[Resource]:
    """The key manager with its software store: secrets are in the database, encrypted with keys under the KEK."""
    user = cloud.profile.user("barbican")
    account = Account("barbican", cloud["CONFIG_BARBICAN_DB_PW"], "barbican")
    config = cloud.file("barbican", "barbican", group=user, connection=cloud.db_url(account))
    how = runner(cloud, "barbican", "barbican", user)
    # Train's Barbican has no /healthcheck.
    ready = cloud.http_ready(cloud.endpoint("barbican", "/"))
    return [
        config,
        *how,
        database(cloud, "barbican", account),
        sync(cloud, "barbican", cloud.as_user("barbican", "barbican-manage db upgrade")),
        Entity(type="role", name=CREATOR, api=cloud.api, phase=Phase.CATALOG, tags=tags("barbican")),
        catalog.account(cloud, "barbican", cloud["CONFIG_BARBICAN_KS_PW"]),
        *catalog.service(cloud, "barbican", "key-manager", cloud.endpoint("barbican"), "OpenStack Key Manager"),
        cloud.unit("barbican-api", "barbican", [config, *how], ready=ready),
        cloud.unit("barbican-worker", "barbican", [config]),
        cloud.unit("barbican-keystone-listener", "barbican", [config]),
    ]
