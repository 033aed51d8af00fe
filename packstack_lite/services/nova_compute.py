"""A hypervisor: libvirt, nova-compute, and its registration in the cell."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Sequence

from packstack_lite.resources import ApiObject, RunOnce
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import nova, nova_migration
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.spec import ServiceSpec
from packstack_lite.services.storage import ceph, lvm

# libvirt, and its further daemons where the distribution splits it.
LIBVIRT_ROLES = ("libvirt", "libvirt-nodedev", "libvirt-secret", "libvirt-storage")
SPEC = ServiceSpec(
    name="nova-compute",
    after=("nova",),
    answer="CONFIG_NOVA_INSTALL",
    is_required=True,
    roles=("compute",),
    internal_ports=nova.HYPERVISOR_PORTS,
    units=("libvirt", "nova-compute"),
    optional_units=LIBVIRT_ROLES[1:],
    user="libvirt",
    template_dir="nova",
    smoke_cases=("instance", "console_log"),
)


def declare(context: NodeContext) -> List[Resource]:
    """Declare the hypervisor on this node.

    ``declare_delegated`` has the controller's part for other nodes.
    """
    config = nova.declare_config(context)
    resources = [config, *_declare_hypervisor(context, config)]
    if not context.has_role("controller"):
        return [*resources, *_declare_restart_after_first_start(context)]
    discover = _discover_host(
        context, context.facts.system.hostname, "nova-discover-hosts", (context.unit_id("nova-compute"),)
    )
    return [
        *resources,
        discover,
        *_declare_restart_after_registration(context, discover),
        _compute_alive(context, context.facts.system.hostname),
    ]


def declare_delegated(controller: NodeContext, node: NodeContext) -> List[Resource]:
    """Declare what the controller does for another node's hypervisor.

    It registers the hypervisor and waits until it reports itself to Nova's API.
    """
    name = node.facts.system.hostname
    return [_discover_host(controller, name, f"nova-discover-{name}"), _compute_alive(controller, name)]


def _declare_hypervisor(context: NodeContext, config: Resource) -> List[Resource]:
    """Declare libvirt, then nova-compute.

    nova-compute contacts the conductor and libvirt when it starts.
    """
    migration_files = nova_migration.declare(context)
    compute = context.render_file(
        "nova",
        "nova-compute",
        group=context.profile.user("nova"),
        migration_uri=nova_migration.libvirt_uri(context) if migration_files else "",
    )
    libvirt = _declare_libvirt_files(context)
    daemons = [context.declare_unit(role, "nova", libvirt) for role in LIBVIRT_ROLES if role in context.profile.units]
    secrets = ceph.declare_for_hypervisor(context)
    # On a storage node the volume service declares the initiator.
    initiators = [lvm.declare_initiator(context)] if lvm.is_used(context) and not context.has_role("storage") else []
    needed_roles = ("nova-conductor", "nova-scheduler", "placement-api") if context.has_role("controller") else ()
    needs = [
        *[daemon.id for daemon in daemons],
        *[resource.id for resource in (*secrets, *initiators)],
        *[context.unit_id(role) for role in needed_roles],
    ]
    # discover_hosts finds nothing before this node has registered itself.
    registered_check = _is_registered_check(context, context.facts.system.hostname) if needed_roles else "true"
    unit = context.declare_unit("nova-compute", "nova", [config, compute], needs=needs, ready=registered_check)
    return [compute, *migration_files, *libvirt, *daemons, *secrets, *initiators, unit]


def _declare_libvirt_files(context: NodeContext) -> Sequence[Resource]:
    """Declare libvirt's files.

    In a container QEMU gets no cgroups, namespaces or security labels.
    """
    files = context.render_optional_files("nova", "libvirtd", "libvirtd-default")
    return [*files, context.render_file("nova", "qemu")] if context.facts.system.is_container else files


def _is_registered_check(context: NodeContext, hostname: str) -> str:
    """Return a shell command that exits 0 once nova-compute has registered itself."""
    condition = f"topic = 'compute' AND deleted = 0 AND host = '{hostname}'"
    return context.sql_check(f"SELECT COUNT(*) > 0 FROM nova.services WHERE {condition}")


def _discover_host(context: NodeContext, hostname: str, name: str, needs: Sequence[str] = ()) -> RunOnce:
    """Declare the job that maps a hypervisor to the cell.

    It waits up to 90 s for nova-compute to register itself.
    """
    check = _is_registered_check(context, hostname)
    wait = f"i=0\nuntil (\n{check}\n); do i=$((i + 1)); [ $i -lt 90 ] || break; sleep 1; done\n"
    return RunOnce(
        name=name,
        script=wait + context.run_as("nova", "nova-manage cell_v2 discover_hosts --by-service"),
        probe_script=context.sql_check(f"SELECT COUNT(*) > 0 FROM nova_api.host_mappings WHERE host = '{hostname}'"),
        known_after=Phase.SERVICES,
        description=f"map {hostname} to Nova's cell",
        phase=Phase.SERVICES,
        tags=make_tags("nova"),
        needs=tuple(needs),
    )


def _compute_alive(context: NodeContext, hostname: str) -> ApiObject:
    """Declare that Nova reports a hypervisor as alive."""
    return ApiObject(
        type="compute_service",
        name=f"nova-compute@{hostname}",
        body={"alive": True},
        credentials=context.admin_credentials,
        phase=Phase.VERIFY,
        tags=make_tags("nova"),
    )


def _declare_restart_after_registration(context: NodeContext, discover: RunOnce) -> List[Resource]:
    """Declare a restart of nova-compute if it is older than its registration.

    Only for releases that need it.
    """
    if "nova-compute-misses-first-events" not in context.profile.quirks:
        return []
    unit = context.profile.unit("nova-compute")
    started_after_registration = context.sql_check(
        "SELECT COUNT(*) > 0 FROM nova.services WHERE topic = 'compute' AND deleted = 0"
        " AND TIMESTAMPDIFF(SECOND, '1970-01-01', created_at) < $(date -d \"$began\" +%s)"
    )
    restart = RunOnce(
        name="nova-compute-hears",
        script=f"systemctl restart {unit}",
        probe_script=f"began=$(systemctl show --property=ExecMainStartTimestamp {unit} | cut -d= -f2-)\n"
        f'[ -n "$began" ] || exit 75\n{started_after_registration}',
        known_after=Phase.SERVICES,
        description=f"start {unit} again, now that it is known",
        phase=Phase.SERVICES,
        tags=make_tags("nova"),
        needs=(discover.id,),
    )
    return [restart]


def _declare_restart_after_first_start(context: NodeContext) -> List[Resource]:
    """Declare one restart of nova-compute, after its first start.

    Only for releases that need it, on a node from which its registration in the database cannot be read.
    """
    if "nova-compute-misses-first-events" not in context.profile.quirks:
        return []
    unit = context.profile.unit("nova-compute")
    restart = RunOnce(
        name="nova-compute-hears",
        script=f"systemctl restart {unit}",
        probe_script="",
        known_after=Phase.SERVICES,
        description=f"start {unit} again, now that it is known",
        phase=Phase.NETWORKS,
        tags=make_tags("nova"),
    )
    return [replace(restart, probe_script=f"[ -s {restart.fingerprint_file} ]")]
