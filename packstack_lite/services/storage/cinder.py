"""Cinder, the volume service: API, scheduler, backup and volume service."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from packstack_lite.resources import ApiObject
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.schema import database_account, declare_database, declare_schema_sync
from packstack_lite.services._base.spec import Api, Port, ServiceDatabase, ServiceSpec
from packstack_lite.services._base.wsgi import wsgi_files
from packstack_lite.services.storage import ceph, lvm, swift

SPEC = ServiceSpec(
    name="cinder",
    after=("barbican", "swift"),
    answer="CONFIG_CINDER_INSTALL",
    roles=("controller", "storage"),
    apis=(
        Api(
            "volumev3",
            "cinder",
            8776,
            "/v3/%(project_id)s",
            "OpenStack Block Storage",
            units=("cinder-api",),
            catalog_name="cinderv3",
        ),
    ),
    # The monitor's; preflight looks at Ceph in its check of volume backends.
    ports=(Port("ceph", 3300), Port("ceph-old", 6789)),
    # Ceph's daemons listen within ms_bind_port_min and _max.
    group_ports={"cinder-lvm": ("3260",), "ceph": ("3300", "6789", "6800-7568")},
    units=(
        *("cinder-api", "cinder-scheduler", "cinder-volume", "cinder-backup", "cinder-volumes"),
        *("iscsi-target", "iscsi-initiator", "ceph-mon", "ceph-mgr", "ceph-osd"),
    ),
    user="cinder",
    package_groups=("cinder-lvm", "cinder-nfs", "cinder-ceph", "iscsi", "ceph"),
    databases=(ServiceDatabase("cinder", "cinder", "CONFIG_CINDER_DB_PW"),),
    account_parameter="CONFIG_CINDER_KS_PW",
    stores_data=True,
    template_dir="cinder",
    smoke_cases=(
        *("volume", "volume_snapshot", "volume_backup", "volume_extend", "volume_encrypted", "boot_from_volume"),
    ),
)
# Backend -> its volume type. Packstack's names, except ceph, which Packstack does not have.
VOLUME_TYPES: Mapping[str, str] = {"lvm": "iscsi", "nfs": "nfs", "ceph": "ceph"}
# Backend -> the package group by which a hypervisor attaches its volumes. os-brick's packages do not depend on the
# programs that it runs (lsscsi, and sg_scan before it, to extend an attached volume).
CLIENT_PACKAGE_GROUPS: Mapping[str, str] = {"lvm": "iscsi", "nfs": "cinder-nfs", "ceph": "cinder-ceph"}
# The type of encrypted volumes. The node that attaches a volume encrypts it ("front-end"), as with
# ``openstack volume type create --encryption-control-location front-end``.
ENCRYPTED_TYPE = "LUKS"
LUKS_ENCRYPTION: Mapping[str, Any] = {
    "provider": "luks",
    "cipher": "aes-xts-plain64",
    "key_size": 256,
    "control_location": "front-end",
}


def is_enabled(context: NodeContext) -> bool:
    """Return whether the answers ask for volumes."""
    return SPEC.is_requested(context)


def backends(context: NodeContext) -> List[str]:
    """List the backends of the answers, that of the default volume type first."""
    return [str(name) for name in context["CONFIG_CINDER_BACKEND"] if name in VOLUME_TYPES]


def has_encryption(context: NodeContext) -> bool:
    """Return whether the cloud has a type of encrypted volumes."""
    return is_enabled(context) and context.is_enabled("CONFIG_CINDER_VOLUME_ENCRYPTION")


def package_groups(context: NodeContext) -> List[str]:
    """List the backends' package groups for this node.

    Those to serve volumes, and those to attach them.
    """
    if not is_enabled(context):
        return []
    storage_groups = [f"cinder-{name}" for name in backends(context)] if context.has_role("storage") else []
    client_groups = [CLIENT_PACKAGE_GROUPS[name] for name in backends(context)] if context.has_role("compute") else []
    cluster_groups = ["ceph"] if ceph.creates_cluster(context) and context.has_role("storage") else []
    return [*storage_groups, *client_groups, *cluster_groups]


def declare(context: NodeContext) -> List[Resource]:
    """Declare the volume service.

    API and scheduler are on the controller, the volumes on the storage node.
    """
    account = database_account(context, SPEC.databases[0])
    config, stores = _declare_config(context), _declare_backends(context)
    api_files = wsgi_files(context, "cinder", "cinder", context.profile.user("cinder"))
    ready = context.http_check(context.endpoint_url("cinder", "/"))
    restart_triggers = [config, *[store for store in stores if store.kind == "file" and store.phase is Phase.CONFIGURE]]
    needs = [store.id for store in stores if store.kind == "once" and store.phase is Phase.SERVICES]
    volumes = [
        *stores,
        *_declare_qemu_img_wrapper(context),
        context.declare_unit("cinder-volume", "cinder", restart_triggers, needs=needs),
        context.declare_unit("cinder-backup", "cinder", restart_triggers, needs=needs),
    ]
    if not context.has_role("controller"):
        return [config, *volumes]
    return [
        config,
        *api_files,
        *(volumes if context.has_role("storage") else []),
        declare_database(context, "cinder", account, [node.address for node in context.nodes_with_role("storage")]),
        declare_schema_sync(context, "cinder", context.run_as("cinder", "cinder-manage db sync")),
        *catalog.declare_catalog(context, SPEC),
        context.declare_unit("cinder-api", "cinder", [config, *api_files], ready=ready),
        context.declare_unit("cinder-scheduler", "cinder", [config]),
        *_declare_volume_types(context),
        *_declare_services_alive(context, context),
    ]


def declare_delegated(controller: NodeContext, node: NodeContext) -> List[Resource]:
    """Declare that another node's Cinder services report themselves to the API.

    The controller waits for that on the node's behalf.
    """
    return list(_declare_services_alive(controller, node))


def _declare_config(context: NodeContext) -> Resource:
    """Declare cinder.conf, which depends on the node's roles and the backends."""
    return context.render_file(
        "cinder",
        "cinder",
        group=context.profile.user("cinder"),
        controls=context.has_role("controller"),
        connection=context.database_url(database_account(context, SPEC.databases[0])),
        backends=backends(context),
        types=VOLUME_TYPES,
        backup_to_swift=swift.is_enabled(context),
        encrypts=has_encryption(context),
        ceph_conf=ceph.conf_path(context) if ceph.is_used(context) else "",
        ceph_secret=ceph.LIBVIRT_SECRET_UUID,
    )


