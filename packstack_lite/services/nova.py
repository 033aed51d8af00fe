"""Nova on the controller: API, metadata, conductor, scheduler and console proxy."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import RunOnce
from packstack_lite.resources.base import Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import PORTS, NodeContext
from packstack_lite.services._base.schema import database_account, declare_databases, declare_schema_sync, read_program
from packstack_lite.services._base.spec import Api, Port, ServiceDatabase, ServiceSpec
from packstack_lite.services._base.wsgi import wsgi_files
from packstack_lite.services.networking import neutron_sriov
from packstack_lite.services.storage import cinder

# Displays of instances, libvirt's TCP and TLS ports, and migration (qemu.conf: migration_port_min and _max).
HYPERVISOR_PORTS = ("5900-6079", "16509", "16514", "49152-49215")
SPEC = ServiceSpec(
    name="nova",
    after=("placement",),
    answer="CONFIG_NOVA_INSTALL",
    is_required=True,
    apis=(Api("compute", "nova", 8774, "/v2.1", "OpenStack Compute", units=("nova-api",)),),
    ports=(
        Port("metadata", 8775, ("nova-metadata",)),
        Port("novnc", 6080, ("nova-novncproxy",), is_public=True),
    ),
    internal_ports=("8775", *HYPERVISOR_PORTS),
    units=("nova-api", "nova-metadata", "nova-conductor", "nova-scheduler", "nova-novncproxy"),
    user="nova",
    databases=tuple(
        ServiceDatabase(schema, "nova", "CONFIG_NOVA_DB_PW") for schema in ("nova_api", "nova", "nova_cell0")
    ),
    account_parameter="CONFIG_NOVA_KS_PW",
    template_dir="nova",
    smoke_cases=("flavor", "instance", "console"),
)


def declare(context: NodeContext) -> List[Resource]:
    """Declare Nova with one cell."""
    configuration = declare_config(context)
    return [
        configuration,
        *declare_databases(context, SPEC),
        _declare_schema_sync(context),
        *catalog.declare_catalog(context, SPEC),
        *_declare_controller_resources(context, configuration),
    ]


def declare_config(context: NodeContext) -> Resource:
    """Declare nova.conf, which every Nova service on this node reads.

    Only the controller's has database URLs.
    """
    api_url, cell_url, _ = (context.database_url(database_account(context, database)) for database in SPEC.databases)
    return context.render_file(
        "nova",
        "nova",
        group=context.profile.user("nova"),
        controls=context.has_role("controller"),
        api_connection=api_url,
        connection=cell_url,
        ports=PORTS,
        volumes=cinder.is_enabled(context),
        encrypts=cinder.has_encryption(context),
        devices=neutron_sriov.sriov_devices(context),
    )


def _declare_schema_sync(context: NodeContext) -> RunOnce:
    """Declare the schema job: four steps in one process.

    The last one creates the cell.
    """
    script = context.run_as("nova", f"{context.profile.python} -")
    marker = "nova_api.cell_mappings WHERE name = 'cell1'"
    return declare_schema_sync(context, "nova", script, marker, read_program("nova_cells.py"))


def _declare_controller_resources(context: NodeContext, config: Resource) -> List[Resource]:
    """Declare the controller's units with their files."""
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
