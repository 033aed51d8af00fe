"""Nova: servers. The API, metadata, conductor, scheduler and console proxy; hypervisors have a module of their own."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import RunOnce
from packstack_lite.resources.base import Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import PORTS, DatabaseAccount, NodeContext
from packstack_lite.services._base.schema import declare_databases, declare_schema_sync, read_program
from packstack_lite.services._base.wsgi import wsgi_files
from packstack_lite.services.networking import neutron_sriov
from packstack_lite.services.storage import cinder

DATABASE_NAMES = ("nova_api", "nova", "nova_cell0")


def declare(context: NodeContext) -> List[Resource]:
    """Nova with one cell."""
    configuration = declare_config(context)
    return [
        configuration,
        *declare_databases(context, "nova", [_database_account(context, schema) for schema in DATABASE_NAMES]),
        _schema_sync(context),
        catalog.declare_account(context, "nova", context["CONFIG_NOVA_KS_PW"]),
        *catalog.declare_service(
            context, "nova", "compute", context.endpoint_url("nova", "/v2.1"), "OpenStack Compute"
        ),
        *_controller_resources(context, configuration),
    ]


def _database_account(context: NodeContext, schema: str) -> DatabaseAccount:
    return DatabaseAccount("nova", context["CONFIG_NOVA_DB_PW"], schema)


def declare_config(context: NodeContext) -> Resource:
    """nova.conf, which every service of Nova's on this host reads. Only what asks the database is told where it is."""
    return context.render_file(
        "nova",
        "nova",
        group=context.profile.user("nova"),
        controls=context.has_role("controller"),
        api_connection=context.database_url(_database_account(context, "nova_api")),
        connection=context.database_url(_database_account(context, "nova")),
        ports=PORTS,
        volumes=cinder.is_enabled(context),
        encrypts=cinder.has_encryption(context),
        devices=neutron_sriov.sriov_devices(context),
    )


def _schema_sync(context: NodeContext) -> RunOnce:
    """All four steps in one process; the last is the cell."""
    script = context.run_as("nova", f"{context.profile.python} -")
    marker = "nova_api.cell_mappings WHERE name = 'cell1'"
    return declare_schema_sync(context, "nova", script, marker, read_program("nova_cells.py"))


def _controller_resources(context: NodeContext, config: Resource) -> List[Resource]:
    user = context.profile.user("nova")
    api, metadata = (wsgi_files(context, "nova", role, user) for role in ("nova-api", "nova-metadata"))
    console_proxy = context.render_optional_files("nova", "nova-consoleproxy")
    # Without -H, which iproute 3.10 (EL 7.0 to 7.4) does not know.
    listen_check = f"ss -ltn 'sport = :{PORTS['novnc']}' | grep -q ^LISTEN"
    return [
        *api,
        *metadata,
        *console_proxy,
        context.declare_unit("nova-conductor", "nova", [config]),
        context.declare_unit("nova-scheduler", "nova", [config]),
        context.declare_unit(
            "nova-api", "nova", [config, *api], ready=context.http_check(context.endpoint_url("nova", "/"))
        ),
        context.declare_unit(
            "nova-metadata",
            "nova",
            [config, *metadata],
            ready=context.http_check(context.endpoint_url("metadata", "/")),
        ),
        context.declare_unit("nova-novncproxy", "nova", [config, *console_proxy], ready=listen_check),
    ]
