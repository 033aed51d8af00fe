"""Swift: objects. Proxy, account, container and object servers, their rings, and what they are kept on."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import List, Sequence

from packstack_lite.resources import ApiObject, Directory, File, FileSystem, SwiftRings, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import quote_sh
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import PORTS, NodeContext, make_tags

# The storage servers ask for no token: they listen where nobody else can reach them.
STORAGE_IP = "127.0.0.1"
SERVER_KINDS = ("account", "container", "object")
# What works on the stored data besides the servers. Sync, sharder, reconciler and reconstructor serve
# features that an all-in-one does not have: they are masked, as their packages would start them.
WORKER_KINDS = {
    "account": ("auditor", "reaper", "replicator"),
    "container": ("auditor", "replicator", "updater"),
    "object": ("auditor", "replicator", "updater"),
}
MASKED_SERVICES = ("container-sync", "container-sharder", "container-reconciler", "object-reconstructor")
# Packstack's role for users of the store who are not plain members.
OPERATOR_ROLE = "SwiftOperator"
LOOPBACK_NAME = "swiftloopback"


@dataclass(frozen=True)
class StorageDevice:
    """Something that objects are kept on: its name below the devices' directory, what is mounted there, its zone.

    Without a ``source`` it is a plain directory.
    """

    name: str
    source: str
    zone: int


def is_enabled(context: NodeContext) -> bool:
    """Whether the answers ask for an object store."""
    return context.is_enabled("CONFIG_SWIFT_INSTALL")


def can_mount(context: NodeContext) -> bool:
    """Whether file systems can be mounted here: a container has neither loop devices nor disks of its own."""
    return not context.facts.system.is_container


def storage_devices(context: NodeContext) -> List[StorageDevice]:
    """The devices of the answers; without any a file, or a directory where files cannot be mounted."""
    answer = [str(path) for path in context["CONFIG_SWIFT_STORAGES"]]
    if not answer or not can_mount(context):
        file = posixpath.join(context.profile.path("swift-loopback"), LOOPBACK_NAME)
        return [StorageDevice(LOOPBACK_NAME, file if can_mount(context) else "", 1)]
    zones = max(1, int(context["CONFIG_SWIFT_STORAGE_ZONES"]))
    # By its own name, so that another order of the answers changes nothing.
    names = [re.sub(r"\W", "_", posixpath.basename(path)) for path in answer]
    return [StorageDevice(name, path, index % zones + 1) for index, (name, path) in enumerate(zip(names, answer))]


def declare(context: NodeContext) -> List[Resource]:
    """The object store on this host."""
    devices = storage_devices(context)
    storage = [resource for device in devices for resource in _device_resources(context, device)]
    common = context.render_file("swift", "swift", group=context.profile.user("swift"))
    rings = _rings(context, devices)
    role = ApiObject(
        type="role",
        name=OPERATOR_ROLE,
        credentials=context.admin_credentials,
        phase=Phase.CATALOG,
        tags=make_tags("swift"),
    )
    url = context.endpoint_url("swift", "/v1/AUTH_%(project_id)s")
    return [
        *storage,
        common,
        *context.render_optional_files("swift", "swift-tmpfiles"),
        rings,
        role,
        catalog.declare_account(context, "swift", context["CONFIG_SWIFT_KS_PW"]),
        *catalog.declare_service(context, "swift", "object-store", url, "OpenStack Object Storage"),
        *[_masked_unit(context, f"swift-{name}") for name in MASKED_SERVICES],
        *(_replication(context) if len(devices) > 1 else []),
        *[resource for kind in SERVER_KINDS for resource in _server_resources(context, kind, [common], rings)],
        *_proxy_resources(context, [common], rings),
    ]


def _masked_unit(context: NodeContext, role: str) -> Unit:
    return Unit(
        name=context.profile.unit(role), state="masked", enabled=False, phase=Phase.PLATFORM, tags=make_tags("swift")
    )


def _device_resources(context: NodeContext, device: StorageDevice) -> List[Resource]:
    user, mount_point = (
        context.profile.user("swift"),
        posixpath.join(context.profile.path("swift-devices"), device.name),
    )
    directory = Directory(path=mount_point, owner=user, group=user, phase=Phase.CONFIGURE, tags=make_tags("swift"))
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


def _replication(context: NodeContext) -> List[Resource]:
    """Copies travel by rsync, from one device of this host to another too."""
    config = context.render_file("swift", "rsyncd", kinds=SERVER_KINDS, ip=STORAGE_IP)
    return [config, context.declare_unit("rsync", "swift", [config])]


def _server_resources(
    context: NodeContext, kind: str, watches: Sequence[Resource], rings: SwiftRings
) -> List[Resource]:
    config = context.render_file(
        "swift",
        f"swift-{kind}",
        group=context.profile.user("swift"),
        ip=STORAGE_IP,
        port=PORTS[f"swift-{kind}"],
        mounted=can_mount(context),
    )
    watched, needs = [*watches, config], [rings.id]
    ready = context.http_check(f"http://{STORAGE_IP}:{PORTS[f'swift-{kind}']}/healthcheck")
    server = context.declare_unit(f"swift-{kind}", "swift", watched, needs=needs, ready=ready)
    workers = [
        context.declare_unit(f"swift-{kind}-{worker}", "swift", watched, needs=needs) for worker in WORKER_KINDS[kind]
    ]
    return [config, server, *workers]


def _proxy_resources(context: NodeContext, watches: Sequence[Resource], rings: SwiftRings) -> List[Resource]:
    config = context.render_file(
        "swift", "swift-proxy", group=context.profile.user("swift"), port=PORTS["swift"], operator=OPERATOR_ROLE
    )
    ready = context.http_check(context.endpoint_url("swift", "/healthcheck"))
    return [config, context.declare_unit("swift-proxy", "swift", [*watches, config], needs=[rings.id], ready=ready)]
