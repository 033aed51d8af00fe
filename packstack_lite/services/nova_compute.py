"""A hypervisor: libvirt and nova-compute, its place in the cell, and the way instances take from one to another."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Sequence

from packstack_lite.resources import Entity, Once
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import ceph, lvm, migration, nova
from packstack_lite.services.cloud import Cloud, tags

# libvirt, and what it leaves to daemons of their own where it comes in parts.
LIBVIRT = ("libvirt", "libvirt-nodedev", "libvirt-secret", "libvirt-storage")


def declare(cloud: Cloud) -> List[Resource]:
    """The hypervisor on this host; what the controller has to do for one on another host is in ``joined``."""
    config = nova.config(cloud)
    found = [config, *_hypervisor(cloud, config)]
    if not cloud.has("controller"):
        return [*found, *_hearing_elsewhere(cloud)]
    discover = _discovered(cloud, cloud.facts.hostname, "nova-discover-hosts", (cloud.unit_id("nova-compute"),))
    return [*found, discover, *_hearing(cloud, discover), _alive(cloud, cloud.facts.hostname)]


def joined(controller: Cloud, member: Cloud) -> List[Resource]:
    """What the controller sees of a hypervisor on another host: its place in the cell, and that it is alive."""
    name = member.facts.hostname
    return [_discovered(controller, name, f"nova-discover-{name}"), _alive(controller, name)]


def _hypervisor(cloud: Cloud, config: Resource) -> List[Resource]:
    """libvirt and nova-compute, which asks the conductor and libvirt as soon as it starts."""
    moves = migration.declare(cloud)
    compute = cloud.file(
        "nova", "nova-compute", group=cloud.profile.user("nova"), migration_uri=migration.uri(cloud) if moves else ""
    )
    libvirt = _libvirt(cloud)
    daemons = [cloud.unit(role, "nova", libvirt) for role in LIBVIRT if role in cloud.profile.units]
    secrets = ceph.of_instances(cloud)
    # Where volumes are kept the initiator is theirs already.
    reaching = [lvm.initiator(cloud)] if lvm.used(cloud) and not cloud.has("storage") else []
    asked = ("nova-conductor", "nova-scheduler", "placement-api") if cloud.has("controller") else ()
    needs = [
        *[daemon.id for daemon in daemons],
        *[each.id for each in (*secrets, *reaching)],
        *[cloud.unit_id(role) for role in asked],
    ]
    # Whoever looks for new hosts before this one has told of itself finds none.
    known = _told(cloud, cloud.facts.hostname) if asked else "true"
    unit = cloud.unit("nova-compute", "nova", [config, compute], needs=needs, ready=known)
    return [compute, *moves, *libvirt, *daemons, *secrets, *reaching, unit]


def _libvirt(cloud: Cloud) -> Sequence[Resource]:
    """In a container there are no cgroups, namespaces or security labels of its own to give to a guest."""
    files = cloud.optional("nova", "libvirtd", "libvirtd-default")
    return [*files, cloud.file("nova", "qemu")] if cloud.facts.container else files


def _told(cloud: Cloud, host: str) -> str:
    """Whether this hypervisor has told of itself (POSIX sh)."""
    mine = f"topic = 'compute' AND deleted = 0 AND host = '{host}'"
    return cloud.in_database(f"SELECT COUNT(*) > 0 FROM nova.services WHERE {mine}")


def _discovered(cloud: Cloud, host: str, name: str, needs: Sequence[str] = ()) -> Once:
    """The hypervisor takes its place in the cell, as soon as it has told of itself."""
    wait = f"i=0\nuntil (\n{_told(cloud, host)}\n); do i=$((i + 1)); [ $i -lt 90 ] || break; sleep 1; done\n"
    return Once(
        name=name,
        script=wait + cloud.as_user("nova", "nova-manage cell_v2 discover_hosts --by-service"),
        done=cloud.in_database(f"SELECT COUNT(*) > 0 FROM nova_api.host_mappings WHERE host = '{host}'"),
        known_after=Phase.SERVICES,
        phase=Phase.SERVICES,
        tags=tags("nova"),
        needs=tuple(needs),
    )


def _alive(cloud: Cloud, host: str) -> Entity:
    return Entity(
        type="compute_service",
        name=f"nova-compute@{host}",
        body={"alive": True},
        api=cloud.api,
        phase=Phase.VERIFY,
        tags=tags("nova"),
    )


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


def _hearing_elsewhere(cloud: Cloud) -> List[Resource]:
    """The same where the database is another host's: once, after the first start."""
    if "nova-compute-deaf-at-first" not in cloud.profile.quirks:
        return []
    unit = cloud.profile.unit("nova-compute")
    again = Once(
        name="nova-compute-hears",
        script=f"systemctl restart {unit}",
        done="",
        known_after=Phase.SERVICES,
        says=f"start {unit} again, now that it is known",
        phase=Phase.NETWORKS,
        tags=tags("nova"),
    )
    return [replace(again, done=f"[ -s {again.place} ]")]
