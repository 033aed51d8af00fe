"""What makes a tree one certain host: name, address, keys."""

from __future__ import annotations

import shutil
from pathlib import Path

from packstack_lite.sandbox.machine import run
from packstack_lite.sandbox.model import Record


def hosts_file(record: Record) -> str:
    """The name maps to the real address: with 127.0.1.1 services would bind to loopback."""
    return f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{record.address} {record.name}\n"


def network_file(record: Record) -> str:
    """systemd-networkd's file for the container's only interface."""
    return (
        f"[Match]\nName={'vec0' if record.kind == 'machine' else 'host0'}\n\n[Network]\n"
        f"Address={record.address}/24\nGateway={record.gateway}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )


def make_keys(place: Path) -> None:
    """The key that opens the sandbox and the key by which it is known."""
    for name, comment in (("id_ed25519", "packstack-lite-sandbox"), ("ssh_host_ed25519_key", place.name)):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(place / name)])


def write(record: Record) -> None:
    """Give the mounted tree this sandbox's identity, and this machine the sandbox's host key."""
    root, place = record.root, record.place
    (root / "etc/hostname").write_text(record.name + "\n")
    (root / "etc/hosts").write_text(hosts_file(record))
    (root / "etc/systemd/network/10-host0.network").write_text(network_file(record))
    ssh = root / "root/.ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(place / "id_ed25519.pub", ssh / "authorized_keys")
    for name in ("ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"):
        shutil.copy(place / name, root / "etc/ssh" / name)
    host_key = " ".join((place / "ssh_host_ed25519_key.pub").read_text().split()[:2])
    (place / "known_hosts").write_text(f"{record.address} {host_key}\n")
