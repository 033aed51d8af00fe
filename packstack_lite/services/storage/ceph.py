"""Cinder volumes on Ceph.

An existing cluster, or a cluster of one node in user space that is created here.
"""

from __future__ import annotations

import base64
import posixpath
import struct
import uuid
from typing import List

from packstack_lite.resources import File, RunOnce, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret, quote_sh
from packstack_lite.services._base.context import PORTS, NodeContext, make_tags
from packstack_lite.services._base.schema import read_program

# libvirt's name for the key by which instances access their volumes.
LIBVIRT_SECRET_UUID = "8d5f2c9e-31c4-4d0b-9a57-52d4c0a1e7b6"
# Without a URI virsh probes for a daemon, and finds none where libvirt is split into daemons (libvirt 11 on EL 9).
VIRSH = "virsh -c qemu:///system"
# Few, because each needs memory and this cluster has one disk.
PLACEMENT_GROUPS = 8
GIB = 2**30


def is_used(context: NodeContext) -> bool:
    """Return whether Ceph is a volume backend."""
    return context.is_enabled("CONFIG_CINDER_INSTALL") and "ceph" in context["CONFIG_CINDER_BACKEND"]


def creates_cluster(context: NodeContext) -> bool:
    """Return whether the cluster is created here rather than an existing one."""
    return is_used(context) and context.is_enabled("CONFIG_CINDER_CEPH_CREATE")


def conf_path(context: NodeContext) -> str:
    """Return the path of ceph.conf, which every client on this node reads."""
    return context.profile.path("ceph") if creates_cluster(context) else str(context["CONFIG_CINDER_CEPH_CONF"])


def keyring_path(context: NodeContext) -> str:
    """Return the path of Cinder's keyring.

    It is next to ceph.conf, where Ceph's clients look for it.
    """
    return posixpath.join(
        posixpath.dirname(conf_path(context)), f"ceph.client.{context['CONFIG_CINDER_CEPH_USER']}.keyring"
    )


def declare(context: NodeContext) -> List[Resource]:
    """Declare the cluster if it is created here.

    Otherwise make the existing keyring readable for Cinder.
    """
    return _declare_cluster(context) if creates_cluster(context) else [_declare_readable_keyring(context)]


def declare_for_hypervisor(context: NodeContext) -> List[Resource]:
    """Declare what a hypervisor needs to attach volumes.

    A storage node has the keyring already.
    """
    if not is_used(context):
        return []
    keyring_files = (
        [_declare_keyring_file(context, "root", 0o600)]
        if creates_cluster(context) and not context.has_role("storage")
        else []
    )
    return [*keyring_files, _declare_libvirt_secret(context)]


def encode_cephx_key(seed: Secret) -> str:
    """Encode the first 16 of 32 bytes (URL-safe base64) as a cephx key, in base64.

    Layout: type 1, creation time 0, length, key (CryptoKey::encode in Ceph's src/auth/Crypto.cc).
    """
    secret = base64.urlsafe_b64decode(seed.reveal())[:16]
    return base64.b64encode(struct.pack("<HIIH", 1, 0, 0, len(secret)) + secret).decode()


def _declare_keyring_file(context: NodeContext, group: str, mode: int) -> File:
    """Declare the keyring of Cinder's user, which the new cluster imports."""
    key = encode_cephx_key(context["CONFIG_CINDER_CEPH_KEY"])
    return File(
        path=keyring_path(context),
        content=f"[client.{context['CONFIG_CINDER_CEPH_USER']}]\nkey = {key}\n",
        mode=mode,
        group=group,
        is_secret=True,
        phase=Phase.PLATFORM,
        tags=make_tags("cinder"),
    )


def _declare_libvirt_secret(context: NodeContext) -> RunOnce:
    """Declare libvirt's copy of the key; instances refer to it by LIBVIRT_SECRET_UUID."""
    path = quote_sh(keyring_path(context))
    key = f"sed -n 's/^[[:space:]]*key *= *//p' {path}"
    usage = "<usage type='ceph'><name>cinder</name></usage>"
    xml = f"<secret ephemeral='no' private='no'><uuid>{LIBVIRT_SECRET_UUID}</uuid>{usage}</secret>"
    return RunOnce(
        name="nova-ceph-secret",
        script=f"""
[ -s {path} ] || {{ echo "there is no "{path}": copy it from the Ceph cluster" >&2; exit 1; }}
printf '%s' "{xml}" > /run/packstack-lite-secret.xml
{VIRSH} secret-define /run/packstack-lite-secret.xml || exit 1
rm /run/packstack-lite-secret.xml
{key} | tr -d '\\n' | {VIRSH} secret-set-value --secret {LIBVIRT_SECRET_UUID} --file /dev/stdin
""",
        probe_script=f"""
command -v virsh >/dev/null && [ -s {path} ] || exit 75
[ "$(timeout 10 {VIRSH} secret-get-value {LIBVIRT_SECRET_UUID} 2>/dev/null | head -n 1)" = "$({key})" ]""",
        known_after=Phase.SERVICES,
        description="give libvirt the key of Ceph's user",
        phase=Phase.SERVICES,
        tags=make_tags("nova", "cinder"),
        needs=(context.unit_id("libvirt"),),
    )


