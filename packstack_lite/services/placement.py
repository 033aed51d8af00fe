"""Placement: who has how much left. As in Packstack it shares nova's two passwords."""

from __future__ import annotations

from typing import List

from packstack_lite.resources.base import Resource
from packstack_lite.services import catalog
from packstack_lite.services.cloud import Account, Cloud
from packstack_lite.services.schema import database, sync


def declare(cloud: Cloud) -> List[Resource]:
    """The placement API."""
    user = cloud.profile.user("placement")
    account = Account("placement", cloud["CONFIG_NOVA_DB_PW"], "placement")
    config = cloud.file("placement", "placement", group=user, connection=cloud.db_url(account))
    uwsgi = cloud.file("placement", "placement-uwsgi", api=cloud.profile.api("placement"), account=user)
    ready = cloud.http_ready(cloud.endpoint("placement", "/"))
    return [
        config,
        uwsgi,
        database(cloud, "placement", account),
        sync(cloud, "placement", cloud.as_user("placement", "placement-manage db sync"), "placement.alembic_version"),
        catalog.account(cloud, "placement", cloud["CONFIG_NOVA_KS_PW"]),
        *catalog.service(cloud, "placement", "placement", cloud.endpoint("placement"), "OpenStack Placement"),
        cloud.unit("placement-api", "placement", [config, uwsgi], ready=ready),
    ]