def _declare_qemu_img_wrapper(context: NodeContext) -> List[Resource]:
    """Declare a wrapper of qemu-img that retries.

    For backends whose driver encrypts with it (rbd.py, remotefs.py).

    LVM's driver uses cryptsetup. Each call reads the wrapper anew, so no unit restarts for it.
    """
    is_needed = has_encryption(context) and {"ceph", "nfs"} & set(backends(context))
    return [context.render_file("cinder", "/usr/sbin/qemu-img", mode=0o755)] if is_needed else []


def _declare_backends(context: NodeContext) -> List[Resource]:
    """Declare the storage of the backends."""
    resources: List[Resource] = []
    for name in backends(context):
        resources += {"lvm": lvm.declare, "nfs": _declare_nfs_shares, "ceph": ceph.declare}[name](context)
    return resources


def _declare_nfs_shares(context: NodeContext) -> List[Resource]:
    """Declare the file that lists the NFS exports for Cinder's driver."""
    shares = [str(share) for share in context["CONFIG_CINDER_NFS_MOUNTS"]]
    return [context.render_file("cinder", "nfs-shares", group=context.profile.user("cinder"), shares=shares)]


def _declare_volume_types(context: NodeContext) -> List[Resource]:
    """Declare a volume type per backend; the encrypted one uses the first backend."""
    names = backends(context)
    volume_types: List[Resource] = [_declare_volume_type(context, VOLUME_TYPES[name], name) for name in names]
    if has_encryption(context) and names:
        volume_types.append(_declare_volume_type(context, ENCRYPTED_TYPE, names[0], LUKS_ENCRYPTION))
    return volume_types


def _declare_volume_type(
    context: NodeContext, name: str, backend: str, encryption: Mapping[str, Any] = {}
) -> ApiObject:
    """Declare a backend's volume type; ``encryption`` is Cinder's, {} for none."""
    body: Dict[str, Any] = {"extra_specs": {"volume_backend_name": backend}}
    return ApiObject(
        type="volume_type",
        name=name,
        body={**body, "encryption": dict(encryption)} if encryption else body,
        credentials=context.admin_credentials,
        phase=Phase.DEMO,
        tags=make_tags("cinder"),
    )


def _declare_services_alive(context: NodeContext, node: NodeContext) -> Sequence[Resource]:
    """Declare that a node's Cinder services report themselves to the API.

    A volume service that cannot reach its backend does not.
    """
    host = node.facts.system.hostname
    names = ["cinder-scheduler@" + host] if node.has_role("controller") else []
    if node.has_role("storage"):
        names += ["cinder-backup@" + host, *(f"cinder-volume@{host}@{name}" for name in backends(context))]
    return [
        ApiObject(
            type="volume_service",
            name=name,
            body={"alive": True},
            credentials=context.admin_credentials,
            phase=Phase.VERIFY,
            tags=make_tags("cinder"),
        )
        for name in names
    ]
