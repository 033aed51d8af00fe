"""Nova: servers. The API, metadata, conductor, scheduler and console proxy; hypervisors have a module of their own."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import Once
from packstack_lite.resources.base import Resource
from packstack_lite.services import catalog, cinder, neutron_sriov
from packstack_lite.services.cloud import PORTS, Account, Cloud
from packstack_lite.services.schema import databases, program, sync
from packstack_lite.services.wsgi import runner

SCHEMAS = ("nova_api", "nova", "nova_cell0")


def declare(cloud: Cloud) -> List[Resource]:
    """Nova with one cell."""
    configuration = config(cloud)
    return [
        configuration,
        *databases(cloud, "nova", [_account(cloud, schema) for schema in SCHEMAS]),
        _schema(cloud),
        catalog.account(cloud, "nova", cloud["CONFIG_NOVA_KS_PW"]),
        *catalog.service(cloud, "nova", "compute", cloud.endpoint("nova", "/v2.1"), "OpenStack Compute"),
        *_control(cloud, configuration),
    ]


def _account(cloud: Cloud, schema: str) -> Account:
    return Account("nova", cloud["CONFIG_NOVA_DB_PW"], schema)


def config(cloud: Cloud) -> Resource:
    """nova.conf, which every service of Nova's on this host reads. Only what asks the database is told where it is."""
    return cloud.file(
        "nova",
        "nova",
        group=cloud.profile.user("nova"),
        controls=cloud.has("controller"),
        api_connection=cloud.db_url(_account(cloud, "nova_api")),
        connection=cloud.db_url(_account(cloud, "nova")),
        ports=PORTS,
        volumes=cinder.wanted(cloud),
        encrypts=cinder.encrypts(cloud),
        devices=neutron_sriov.devices(cloud),
    )


def _schema(cloud: Cloud) -> Once:
    """All four steps in one process; the last is the cell."""
    script = cloud.as_user("nova", f"{cloud.profile.python} -")
    marker = "nova_api.cell_mappings WHERE name = 'cell1'"
    return sync(cloud, "nova", script, marker, program("nova_cells.py"))


def _control(cloud: Cloud, config: Resource) -> List[Resource]:
    user = cloud.profile.user("nova")
    api, metadata = (runner(cloud, "nova", role, user) for role in ("nova-api", "nova-metadata"))
    proxy = cloud.optional("nova", "nova-consoleproxy")
    # Without -H, which iproute 3.10 (EL 7.0 to 7.4) does not know.
    listening = f"ss -ltn 'sport = :{PORTS['novnc']}' | grep -q ^LISTEN"
    return [
        *api,
        *metadata,
        *proxy,
        cloud.unit("nova-conductor", "nova", [config]),
        cloud.unit("nova-scheduler", "nova", [config]),
        cloud.unit("nova-api", "nova", [config, *api], ready=cloud.http_ready(cloud.endpoint("nova", "/"))),
        cloud.unit(
            "nova-metadata", "nova", [config, *metadata], ready=cloud.http_ready(cloud.endpoint("metadata", "/"))
        ),
        cloud.unit("nova-novncproxy", "nova", [config, *proxy], ready=listening),
    ]
