"""What makes a tree one certain host: name, address, keys."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Optional, Sequence

from packstack_lite.sandbox.local_commands import run_command
from packstack_lite.sandbox.model import Record
from packstack_lite.sandbox.vm import virtual_machine


def hosts_file(record: Record) -> str:
    """The name maps to the real address: with 127.0.1.1 services would bind to loopback."""
    return f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{record.address} {record.name}\n"


def network_file(record: Record) -> str:
    """systemd-networkd's file for the interface on the management network."""
    name = "host0" if record.kind == "container" else virtual_machine.find_hypervisor(record.kind).INTERFACE
    return (
        f"[Match]\nName={name}\n\n[Network]\n"
        f"Address={record.address}/24\nGateway={record.gateway}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )


def tunnel_file(record: Record) -> str:
    """systemd-networkd's file for the second interface of a segment's host: an address and no way out."""
    return (
        "[Match]\nName=tunnel0\n\n[Network]\n"
        f"Address={record.tunnel_address}/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )


def make_keys(directory: Path, shared_from: Optional[Path] = None) -> None:
    """The key that opens the sandbox, which is that of ``first`` (another one's place), and the one it is known by."""
    for name, comment in (("id_ed25519", "packstack-lite-sandbox"), ("ssh_host_ed25519_key", directory.name)):
        run_command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(directory / name)])
    if shared_from:
        for name in ("id_ed25519", "id_ed25519.pub"):
            shutil.copy(shared_from / name, directory / name)


def write_identity(record: Record) -> None:
    """Give the mounted tree this sandbox's identity, and this machine the sandbox's host key."""
    root, directory = record.root, record.directory
    # Two hosts with one id get the same MACs for their bridges, and libvirt takes one for the other.
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
    """The host keys of all of them, in the known_hosts that this machine keeps for each."""
    keys = [(record.directory / "ssh_host_ed25519_key.pub").read_text().split()[:2] for record in records]
    lines = "".join(f"{record.address} {' '.join(key)}\n" for record, key in zip(records, keys))
    for record in records:
        (record.directory / "known_hosts").write_text(lines)
