"""Volumes on Ceph: a cluster that is there, or one of a single node made here, entirely in user space."""

from __future__ import annotations

import base64
import posixpath
import struct
import uuid
from typing import List

from packstack_lite.resources import File, Once, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services.cloud import PORTS, Cloud, tags
from packstack_lite.services.schema import program

# By this name libvirt knows the key that instances reach their volumes with.
SECRET = "8d5f2c9e-31c4-4d0b-9a57-52d4c0a1e7b6"
# Without a URI it looks which daemon answers, and finds none where each task has one of its own (libvirt 11 on EL9).
VIRSH = "virsh -c qemu:///system"
# Few, as each costs memory and this cluster has one disk.
PLACEMENT_GROUPS = 8
GIB = 2**30


def used(cloud: Cloud) -> bool:
    """Whether volumes are kept on Ceph."""
    return cloud.says("CONFIG_CINDER_INSTALL") and "ceph" in cloud["CONFIG_CINDER_BACKEND"]


def makes(cloud: Cloud) -> bool:
    """Whether the cluster is made here."""
    return used(cloud) and cloud.says("CONFIG_CINDER_CEPH_CREATE")


def conf(cloud: Cloud) -> str:
    """The cluster's configuration, for every client of it on this host."""
    return cloud.profile.path("ceph") if makes(cloud) else str(cloud["CONFIG_CINDER_CEPH_CONF"])


def keyring(cloud: Cloud) -> str:
    """The key of Cinder's user, where Ceph's own clients look for it."""
    return posixpath.join(posixpath.dirname(conf(cloud)), f"ceph.client.{cloud['CONFIG_CINDER_CEPH_USER']}.keyring")


def declare(cloud: Cloud) -> List[Resource]:
    """The cluster where it is made here, and its key within Cinder's reach."""
    return _cluster(cloud) if makes(cloud) else [_readable(cloud)]


def of_instances(cloud: Cloud) -> List[Resource]:
    """What a hypervisor needs to give instances their volumes; the key is there already where volumes are."""
    if not used(cloud):
        return []
    brought = [_key(cloud, "root", 0o600)] if makes(cloud) and not cloud.has("storage") else []
    return [*brought, _libvirt_secret(cloud)]


def cephx(seed: Secret) -> str:
    """The first half of these 32 bytes (base64, as Fernet's) as a key of Ceph: kind 1, made at no certain time, its
    length, the key (CryptoKey::encode in src/auth/Crypto.cc)."""
    secret = base64.urlsafe_b64decode(seed.reveal())[:16]
    return base64.b64encode(struct.pack("<HIIH", 1, 0, 0, len(secret)) + secret).decode()


def _key(cloud: Cloud, group: str, mode: int) -> File:
    """The user's key, where Ceph's clients look for it; the cluster that is made takes it from there."""
    return File(
        path=keyring(cloud),
        content=f"[client.{cloud['CONFIG_CINDER_CEPH_USER']}]\nkey = {cephx(cloud['CONFIG_CINDER_CEPH_KEY'])}\n",
        mode=mode,
        group=group,
        hidden=True,
        phase=Phase.PLATFORM,
        tags=tags("cinder"),
    )


def _libvirt_secret(cloud: Cloud) -> Once:
    """libvirt's copy of the key; nova-compute's instances find it by SECRET."""
    key = f"sed -n 's/^[[:space:]]*key *= *//p' {keyring(cloud)}"
    usage = "<usage type='ceph'><name>cinder</name></usage>"
    xml = f"<secret ephemeral='no' private='no'><uuid>{SECRET}</uuid>{usage}</secret>"
    return Once(
        name="nova-ceph-secret",
        script=f"""
[ -s {keyring(cloud)} ] || {{ echo "there is no {keyring(cloud)}: copy it from the Ceph cluster" >&2; exit 1; }}
printf '%s' "{xml}" > /run/packstack-lite-secret.xml
{VIRSH} secret-define /run/packstack-lite-secret.xml || exit 1
rm /run/packstack-lite-secret.xml
{key} | tr -d '\\n' | {VIRSH} secret-set-value --secret {SECRET} --file /dev/stdin
""",
        done=f"""
command -v virsh >/dev/null && [ -s {keyring(cloud)} ] || exit 75
[ "$(timeout 10 {VIRSH} secret-get-value {SECRET} 2>/dev/null | head -n 1)" = "$({key})" ]""",
        known_after=Phase.SERVICES,
        phase=Phase.SERVICES,
        tags=tags("nova", "cinder"),
        needs=(cloud.unit_id("libvirt"),),
    )


