"""Swift, the object store: servers, rings and devices."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import List, Sequence

from packstack_lite.resources import File, FileSystem, StateDirectory, SwiftRings, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import quote_sh
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import PORTS, NodeContext, make_tags
from packstack_lite.services._base.spec import Api, Port, ServiceSpec, StoredKey

# The storage servers require no token, so they listen on loopback.
STORAGE_IP = "127.0.0.1"
SERVER_KINDS = ("account", "container", "object")
# Daemons that work on the stored data. Sync, sharder, reconciler and reconstructor serve features that
# a cloud with one storage node does not have: they are masked, because their packages would start them.
WORKER_KINDS = {
    "account": ("auditor", "reaper", "replicator"),
    "container": ("auditor", "replicator", "updater"),
    "object": ("auditor", "replicator", "updater"),
}
MASKED_SERVICES = ("container-sync", "container-sharder", "container-reconciler", "object-reconstructor")
# Packstack's role for users who may manage the store's accounts.
OPERATOR_ROLE = "SwiftOperator"
# Who has it may use every account, set quotas and delete accounts (Swift's middleware keystoneauth).
RESELLER_ROLE = "ResellerAdmin"
LOOPBACK_NAME = "swiftloopback"
SPEC = ServiceSpec(
    name="swift",
    answer="CONFIG_SWIFT_INSTALL",
    apis=(
        Api(
            "object-store",
            "swift",
            8080,
            "/v1/AUTH_%(project_id)s",
            "OpenStack Object Storage",
            units=("swift-proxy",),
        ),
    ),
    ports=(
        Port("swift-object", 6200, ("swift-object",)),
        Port("swift-container", 6201, ("swift-container",)),
        Port("swift-account", 6202, ("swift-account",)),
    ),
    # 873 is rsync's, by which copies travel between devices.
    internal_ports=("873", "6200-6202"),
    units=(
        "swift-proxy",
        *[f"swift-{kind}" for kind in SERVER_KINDS],
        *[f"swift-{kind}-{worker}" for kind, workers in WORKER_KINDS.items() for worker in workers],
        *[f"swift-{name}" for name in MASKED_SERVICES],
        "rsync",
    ),
    user="swift",
    account_parameter="CONFIG_SWIFT_KS_PW",
    admin_roles=(OPERATOR_ROLE, RESELLER_ROLE),
    stored_keys=(StoredKey("CONFIG_SWIFT_HASH", "swift/swift.conf", "swift_hash_path_suffix", "every object"),),
    stores_data=True,
    template_dir="swift",
    smoke_cases=("objects",),
)


@dataclass(frozen=True)
class StorageDevice:
    """A device of the ring: name, source and zone.

    ``name`` is below the devices' directory, where ``source`` is mounted.

    Without a ``source`` (a device or a file) it is a plain directory.
    """

    name: str
    source: str
    zone: int


def is_enabled(context: NodeContext) -> bool:
    """Return whether the answers ask for an object store."""
    return SPEC.is_requested(context)


def can_mount(context: NodeContext) -> bool:
    """Return whether this node can mount file systems.

    A container has no loop devices and no disks.
    """
    return not context.facts.system.is_container


def storage_devices(context: NodeContext) -> List[StorageDevice]:
    """List the devices that CONFIG_SWIFT_STORAGES names; one file if it is empty.

    A container, which cannot mount, gets one plain directory instead, whatever the answer.
    """
    answer = [str(path) for path in context["CONFIG_SWIFT_STORAGES"]]
    if not answer or not can_mount(context):
        file = posixpath.join(context.profile.path("swift-loopback"), LOOPBACK_NAME)
        return [StorageDevice(LOOPBACK_NAME, file if can_mount(context) else "", 1)]
    zones = max(1, int(context["CONFIG_SWIFT_STORAGE_ZONES"]))
    # Named after the device, so that the order in the answers does not matter.
    names = [re.sub(r"\W", "_", posixpath.basename(path)) for path in answer]
    return [StorageDevice(name, path, index % zones + 1) for index, (name, path) in enumerate(zip(names, answer))]


def declare(context: NodeContext) -> List[Resource]:
    """Declare the object store on this node."""
    devices = storage_devices(context)
    storage = [resource for device in devices for resource in _declare_device(context, device)]
    common = context.render_file("swift", "swift", group=context.profile.user("swift"))
    rings = _rings(context, devices)
    return [
        *storage,
        common,
        *context.render_optional_files("swift", "swift-tmpfiles"),
        rings,
        *catalog.declare_catalog(context, SPEC),
        *[_declare_masked_unit(context, f"swift-{name}") for name in MASKED_SERVICES],
        *(_declare_replication(context) if len(devices) > 1 else []),
        *[resource for kind in SERVER_KINDS for resource in _declare_server(context, kind, [common], rings)],
        *_declare_proxy(context, [common], rings),
    ]


def _declare_masked_unit(context: NodeContext, role: str) -> Unit:
    """Declare that a role's unit is masked: the package enables what is not used."""
    return Unit(
        name=context.profile.unit(role), state="masked", enabled=False, phase=Phase.PLATFORM, tags=make_tags("swift")
    )


