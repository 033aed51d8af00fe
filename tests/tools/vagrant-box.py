"""Make the box of Vagrant's lxc provider from a sandbox's tree; print its path.

The box is kept under /var/lib/packstack-lite-sandbox/boxes and made again when this recipe or the base tree changes.
Its format is a tar of metadata.json, lxc-config and rootfs.tar.gz, whose entries begin with ./rootfs/ (vagrant-lxc,
BOXES.md). The user is ``vagrant`` with Vagrant's insecure key, which ``vagrant up`` replaces by a new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packstack_lite.errors import PackstackLiteError, UsageError
from packstack_lite.sandbox import guest_image, local_commands, trees
from packstack_lite.sandbox.model import BASE_TREE, SANDBOX_HOME, SandboxError

BOXES = SANDBOX_HOME / "boxes"
# Distributions that debootstrap makes and the Vagrantfile has.
DISTROS = ("debian12",)
# Packages besides the base tree: Vagrant's user needs sudo, and DHCP a resolver that takes its servers.
PACKAGES = "sudo systemd-resolved"

# OpenStack needs in a container: every capability (router namespaces, taps), writable /proc/sys and /sys, TUN; and no
# AppArmor profile, which would forbid mounts in namespaces. Root is not confined: like a sandbox this is a throw-away
# machine of a developer.
LXC_CONFIG = """\
lxc.cap.drop =
lxc.apparmor.profile = unconfined
lxc.tty.max = 0
lxc.pty.max = 1024
lxc.mount.auto = proc:rw sys:rw cgroup:rw:force
lxc.mount.entry = /dev/net/tun dev/net/tun none bind,create=file 0 0
lxc.signal.halt = SIGRTMIN+3
"""

NETWORK = "[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
# The tree has no SSH host keys, so that machines do not share them: sshd makes them before its check at the start.
SSH_KEYS = "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n"

INSTALL_SCRIPT = f"""
set -e
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends {PACKAGES} >/dev/null
rm /usr/sbin/policy-rc.d
rm -f /var/cache/apt/archives/*.deb
useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/vagrant
chmod 440 /etc/sudoers.d/vagrant
systemctl enable -q systemd-networkd systemd-resolved
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
"""


def say(text: str) -> None:
    """Print progress to stderr; stdout is for the path."""
    print(text, file=sys.stderr, flush=True)


def insecure_key() -> str:
    """Return the public part of Vagrant's insecure key, from Vagrant's own files."""
    script = "puts Gem::Specification.find_by_name('vagrant').gem_dir"
    return (Path(local_commands.run_command(["ruby", "-e", script]).strip()) / "keys/vagrant.pub").read_text()


def recipe_digest(base: Path) -> str:
    """Return a digest of what the box is made from, versions of packages excepted."""
    parts = [Path(__file__).read_text(), base.name, str(base.stat().st_ino), guest_image.recipe_digest()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def make_box(name: str) -> Path:
    """Return the path of the box of that name, made if it is missing or outdated.

    Raises UsageError for a distribution that has no base tree, SandboxError where making it fails.
    """
    if name not in DISTROS:
        raise UsageError(
            f"no box of {name} can be made for the lxc provider, only of {', '.join(DISTROS)}",
            f"PROVIDER=libvirt or PROVIDER=virtualbox takes the public box of {name}",
        )
    local_commands.require_root()
    with local_commands.lock_sandbox():
        base = trees.ensure_tree(name, BASE_TREE, say)
    digest = recipe_digest(base)
    box = BOXES / f"{name}-lxc-{digest}.box"
    if not box.exists():
        say(f"making the box {box}; this takes about a minute")
        guest_image.build_image(progress=say)
        BOXES.mkdir(parents=True, exist_ok=True)
        for old in BOXES.glob(f"{name}-lxc-*.box"):
            old.unlink()
        with tempfile.TemporaryDirectory(dir=BOXES) as work:
            build(Path(work), base, digest)
            os.replace(Path(work) / "machine.box", box)
    return box


def build(work: Path, base: Path, digest: str) -> None:
    """Make ``machine.box`` in the directory ``work``."""
    root = work / "rootfs"
    local_commands.run_command(["cp", "-a", "--reflink=auto", str(base), str(root)])
    # This machine's resolver, while packages are downloaded.
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    done = subprocess.run(["chroot", str(root), "sh", "-c", INSTALL_SCRIPT], text=True, capture_output=True)
    if done.returncode:
        raise SandboxError(
            f"packages for the box cannot be installed: {done.stderr.strip()[-400:]}",
            "run apt-get update, then try again",
        )
    write_settings(root)
    local_commands.run_command(
        ["tar", "--numeric-owner", "--xattrs", "-C", str(work), "-czf", str(work / "rootfs.tar.gz"), "./rootfs"]
    )
    (work / "lxc-config").write_text(LXC_CONFIG)
    metadata = {"provider": "lxc", "version": "1.0.0", "recipe": digest}
    (work / "metadata.json").write_text(json.dumps(metadata) + "\n")
    names = ["metadata.json", "lxc-config", "rootfs.tar.gz"]
    local_commands.run_command(["tar", "-C", str(work), "-cf", str(work / "machine.box"), *names])


def write_settings(root: Path) -> None:
    """Write SSH key, network configuration and the guest image into the tree."""
    ssh = root / "home/vagrant/.ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "authorized_keys").write_text(insecure_key())
    (ssh / "authorized_keys").chmod(0o600)
    local_commands.run_command(["chroot", str(root), "chown", "-R", "vagrant:vagrant", "/home/vagrant/.ssh"])
    (root / "etc/systemd/network/10-eth0.network").write_text(NETWORK)
    drop_in = root / "etc/systemd/system/ssh.service.d/keys.conf"
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(SSH_KEYS)
    (root / "etc/machine-id").write_text("")
    guest_image.copy_image(root, progress=say)


def main() -> None:
    """Print the box's path; argument: the distribution, by the sandbox's name of it."""
    try:
        print(make_box(sys.argv[1]))
    except PackstackLiteError as error:
        sys.exit(f"{error.message}\n  {error.hint}")


if __name__ == "__main__":
    main()
