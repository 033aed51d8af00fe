"""Migration between hypervisors, cold and live: SSH between nova's accounts.

One key pair serves the whole cloud; it is derived from CONFIG_NOVA_MIGRATION_KEY.
"""

from __future__ import annotations

import base64
import struct
from typing import List, Tuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from packstack_lite.resources import Directory, File, RunOnce
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services._base.context import NodeContext, make_tags

KEY_COMMENT = "nova, packstack-lite"
_KIND = b"ssh-ed25519"


def is_enabled(context: NodeContext) -> bool:
    """Return whether this node is a hypervisor in a cloud of several nodes."""
    return bool(context.other_nodes) and context.has_role("compute")


def declare(context: NodeContext) -> List[Resource]:
    """Declare the key pair, which is the same on every hypervisor.

    So adding a hypervisor changes nothing on the others.
    """
    if not is_enabled(context):
        return []
    user, home = context.profile.user("nova"), "/var/lib/nova/.ssh"
    private, public = derive_key_pair(context["CONFIG_NOVA_MIGRATION_KEY"])
    ssh_directory = Directory(
        path=home, mode=0o700, owner=user, group=user, phase=Phase.CONFIGURE, tags=make_tags("nova")
    )
    host_key_checking = "no" if "ssh-without-accept-new" in context.profile.quirks else "accept-new"
    contents = {
        "id_ed25519": private,
        "authorized_keys": f"restrict {public}\n",
        "config": context.render("common/nova_ssh_config.j2", strict=host_key_checking, home=home),
    }
    files = [
        File(
            path=f"{home}/{name}",
            content=content,
            mode=0o600,
            owner=user,
            group=user,
            is_secret=name == "id_ed25519",
            phase=Phase.CONFIGURE,
            tags=make_tags("nova"),
            needs=(ssh_directory.id,),
        )
        for name, content in contents.items()
    ]
    ssh = context.render_file("nova", "migration-ssh", mode=0o755, home=home, known_hosts="/root/.ssh/known_hosts")
    return [ssh_directory, *files, ssh, *_declare_login_shell(context, user)]


def libvirt_uri(context: NodeContext) -> str:
    """Return libvirt's migration URI, with ``%s`` for the other hypervisor.

    Nova deprecates the option but has no other that takes more than a scheme. libvirt's daemon is root and would use
    root's keys without ``command`` (libvirt.org/uri.html).
    """
    return f"qemu+ssh://{context.profile.user('nova')}@%s/system?command={context.profile.path('migration-ssh')}"


def _declare_login_shell(context: NodeContext, user: str) -> List[Resource]:
    """Declare a login shell for nova's account where it has none: SSH needs one."""
    if "nova-account-without-shell" not in context.profile.quirks:
        return []
    return [
        RunOnce(
            name="nova-shell",
            script=f"usermod --shell /bin/bash {user}",
            probe_script=f'entry=$(getent passwd {user}) || exit 75; [ "${{entry##*/}}" = bash ]',
            known_after=Phase.PACKAGES,
            description="let nova's account run commands",
            phase=Phase.CONFIGURE,
            tags=make_tags("nova"),
        )
    ]


def derive_key_pair(seed: Secret) -> Tuple[str, str]:
    """Derive an Ed25519 key pair from 32 bytes: (private, public).

    The seed is URL-safe base64; the keys are in OpenSSH's formats.

    Equal seeds give equal files. The library's own writer puts a random number into the private key (format: OpenSSH's
    PROTOCOL.key).
    """
    secret = base64.urlsafe_b64decode(seed.reveal())
    public = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    blob = _ssh_string(_KIND) + _ssh_string(public)
    check_bytes = public[:4]
    private_section = (
        check_bytes + check_bytes + blob + _ssh_string(secret + public) + _ssh_string(KEY_COMMENT.encode())
    )
    private_section += bytes(range(1, -len(private_section) % 8 + 1))
    container = (
        b"openssh-key-v1\0" + _ssh_string(b"none") + _ssh_string(b"none") + _ssh_string(b"") + struct.pack(">I", 1)
    )
    text = base64.b64encode(container + _ssh_string(blob) + _ssh_string(private_section)).decode()
    lines = "\n".join(text[start : start + 70] for start in range(0, len(text), 70))
    private = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n"
    return private, f"ssh-ed25519 {base64.b64encode(blob).decode()} {KEY_COMMENT}"


def _ssh_string(data: bytes) -> bytes:
    """Encode bytes as an SSH string: length, then data."""
    return struct.pack(">I", len(data)) + data
