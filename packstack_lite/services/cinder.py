"""Cinder: volumes. The API, scheduler, backup, and one volume service for all backends."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from packstack_lite.resources import Entity
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import catalog, ceph, lvm, swift
from packstack_lite.services.cloud import Account, Cloud, tags
from packstack_lite.services.schema import database, sync
from packstack_lite.services.wsgi import runner

# Backend -> the volume type that leads to it. Packstack's names, but for ceph, which it does not have.
TYPES: Mapping[str, str] = {"lvm": "iscsi", "nfs": "nfs", "ceph": "ceph"}
# Backend -> the group of packages by which a hypervisor reaches its volumes. os-brick's own packages name none of the
# programs that it runs (lsscsi, and sg_scan before it, to extend a volume that is attached).
REACH: Mapping[str, str] = {"lvm": "iscsi", "nfs": "cinder-nfs", "ceph": "cinder-ceph"}
# What an encrypted volume is called and how it is encrypted: by the host that attaches it, as the
# users of this project have made theirs (openstack volume type create --encryption-...).
ENCRYPTED = "LUKS"
LUKS: Mapping[str, Any] = {
    "provider": "luks",
    "cipher": "aes-xts-plain64",
    "key_size": 256,
    "control_location": "front-end",
}


def wanted(cloud: Cloud) -> bool:
    """Whether the answers ask for volumes."""
    return cloud.says("CONFIG_CINDER_INSTALL")


def backends(cloud: Cloud) -> List[str]:
    """Every backend of the answers, the one of the default type first."""
    return [str(name) for name in cloud["CONFIG_CINDER_BACKEND"] if name in TYPES]


def encrypts(cloud: Cloud) -> bool:
    """Whether there is a type of encrypted volumes."""
    return wanted(cloud) and cloud.says("CONFIG_CINDER_VOLUME_ENCRYPTION")


def groups(cloud: Cloud) -> List[str]:
    """The groups of packages that the backends bring along, where volumes are kept and where instances reach them."""
    if not wanted(cloud):
        return []
    kept = [f"cinder-{name}" for name in backends(cloud)] if cloud.has("storage") else []
    reached = [REACH[name] for name in backends(cloud)] if cloud.has("compute") else []
    makes = ["ceph"] if ceph.makes(cloud) and cloud.has("storage") else []
    return [*kept, *reached, *makes]


def declare(cloud: Cloud) -> List[Resource]:
    """Block storage: API and scheduler on the controller, the volumes on the storage host."""
    account = Account("cinder", cloud["CONFIG_CINDER_DB_PW"], "cinder")
    config, stores = _config(cloud, account), _stores(cloud)
    how = runner(cloud, "cinder", "cinder", cloud.profile.user("cinder"))
    url = cloud.endpoint("cinder", "/v3/%(project_id)s")
    ready = cloud.http_ready(cloud.endpoint("cinder", "/"))
    watches = [config, *[store for store in stores if store.kind == "file" and store.phase is Phase.CONFIGURE]]
    needs = [store.id for store in stores if store.kind == "once" and store.phase is Phase.SERVICES]
    volumes = [
        *stores,
        *_patient_qemu(cloud),
        cloud.unit("cinder-volume", "cinder", watches, needs=needs),
        cloud.unit("cinder-backup", "cinder", watches, needs=needs),
    ]
    if not cloud.has("controller"):
        return [config, *volumes]
    return [
        config,
        *how,
        *(volumes if cloud.has("storage") else []),
        database(cloud, "cinder", account, [place.address for place in cloud.of_role("storage")]),
        sync(cloud, "cinder", cloud.as_user("cinder", "cinder-manage db sync")),
        catalog.account(cloud, "cinder", cloud["CONFIG_CINDER_KS_PW"]),
        *catalog.service(cloud, "cinderv3", "volumev3", url, "OpenStack Block Storage", tag="cinder"),
        cloud.unit("cinder-api", "cinder", [config, *how], ready=ready),
        cloud.unit("cinder-scheduler", "cinder", [config]),
        *_types(cloud),
        *_alive(cloud, cloud),
    ]


def joined(controller: Cloud, member: Cloud) -> List[Resource]:
    """What the controller sees of the volume services on another host."""
    return list(_alive(controller, member))


def _config(cloud: Cloud, account: Account) -> Resource:
    return cloud.file(
        "cinder",
        "cinder",
        group=cloud.profile.user("cinder"),
        controls=cloud.has("controller"),
        connection=cloud.db_url(account),
        backends=backends(cloud),
        types=TYPES,
        backup_to_swift=swift.wanted(cloud),
        encrypts=encrypts(cloud),
        ceph_conf=ceph.conf(cloud) if ceph.used(cloud) else "",
        ceph_secret=ceph.SECRET,
    )


def _patient_qemu(cloud: Cloud) -> List[Resource]:
    """A qemu-img that tries again, for backends whose driver has it make the keys (rbd.py, remotefs.py); those of
    LVM are made by cryptsetup. Read anew by each run, so nothing restarts for it."""
    needed = encrypts(cloud) and {"ceph", "nfs"} & set(backends(cloud))
    return [cloud.file("cinder", "/usr/sbin/qemu-img", mode=0o755)] if needed else []


def _stores(cloud: Cloud) -> List[Resource]:
    """What the backends stand on."""
    found: List[Resource] = []
    for name in backends(cloud):
        found += {"lvm": lvm.declare, "nfs": _exports, "ceph": ceph.declare}[name](cloud)
    return found


def _exports(cloud: Cloud) -> List[Resource]:
    shares = [str(share) for share in cloud["CONFIG_CINDER_NFS_MOUNTS"]]
    return [cloud.file("cinder", "nfs-shares", group=cloud.profile.user("cinder"), shares=shares)]


def _types(cloud: Cloud) -> List[Resource]:
    """A type per backend; the encrypted one goes to the first backend."""
    names = backends(cloud)
    found: List[Resource] = [_type(cloud, TYPES[name], name) for name in names]
    if encrypts(cloud) and names:
        found.append(_type(cloud, ENCRYPTED, names[0], LUKS))
    return found


def _type(cloud: Cloud, name: str, backend: str, encryption: Mapping[str, Any] = {}) -> Entity:
    body: Dict[str, Any] = {"extra_specs": {"volume_backend_name": backend}}
    return Entity(
        type="volume_type",
        name=name,
        body={**body, "encryption": dict(encryption)} if encryption else body,
        api=cloud.api,
        phase=Phase.DEMO,
        tags=tags("cinder"),
    )


def _alive(cloud: Cloud, member: Cloud) -> Sequence[Resource]:
    """Each service has reported itself; a volume service that cannot reach its backend does not."""
    host = member.facts.hostname
    names = ["cinder-scheduler@" + host] if member.has("controller") else []
    if member.has("storage"):
        names += ["cinder-backup@" + host, *(f"cinder-volume@{host}@{name}" for name in backends(cloud))]
    return [
        Entity(
            type="volume_service",
            name=name,
            body={"alive": True},
            api=cloud.api,
            phase=Phase.VERIFY,
            tags=tags("cinder"),
        )
        for name in names
    ]
