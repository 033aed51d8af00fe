"""Placement: who has how much left. As in Packstack it shares nova's two passwords."""

from __future__ import annotations

from typing import List

from packstack_lite.resources.base import Resource
from packstack_lite.services import catalog
from packstack_lite.services.cloud import Account, Cloud
from packstack_lite.services.schema import database, sync
from packstack_lite.services.wsgi import runner


def declare(cloud: Cloud) -> List[Resource]:
    """The placement API."""
    user = cloud.profile.user("placement")
    account = Account("placement", cloud["CONFIG_NOVA_DB_PW"], "placement")
    config = cloud.file("placement", "placement", group=user, connection=cloud.db_url(account))
    how = runner(cloud, "placement", "placement", user)
    # Its first request fills tables: under the web server that may be the one that asks whether it is ready.
    schema = sync(cloud, "placement", cloud.as_user("placement", "placement-manage db sync"))
    ready = cloud.http_ready(cloud.endpoint("placement", "/"))
    return [
        config,
        *how,
        database(cloud, "placement", account),
        schema,
        catalog.account(cloud, "placement", cloud["CONFIG_NOVA_KS_PW"]),
        *catalog.service(cloud, "placement", "placement", cloud.endpoint("placement"), "OpenStack Placement"),
        cloud.unit("placement-api", "placement", [config, *how], needs=[schema.id], ready=ready),
    ]
