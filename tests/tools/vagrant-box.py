"""Make the box that Vagrant's lxc provider needs, from the sandbox's own base tree; print its path.

The box is kept under /var/lib/packstack-lite-sandbox/boxes and made again when this recipe or the base
changes. Its format: a tar of metadata.json, lxc-config and rootfs.tar.gz, whose entries begin with ./rootfs/
(vagrant-lxc, BOXES.md). The user is ``vagrant`` with Vagrant's insecure key, which ``vagrant up``
replaces by one of the machine's own.
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
# What debootstrap makes and the Vagrantfile knows.
DISTROS = ("debian12",)
# What is in the box beyond the base tree: Vagrant's user needs sudo, DHCP a resolver that listens to it.
PACKAGES = "sudo systemd-resolved"

# What OpenStack needs of a container: every capability (router namespaces, taps), /proc/sys and /sys to write to,
# TUN; no AppArmor profile, which would forbid mounts in namespaces. Nothing here confines root: it is a
# throw-away host on a developer's machine, as the sandbox is.
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
# The tree has no host keys, so that no two machines share them; the server's own check refuses to start without.
SSH_KEYS = "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n"

FURNISH = f"""
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
    """Progress; stdout is for the path alone."""
    print(text, file=sys.stderr, flush=True)


def insecure_key() -> str:
    """The public half of Vagrant's insecure key, from Vagrant itself."""
    where = "puts Gem::Specification.find_by_name('vagrant').gem_dir"
    return (Path(local_commands.run_command(["ruby", "-e", where]).strip()) / "keys/vagrant.pub").read_text()


def recipe(base: Path) -> str:
    """A digest of what the box follows from; the installed packages' versions aside."""
    parts = [Path(__file__).read_text(), base.name, str(base.stat().st_ino), guest_image.recipe_digest()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def make(name: str) -> Path:
    """The box of that name, made when it is missing or out of date. SandboxFault where there is no base for it."""
    if name not in DISTROS:
        raise UsageError(
            f"no box of {name} can be made for the lxc provider, only of {', '.join(DISTROS)}",
            f"PROVIDER=libvirt or PROVIDER=virtualbox takes the public box of {name}",
        )
    local_commands.require_root()
    with local_commands.lock_sandbox():
        base = trees.ensure_tree(name, BASE_TREE, say)
    wanted = recipe(base)
    box = BOXES / f"{name}-lxc-{wanted}.box"
    if not box.exists():
        say(f"making the box {box}; this takes about a minute")
        guest_image.build_image(progress=say)
        BOXES.mkdir(parents=True, exist_ok=True)
        for old in BOXES.glob(f"{name}-lxc-*.box"):
            old.unlink()
        with tempfile.TemporaryDirectory(dir=BOXES) as work:
            build(Path(work), base, wanted)
            os.replace(Path(work) / "machine.box", box)
    return box


def build(work: Path, base: Path, wanted: str) -> None:
    """``machine.box`` in the working directory."""
    root = work / "rootfs"
    local_commands.run_command(["cp", "-a", "--reflink=auto", str(base), str(root)])
    # The copy has this machine's resolver for as long as packages are fetched.
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    done = subprocess.run(["chroot", str(root), "sh", "-c", FURNISH], text=True, capture_output=True)
    if done.returncode:
        raise SandboxError(f"the box cannot be furnished: {done.stderr.strip()[-400:]}", "apt-get update, then again")
    furnish(root)
    local_commands.run_command(
        ["tar", "--numeric-owner", "--xattrs", "-C", str(work), "-czf", str(work / "rootfs.tar.gz"), "./rootfs"]
    )
    (work / "lxc-config").write_text(LXC_CONFIG)
    told = {"provider": "lxc", "version": "1.0.0", "recipe": wanted}
    (work / "metadata.json").write_text(json.dumps(told) + "\n")
    names = ["metadata.json", "lxc-config", "rootfs.tar.gz"]
    local_commands.run_command(["tar", "-C", str(work), "-cf", str(work / "machine.box"), *names])


def furnish(root: Path) -> None:
    """Key, network, the image for the cloud's demo."""
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
    """Argument: what the machine runs, as the sandbox calls it."""
    try:
        print(make(sys.argv[1]))
    except PackstackLiteError as fault:
        sys.exit(f"{fault.message}\n  {fault.hint}")


if __name__ == "__main__":
    main()
