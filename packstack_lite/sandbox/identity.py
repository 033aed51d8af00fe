"""Write a node's identity into its tree.

That is its host name, addresses, machine id and SSH keys. Called by ``lifecycle``.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Optional, Sequence

from packstack_lite.sandbox.local_commands import run_command
from packstack_lite.sandbox.model import Record
from packstack_lite.sandbox.vm import virtual_machine


def hosts_file(record: Record) -> str:
    """Return /etc/hosts, with the name at the real address.

    At 127.0.1.1 services would bind to loopback.
    """
    return f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{record.address} {record.name}\n"


def network_file(record: Record) -> str:
    """Return systemd-networkd's file for the interface on the management network."""
    name = "host0" if record.kind == "container" else virtual_machine.find_hypervisor(record.kind).INTERFACE
    return (
        f"[Match]\nName={name}\n\n[Network]\n"
        f"Address={record.address}/24\nGateway={record.gateway}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )


def tunnel_file(record: Record) -> str:
    """Return systemd-networkd's file for a segment node's second interface.

    It has an address and no default route.
    """
    return (
        "[Match]\nName=tunnel0\n\n[Network]\n"
        f"Address={record.tunnel_address}/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )


def make_keys(directory: Path, shared_from: Optional[Path] = None) -> None:
    """Make the user's SSH key and the node's host key in a sandbox's directory.

    The user's key is copied from ``shared_from`` where that is given, the directory of another node of the segment.
    """
    for name, comment in (("id_ed25519", "packstack-lite-sandbox"), ("ssh_host_ed25519_key", directory.name)):
        run_command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(directory / name)])
    if shared_from:
        for name in ("id_ed25519", "id_ed25519.pub"):
            shutil.copy(shared_from / name, directory / name)


def write_identity(record: Record) -> None:
    """Write the node's identity into its mounted tree.

    Its host key goes into the known_hosts of its directory.
    """
    root, directory = record.root, record.directory
    # Two nodes with one id get the same MAC addresses for their bridges, and libvirt confuses them.
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (root / "etc/hostname").write_text(record.name + "\n")
    (root / "etc/hosts").write_text(hosts_file(record))
    (root / "etc/systemd/network/10-host0.network").write_text(network_file(record))
    if record.segment:
        (root / "etc/systemd/network/10-tunnel0.network").write_text(tunnel_file(record))
    ssh = root / "root/.ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(directory / "id_ed25519.pub", ssh / "authorized_keys")
    for name in ("ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"):
        shutil.copy(directory / name, root / "etc/ssh" / name)
    write_known_hosts([record])


def write_known_hosts(records: Sequence[Record]) -> None:
    """Write the host keys of all these nodes into each one's known_hosts."""
    keys = [(record.directory / "ssh_host_ed25519_key.pub").read_text().split()[:2] for record in records]
    lines = "".join(f"{record.address} {' '.join(key)}\n" for record, key in zip(records, keys))
    for record in records:
        (record.directory / "known_hosts").write_text(lines)