def _declare_device(context: NodeContext, device: StorageDevice) -> List[Resource]:
    """Declare a device's file system, mount and directory."""
    user, mount_point = (
        context.profile.user("swift"),
        posixpath.join(context.profile.path("swift-devices"), device.name),
    )
    directory = StateDirectory(
        path=mount_point,
        owner=user,
        mode="0755",
        content="store",
        excluded=("lost+found",),
        phase=Phase.CONFIGURE,
        tags=make_tags("swift"),
    )
    if not device.source:
        return [directory]
    is_file = not device.source.startswith("/dev/")
    file_system = FileSystem(
        path=device.source,
        type=str(context["CONFIG_SWIFT_STORAGE_FSTYPE"]),
        size=str(context["CONFIG_SWIFT_STORAGE_SIZE"]) if is_file else "",
        phase=Phase.PLATFORM,
        tags=make_tags("swift"),
    )
    name = mount_point.strip("/").replace("/", "-") + ".mount"
    content = context.render(
        "swift/etc/systemd/system/srv-node.mount.j2",
        source=device.source,
        where=mount_point,
        type=file_system.type,
        loop=is_file,
    )
    unit_file = File(
        path=posixpath.join(context.profile.path("units"), name),
        content=content,
        phase=Phase.PLATFORM,
        tags=make_tags("swift"),
    )
    mount = Unit(
        name=name,
        restart_triggers=(unit_file,),
        needs=(file_system.id,),
        ready_script=f"mountpoint -q {quote_sh(mount_point)}",
        phase=Phase.PLATFORM,
        tags=make_tags("swift"),
    )
    return [file_system, unit_file, mount, directory]


def _rings(context: NodeContext, devices: Sequence[StorageDevice]) -> SwiftRings:
    """Declare the account, container and object rings, which hold all devices."""
    return SwiftRings(
        directory=posixpath.dirname(context.profile.path("swift")),
        devices_root=context.profile.path("swift-devices"),
        ip=STORAGE_IP,
        ports={kind: PORTS[f"swift-{kind}"] for kind in SERVER_KINDS},
        devices={device.name: device.zone for device in devices},
        replicas=max(1, int(context["CONFIG_SWIFT_STORAGE_REPLICAS"])),
        phase=Phase.CONFIGURE,
        tags=make_tags("swift"),
    )


def _declare_replication(context: NodeContext) -> List[Resource]:
    """Declare rsync, which copies objects between devices, also on one node."""
    config = context.render_file("swift", "rsyncd", kinds=SERVER_KINDS, ip=STORAGE_IP)
    return [config, context.declare_unit("rsync", "swift", [config])]


def _declare_server(
    context: NodeContext, kind: str, restart_triggers: Sequence[Resource], rings: SwiftRings
) -> List[Resource]:
    """Declare one kind of server with its workers."""
    config = context.render_file(
        "swift",
        f"swift-{kind}",
        group=context.profile.user("swift"),
        ip=STORAGE_IP,
        port=PORTS[f"swift-{kind}"],
        mounted=can_mount(context),
    )
    restart_triggers, needs = [*restart_triggers, config], [rings.id]
    ready = context.http_check(f"http://{STORAGE_IP}:{PORTS[f'swift-{kind}']}/healthcheck")
    server = context.declare_unit(f"swift-{kind}", "swift", restart_triggers, needs=needs, ready=ready)
    workers = [
        context.declare_unit(f"swift-{kind}-{worker}", "swift", restart_triggers, needs=needs)
        for worker in WORKER_KINDS[kind]
    ]
    return [config, server, *workers]


def _declare_proxy(context: NodeContext, restart_triggers: Sequence[Resource], rings: SwiftRings) -> List[Resource]:
    """Declare the proxy, which serves the API."""
    config = context.render_file(
        "swift",
        "swift-proxy",
        group=context.profile.user("swift"),
        port=PORTS["swift"],
        operator=OPERATOR_ROLE,
        reseller=RESELLER_ROLE,
    )
    ready = context.http_check(context.endpoint_url("swift", "/healthcheck"))
    return [
        config,
        context.declare_unit("swift-proxy", "swift", [*restart_triggers, config], needs=[rings.id], ready=ready),
    ]
