"""The way instances take from one hypervisor to another: nova's account there lets nova's account here in."""

from __future__ import annotations

import base64
import struct
from typing import List, Tuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from packstack_lite.resources import Directory, File, Once
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services.cloud import Cloud, tags

COMMENT = "nova, packstack-lite"
_KIND = b"ssh-ed25519"


def wanted(cloud: Cloud) -> bool:
    """Whether there is, or will be, another host to go to."""
    return bool(cloud.others) and cloud.has("compute")


def declare(cloud: Cloud) -> List[Resource]:
    """The key pair of all hypervisors, the same on each: one that is added later changes nothing on the others."""
    if not wanted(cloud):
        return []
    user, home = cloud.profile.user("nova"), "/var/lib/nova/.ssh"
    private, public = key_pair(cloud["CONFIG_NOVA_MIGRATION_KEY"])
    room = Directory(path=home, mode=0o700, owner=user, group=user, phase=Phase.CONFIGURE, tags=tags("nova"))
    strict = "no" if "ssh-without-accept-new" in cloud.profile.quirks else "accept-new"
    contents = {
        "id_ed25519": private,
        "authorized_keys": f"restrict {public}\n",
        "config": cloud.render("common/nova_ssh_config.j2", strict=strict, home=home),
    }
    files = [
        File(
            path=f"{home}/{name}",
            content=content,
            mode=0o600,
            owner=user,
            group=user,
            hidden=name == "id_ed25519",
            phase=Phase.CONFIGURE,
            tags=tags("nova"),
            needs=(room.id,),
        )
        for name, content in contents.items()
    ]
    ssh = cloud.file("nova", "migration-ssh", mode=0o755, home=home, known_hosts="/root/.ssh/known_hosts")
    return [room, *files, ssh, *_shell(cloud, user)]


def uri(cloud: Cloud) -> str:
    """Where libvirt goes, with nova's ``%s`` for the other hypervisor.

    Nova calls the option deprecated, and has no other that takes more than a scheme: libvirt's daemon is root, and by
    that alone it would look for root's keys (libvirt.org/uri.html: ``command`` is for the transport ssh).
    """
    return f"qemu+ssh://{cloud.profile.user('nova')}@%s/system?command={cloud.profile.path('migration-ssh')}"


def _shell(cloud: Cloud, user: str) -> List[Resource]:
    """Who may not log in cannot be asked for anything over SSH either."""
    if "nova-without-shell" not in cloud.profile.quirks:
        return []
    return [
        Once(
            name="nova-shell",
            script=f"usermod --shell /bin/bash {user}",
            done=f'entry=$(getent passwd {user}) || exit 75; [ "${{entry##*/}}" = bash ]',
            known_after=Phase.PACKAGES,
            says="let nova's account run commands",
            phase=Phase.CONFIGURE,
            tags=tags("nova"),
        )
    ]


def key_pair(seed: Secret) -> Tuple[str, str]:
    """The Ed25519 pair of these 32 bytes (base64, as Fernet's), in OpenSSH's formats; the same for the same bytes.

    Written here, as the library puts a random number into the private one (format: PROTOCOL.key of OpenSSH).
    """
    secret = base64.urlsafe_b64decode(seed.reveal())
    public = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    blob = _string(_KIND) + _string(public)
    check = public[:4]
    inner = check + check + blob + _string(secret + public) + _string(COMMENT.encode())
    inner += bytes(range(1, -len(inner) % 8 + 1))
    whole = b"openssh-key-v1\0" + _string(b"none") + _string(b"none") + _string(b"") + struct.pack(">I", 1)
    text = base64.b64encode(whole + _string(blob) + _string(inner)).decode()
    lines = "\n".join(text[start : start + 70] for start in range(0, len(text), 70))
    private = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n"
    return private, f"ssh-ed25519 {base64.b64encode(blob).decode()} {COMMENT}"


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
