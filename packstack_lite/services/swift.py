"""Swift: objects. Proxy, account, container and object servers, their rings, and what they are kept on."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import List, Sequence

from packstack_lite.resources import Directory, Entity, File, FileSystem, Rings, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import catalog
from packstack_lite.services.cloud import PORTS, Cloud, tags

# The storage servers ask for no token: they listen where nobody else can reach them.
STORAGE_IP = "127.0.0.1"
KINDS = ("account", "container", "object")
# What works on the stored data besides the servers. Sync, sharder, reconciler and reconstructor serve
# features that an all-in-one does not have: they are masked, as their packages would start them.
WORKERS = {
    "account": ("auditor", "reaper", "replicator"),
    "container": ("auditor", "replicator", "updater"),
    "object": ("auditor", "replicator", "updater"),
}
UNWANTED = ("container-sync", "container-sharder", "container-reconciler", "object-reconstructor")
# Packstack's role for users of the store who are not plain members.
OPERATOR = "SwiftOperator"
LOOPBACK = "swiftloopback"


@dataclass(frozen=True)
class Device:
    """Something that objects are kept on: its name below the devices' directory, what is mounted there, its zone.

    Without a ``source`` it is a plain directory.
    """

    name: str
    source: str
    zone: int


def wanted(cloud: Cloud) -> bool:
    """Whether the answers ask for an object store."""
    return cloud.says("CONFIG_SWIFT_INSTALL")


def mounts(cloud: Cloud) -> bool:
    """Whether file systems can be mounted here: a container has neither loop devices nor disks of its own."""
    return not cloud.facts.container


def devices(cloud: Cloud) -> List[Device]:
    """The devices of the answers; without any a file, or a directory where files cannot be mounted."""
    answer = [str(path) for path in cloud["CONFIG_SWIFT_STORAGES"]]
    if not answer or not mounts(cloud):
        file = posixpath.join(cloud.profile.path("swift-loopback"), LOOPBACK)
        return [Device(LOOPBACK, file if mounts(cloud) else "", 1)]
    zones = max(1, int(cloud["CONFIG_SWIFT_STORAGE_ZONES"]))
    # By its own name, so that another order of the answers changes nothing.
    names = [re.sub(r"\W", "_", posixpath.basename(path)) for path in answer]
    return [Device(name, path, place % zones + 1) for place, (name, path) in enumerate(zip(names, answer))]


def declare(cloud: Cloud) -> List[Resource]:
    """The object store on this host."""
    kept = devices(cloud)
    storage = [resource for device in kept for resource in _storage(cloud, device)]
    common = cloud.file("swift", "swift", group=cloud.profile.user("swift"))
    rings = _rings(cloud, kept)
    role = Entity(type="role", name=OPERATOR, api=cloud.api, phase=Phase.CATALOG, tags=tags("swift"))
    url = cloud.endpoint("swift", "/v1/AUTH_%(project_id)s")
    return [
        *storage,
        common,
        *cloud.optional("swift", "swift-tmpfiles"),
        rings,
        role,
        catalog.account(cloud, "swift", cloud["CONFIG_SWIFT_KS_PW"]),
        *catalog.service(cloud, "swift", "object-store", url, "OpenStack Object Storage"),
        *[_masked(cloud, f"swift-{name}") for name in UNWANTED],
        *(_replication(cloud) if len(kept) > 1 else []),
        *[resource for kind in KINDS for resource in _servers(cloud, kind, [common], rings)],
        *_proxy(cloud, [common], rings),
    ]


def _masked(cloud: Cloud, role: str) -> Unit:
    return Unit(name=cloud.profile.unit(role), state="masked", enabled=False, phase=Phase.PLATFORM, tags=tags("swift"))


def _storage(cloud: Cloud, device: Device) -> List[Resource]:
    user, where = cloud.profile.user("swift"), posixpath.join(cloud.profile.path("swift-devices"), device.name)
    directory = Directory(path=where, owner=user, group=user, phase=Phase.CONFIGURE, tags=tags("swift"))
    if not device.source:
        return [directory]
    is_file = not device.source.startswith("/dev/")
    system = FileSystem(
        path=device.source,
        type=str(cloud["CONFIG_SWIFT_STORAGE_FSTYPE"]),
        size=str(cloud["CONFIG_SWIFT_STORAGE_SIZE"]) if is_file else "",
        phase=Phase.PLATFORM,
        tags=tags("swift"),
    )
    name = where.strip("/").replace("/", "-") + ".mount"
    content = cloud.render(
        "swift/etc/systemd/system/srv-node.mount.j2", source=device.source, where=where, type=system.type, loop=is_file
    )
    unit_file = File(
        path=posixpath.join(cloud.profile.path("units"), name),
        content=content,
        phase=Phase.PLATFORM,
        tags=tags("swift"),
    )
    mount = Unit(
        name=name,
        watches=(unit_file,),
        needs=(system.id,),
        ready=f"mountpoint -q {where}",
        phase=Phase.PLATFORM,
        tags=tags("swift"),
    )
    return [system, unit_file, mount, directory]


def _rings(cloud: Cloud, kept: Sequence[Device]) -> Rings:
    return Rings(
        directory=posixpath.dirname(cloud.profile.path("swift")),
        root=cloud.profile.path("swift-devices"),
        ip=STORAGE_IP,
        ports={kind: PORTS[f"swift-{kind}"] for kind in KINDS},
        devices={device.name: device.zone for device in kept},
        replicas=max(1, int(cloud["CONFIG_SWIFT_STORAGE_REPLICAS"])),
        phase=Phase.CONFIGURE,
        tags=tags("swift"),
    )


def _replication(cloud: Cloud) -> List[Resource]:
    """Copies travel by rsync, from one device of this host to another too."""
    config = cloud.file("swift", "rsyncd", kinds=KINDS, ip=STORAGE_IP)
    return [config, cloud.unit("rsync", "swift", [config])]


def _servers(cloud: Cloud, kind: str, watches: Sequence[Resource], rings: Rings) -> List[Resource]:
    config = cloud.file(
        "swift",
        f"swift-{kind}",
        group=cloud.profile.user("swift"),
        ip=STORAGE_IP,
        port=PORTS[f"swift-{kind}"],
        mounted=mounts(cloud),
    )
    read, needs = [*watches, config], [rings.id]
    ready = cloud.http_ready(f"http://{STORAGE_IP}:{PORTS[f'swift-{kind}']}/healthcheck")
    server = cloud.unit(f"swift-{kind}", "swift", read, needs=needs, ready=ready)
    workers = [cloud.unit(f"swift-{kind}-{worker}", "swift", read, needs=needs) for worker in WORKERS[kind]]
    return [config, server, *workers]


def _proxy(cloud: Cloud, watches: Sequence[Resource], rings: Rings) -> List[Resource]:
    config = cloud.file(
        "swift", "swift-proxy", group=cloud.profile.user("swift"), port=PORTS["swift"], operator=OPERATOR
    )
    ready = cloud.http_ready(cloud.endpoint("swift", "/healthcheck"))
    return [config, cloud.unit("swift-proxy", "swift", [*watches, config], needs=[rings.id], ready=ready)]