def _declare_readable_keyring(context: NodeContext) -> RunOnce:
    """Declare that Cinder's group may read the keyring of an existing cluster."""
    group, path = context.profile.user("cinder"), quote_sh(keyring_path(context))
    return RunOnce(
        name="ceph-keyring",
        script=f"chgrp {group} {path} && chmod 0640 {path}",
        probe_script=f"[ -e {path} ] || exit 75; [ \"$(stat -c '%G %a' {path})\" = '{group} 640' ]",
        known_after=Phase.PLATFORM,
        description="let Cinder read Ceph's keyring",
        phase=Phase.CONFIGURE,
        tags=make_tags("cinder"),
    )


def _declare_cluster(context: NodeContext) -> List[Resource]:
    """Declare monitor, manager, one storage daemon in a file, the pool and its user.

    Each step may be repeated.
    """
    name = context.facts.system.hostname.split(".")[0]
    fsid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.packstack-lite"))
    config = _declare_ceph_config(context, name, fsid)
    settings = _script_settings(context, name, fsid)
    key = _declare_keyring_file(context, context.profile.user("cinder"), 0o640)
    monitor = _declare_step(context, "monitor", settings, config.id)
    monitor_unit = _declare_daemon(context, "ceph-mon", name, config, monitor, "ceph --connect-timeout 5 mon stat")
    manager = _declare_step(context, "manager", settings, monitor_unit.id)
    storage = _declare_step(context, "storage", settings, monitor_unit.id)
    storage_unit = _declare_daemon(context, "ceph-osd", "0", config, storage, "ceph osd stat | grep -q ' 1 up'")
    return [
        config,
        *[_declare_enabled_target(context, role) for role in ("ceph-mon", "ceph-mgr", "ceph-osd")],
        monitor,
        monitor_unit,
        manager,
        _declare_daemon(context, "ceph-mgr", name, config, manager, "true"),
        storage,
        storage_unit,
        key,
        _declare_step(context, "pool", settings, storage_unit.id, key.id),
    ]


def _declare_ceph_config(context: NodeContext, name: str, fsid: str) -> File:
    """Declare ceph.conf of the new cluster."""
    return context.render_file(
        "ceph",
        "ceph",
        phase=Phase.PLATFORM,
        name=name,
        fsid=fsid,
        size=int(str(context["CONFIG_CINDER_CEPH_SIZE"]).rstrip("G")) * GIB,
        placement_groups=PLACEMENT_GROUPS,
        ports=PORTS,
    )


def _script_settings(context: NodeContext, name: str, fsid: str) -> str:
    """Return the variable assignments at the head of each step's script."""
    values = {
        "name": name,
        "fsid": fsid,
        "osd": str(uuid.uuid5(uuid.UUID(fsid), "osd.0")),
        "addresses": f"[v2:{context.node_address}:{PORTS['ceph']},v1:{context.node_address}:{PORTS['ceph-old']}]",
        "pool": context["CONFIG_CINDER_CEPH_POOL"],
        "user": context["CONFIG_CINDER_CEPH_USER"],
        "keyring": keyring_path(context),
        "groups": PLACEMENT_GROUPS,
    }
    return "".join(f"{key}={quote_sh(value)}\n" for key, value in values.items())


# Step -> shell test that it was done, by files alone where possible.
_STEP_DONE = {
    "monitor": "[ -d /var/lib/ceph/mon/ceph-$name/store.db ]",
    "manager": "[ -s /var/lib/ceph/mgr/ceph-$name/keyring ]",
    "storage": "[ -s /var/lib/ceph/osd/ceph-0/ready ]",
    "pool": 'command -v ceph >/dev/null && ask="timeout 10 ceph --connect-timeout 5" && '
    '$ask osd pool ls 2>/dev/null | grep -qxF "$pool" && '
    '[ "$($ask auth get-key "client.$user")" = "$(sed -n "s/^key = //p" "$keyring")" ]',
}


def _declare_step(context: NodeContext, step: str, settings: str, *needs: str) -> RunOnce:
    """Declare one step of the cluster's creation.

    It runs in a shell of its own, because "set -e" has no effect in RunOnce's command list.

    The script skips a completed step even if the record of it is lost: it would overwrite the cluster.
    """
    source = f"{settings}if {_STEP_DONE[step]}\nthen exit 0; fi\n{read_program('ceph_cluster.sh').decode()}{step}"
    return RunOnce(
        name=f"ceph-{step}",
        script=f"sh -c {quote_sh(source)}",
        probe_script=settings + _STEP_DONE[step],
        known_after=Phase.PLATFORM,
        description=f"make Ceph's {step}",
        phase=Phase.PLATFORM,
        tags=make_tags("cinder"),
        needs=needs,
    )


def _declare_enabled_target(context: NodeContext, role: str) -> Unit:
    """Declare a role's target, which starts its enabled daemons at boot."""
    return Unit(name=f"{context.profile.unit(role)}.target", phase=Phase.PLATFORM, tags=make_tags("cinder"))


def _declare_daemon(context: NodeContext, role: str, instance: str, config: File, step: RunOnce, ready: str) -> Unit:
    """Declare a daemon of the cluster, after the step that creates its data."""
    return context.declare_unit(
        role, "cinder", [config], needs=[step.id], ready=ready, phase=Phase.PLATFORM, instance=instance
    )