def _readable(cloud: Cloud) -> Once:
    """Cinder's services read the key of a cluster that is there by their group, whoever put it there."""
    group, path = cloud.profile.user("cinder"), keyring(cloud)
    return Once(
        name="ceph-keyring",
        script=f"chgrp {group} {path} && chmod 0640 {path}",
        done=f"[ -e {path} ] || exit 75; [ \"$(stat -c '%G %a' {path})\" = '{group} 640' ]",
        known_after=Phase.PLATFORM,
        phase=Phase.CONFIGURE,
        tags=tags("cinder"),
    )


def _cluster(cloud: Cloud) -> List[Resource]:
    """Monitor, manager, one storage daemon in a file, the pool and its user. Each step is safe to repeat."""
    name = cloud.facts.hostname.split(".")[0]
    fsid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.packstack-lite"))
    config = _config(cloud, name, fsid)
    told = _settings(cloud, name, fsid)
    key = _key(cloud, cloud.profile.user("cinder"), 0o640)
    monitor = _step(cloud, "monitor", told, config.id)
    monitor_unit = _daemon(cloud, "ceph-mon", name, config, monitor, "ceph --connect-timeout 5 mon stat")
    manager = _step(cloud, "manager", told, monitor_unit.id)
    storage = _step(cloud, "storage", told, monitor_unit.id)
    storage_unit = _daemon(cloud, "ceph-osd", "0", config, storage, "ceph osd stat | grep -q ' 1 up'")
    return [
        config,
        *[_boots(cloud, role) for role in ("ceph-mon", "ceph-mgr", "ceph-osd")],
        monitor,
        monitor_unit,
        manager,
        _daemon(cloud, "ceph-mgr", name, config, manager, "true"),
        storage,
        storage_unit,
        key,
        _step(cloud, "pool", told, storage_unit.id, key.id),
    ]


def _config(cloud: Cloud, name: str, fsid: str) -> File:
    return cloud.file(
        "ceph",
        "ceph",
        phase=Phase.PLATFORM,
        name=name,
        fsid=fsid,
        size=int(str(cloud["CONFIG_CINDER_CEPH_SIZE"]).rstrip("G")) * GIB,
        placement_groups=PLACEMENT_GROUPS,
        ports=PORTS,
    )


def _settings(cloud: Cloud, name: str, fsid: str) -> str:
    """The head of each step's script: what it is about."""
    values = {
        "name": name,
        "fsid": fsid,
        "osd": str(uuid.uuid5(uuid.UUID(fsid), "osd.0")),
        "addresses": f"[v2:{cloud.own_address}:{PORTS['ceph']},v1:{cloud.own_address}:{PORTS['ceph-old']}]",
        "pool": cloud["CONFIG_CINDER_CEPH_POOL"],
        "user": cloud["CONFIG_CINDER_CEPH_USER"],
        "keyring": keyring(cloud),
        "groups": PLACEMENT_GROUPS,
    }
    return "".join(f"{key}='{value}'\n" for key, value in values.items())


# How to see that a step was done, from files alone where that can be.
_DONE = {
    "monitor": "[ -d /var/lib/ceph/mon/ceph-$name/store.db ]",
    "manager": "[ -s /var/lib/ceph/mgr/ceph-$name/keyring ]",
    "storage": "[ -s /var/lib/ceph/osd/ceph-0/ready ]",
    "pool": 'command -v ceph >/dev/null && ask="timeout 10 ceph --connect-timeout 5" && '
    '$ask osd pool ls 2>/dev/null | grep -qxF "$pool" && '
    '[ "$($ask auth get-key "client.$user")" = "$(sed -n "s/^key = //p" "$keyring")" ]',
}


def _step(cloud: Cloud, step: str, settings: str, *needs: str) -> Once:
    """One step, in a shell of its own: within a Once's own list of commands "set -e" has no effect."""
    source = settings + program("ceph_cluster.sh").decode() + step
    return Once(
        name=f"ceph-{step}",
        script=f"sh -c \"$(cat <<'END'\n{source}\nEND\n)\"",
        done=settings + _DONE[step],
        known_after=Phase.PLATFORM,
        says=f"make Ceph's {step}",
        phase=Phase.PLATFORM,
        tags=tags("cinder"),
        needs=needs,
    )


def _boots(cloud: Cloud, role: str) -> Unit:
    """The target that starts a role's daemons with the host: enabling the daemons alone leads only there."""
    return Unit(name=f"{cloud.profile.unit(role)}.target", phase=Phase.PLATFORM, tags=tags("cinder"))


def _daemon(cloud: Cloud, role: str, instance: str, config: File, step: Once, ready: str) -> Unit:
    return cloud.unit(role, "cinder", [config], needs=[step.id], ready=ready, phase=Phase.PLATFORM, instance=instance)
