"""Nova: servers. The API, metadata, conductor, scheduler, console proxy and the compute service."""

from __future__ import annotations

from typing import List, Sequence

from packstack_lite.resources import Entity, Once
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import catalog, ceph, cinder, neutron_sriov
from packstack_lite.services.cloud import PORTS, Account, Cloud, tags
from packstack_lite.services.schema import databases, program, sync
from packstack_lite.services.wsgi import runner

SCHEMAS = ("nova_api", "nova", "nova_cell0")
# libvirt, and what it leaves to daemons of their own where it comes in parts.
LIBVIRT = ("libvirt", "libvirt-nodedev", "libvirt-secret", "libvirt-storage")


def declare(cloud: Cloud) -> List[Resource]:
    """Nova with one cell on this host."""
    accounts = {schema: Account("nova", cloud["CONFIG_NOVA_DB_PW"], schema) for schema in SCHEMAS}
    config = _config(cloud, accounts["nova_api"], accounts["nova"])
    return [
        config,
        *databases(cloud, "nova", [*accounts.values()]),
        _schema(cloud),
        catalog.account(cloud, "nova", cloud["CONFIG_NOVA_KS_PW"]),
        *catalog.service(cloud, "nova", "compute", cloud.endpoint("nova", "/v2.1"), "OpenStack Compute"),
        *_control(cloud, config),
        *_hypervisor(cloud, config),
        *_registration(cloud),
    ]


def _config(cloud: Cloud, api: Account, cell: Account) -> Resource:
    return cloud.file(
        "nova",
        "nova",
        group=cloud.profile.user("nova"),
        api_connection=cloud.db_url(api),
        connection=cloud.db_url(cell),
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


def _hypervisor(cloud: Cloud, config: Resource) -> List[Resource]:
    """libvirt and nova-compute, which asks the conductor and libvirt as soon as it starts."""
    compute = cloud.file("nova", "nova-compute", group=cloud.profile.user("nova"))
    libvirt = _libvirt(cloud)
    daemons = [cloud.unit(role, "nova", libvirt) for role in LIBVIRT if role in cloud.profile.units]
    secrets = [ceph.libvirt_secret(cloud)] if ceph.used(cloud) else []
    needs = [
        *[daemon.id for daemon in daemons],
        *[secret.id for secret in secrets],
        *[cloud.unit_id(role) for role in ("nova-conductor", "nova-scheduler", "placement-api")],
    ]
    # Whoever looks for new hosts before this one has told of itself finds none.
    known = cloud.in_database("SELECT COUNT(*) > 0 FROM nova.services WHERE topic = 'compute' AND deleted = 0")
    unit = cloud.unit("nova-compute", "nova", [config, compute], needs=needs, ready=known)
    return [compute, *libvirt, *daemons, *secrets, unit]


def _libvirt(cloud: Cloud) -> Sequence[Resource]:
    """In a container there are no cgroups, namespaces or security labels of its own to give to a guest."""
    files = cloud.optional("nova", "libvirtd", "libvirtd-default")
    return [*files, cloud.file("nova", "qemu")] if cloud.facts.container else files


def _registration(cloud: Cloud) -> List[Resource]:
    """The compute host takes its place in the cell, then is seen alive."""
    discover = Once(
        name="nova-discover-hosts",
        script=cloud.as_user("nova", "nova-manage cell_v2 discover_hosts --by-service"),
        done=cloud.in_database(
            "SELECT COUNT(*) > 0 FROM nova_api.host_mappings WHERE host IN (SELECT host FROM nova.services"
            " WHERE topic = 'compute' AND deleted = 0)"
        ),
        known_after=Phase.SERVICES,
        phase=Phase.SERVICES,
        tags=tags("nova"),
        needs=(cloud.unit_id("nova-compute"),),
    )
    alive = Entity(
        type="compute_service",
        name=f"nova-compute@{cloud.facts.hostname}",
        body={"alive": True},
        api=cloud.api,
        phase=Phase.VERIFY,
        tags=tags("nova"),
    )
    return [discover, *_hearing(cloud, discover), alive]


def _hearing(cloud: Cloud, discover: Once) -> List[Resource]:
    """Start nova-compute again where the process is older than the host's place in nova, for releases that need it."""
    if "nova-compute-deaf-at-first" not in cloud.profile.quirks:
        return []
    unit = cloud.profile.unit("nova-compute")
    younger = cloud.in_database(
        "SELECT COUNT(*) > 0 FROM nova.services WHERE topic = 'compute' AND deleted = 0"
        " AND TIMESTAMPDIFF(SECOND, '1970-01-01', created_at) < $(date -d \"$began\" +%s)"
    )
    again = Once(
        name="nova-compute-hears",
        script=f"systemctl restart {unit}",
        done=f"began=$(systemctl show --property=ExecMainStartTimestamp {unit} | cut -d= -f2-)\n"
        f'[ -n "$began" ] || exit 75\n{younger}',
        known_after=Phase.SERVICES,
        says=f"start {unit} again, now that it is known",
        phase=Phase.SERVICES,
        tags=tags("nova"),
        needs=(discover.id,),
    )
    return [again]
