"""Trees: the cached base, saved ones, the copy or overlay a sandbox runs on, the package cache.

Downloaded packages are shared by hard links and not by one mounted directory: apt locks
its archive directory, so that two sandboxes would keep each other from installing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Optional

from packstack_lite.errors import UsageFault
from packstack_lite.sandbox import debs, el_layout, sources
from packstack_lite.sandbox.inside import overlay, remove_mounted
from packstack_lite.sandbox.machine import Say, locked_tree, run
from packstack_lite.sandbox.model import BOOTS_FROM, DISTROS, Record, SandboxFault, archives_dir, records, tree_dir

# Raise it when the steps below change what a base tree holds.
BASE_VERSION = 1
INCLUDE = "openssh-server,systemd,systemd-sysv,dbus,python3,iproute2,ca-certificates,procps,eatmydata"
ARCHIVES = "var/cache/apt/archives"
LOCAL_CAS = Path("usr/local/share/ca-certificates")


def ensure(distro: str, tree: str, say: Say) -> Path:
    """The directory of a tree; the base is made when it is not there, another one must have been saved.

    A base has a lock of its own: minutes pass, and other sandboxes go on meanwhile.
    """
    if tree != BOOTS_FROM:
        place = tree_dir(distro, tree)
        if not place.is_dir():
            raise UsageFault(f"there is no saved tree {tree!r} for {distro}", hint="start from the base tree")
        return place
    with locked_tree(distro):
        if DISTROS[distro].layout:
            return el_layout.ensure(distro, lambda: ensure(DISTROS[distro].base, BOOTS_FROM, say), say)
        place = tree_dir(distro, f"{BOOTS_FROM}-{BASE_VERSION}")
        if not place.is_dir():
            _build_base(distro, place, say)
        return place


def _build_base(distro: str, place: Path, say: Say) -> None:
    """debootstrap under another name, renamed when whole: half a tree is never used."""
    say(f"making the base tree of {distro} with debootstrap; this happens once and takes about a minute")
    part = place.with_name(place.name + ".part")
    try:
        remove_mounted(part)
        part.mkdir(parents=True)
        _debootstrap(distro, part)
        _settle(part, distro)
        os.rename(part, place)
    except BaseException:
        remove_mounted(part)
        raise


def _debootstrap(distro: str, part: Path) -> None:
    suite = DISTROS[distro].suite
    mirror = next(source for source in sources.find(suite) if source.suite == suite)
    cache = archives_dir(distro)
    cache.mkdir(parents=True, exist_ok=True)
    argv = ["debootstrap", f"--cache-dir={cache}", f"--include={INCLUDE}", suite, str(part), mirror.uri]
    try:
        run(argv, env=sources.proxy_environment(sources.settings()))
    except SandboxFault as fault:
        told = unknown_key(fault, suite)
        if told:
            raise told from fault
        raise


def unknown_key(fault: SandboxFault, suite: str) -> Optional[SandboxFault]:
    """The way out when debootstrap's last words are of a key it lacks: the suite is younger than the keyring."""
    if "release key" not in fault.message:
        return None
    return SandboxFault(
        f"this machine's keyring has no key of Debian {suite}",
        hint="apt-get update && apt-get install --only-upgrade debian-archive-keyring, then run it again",
    )


def _settle(root: Path, distro: str) -> None:
    """What every sandbox of the base shares: sources, trusted authorities, networkd, no identity."""
    sources.write(root, sources.find(DISTROS[distro].suite))
    for certificate in (Path("/") / LOCAL_CAS).glob("*.crt"):
        shutil.copy2(certificate, root / LOCAL_CAS / certificate.name)
    run(["chroot", str(root), "update-ca-certificates"])
    run(["chroot", str(root), "systemctl", "enable", "systemd-networkd"])
    _forget(root)


def _forget(root: Path) -> None:
    """Take out of a tree what makes it one certain host, and the downloads, which are kept elsewhere."""
    for path in [*(root / "etc/ssh").glob("ssh_host_*"), *(root / ARCHIVES).glob("*.deb")]:
        path.unlink()
    (root / "etc/machine-id").write_text("")


def unpack(record: Record, tree: Path) -> bool:
    """Give a sandbox its tree: an overlay (a second's work) or, where that fails, a copy. True for overlay."""
    for name in ("root", "upper", "work"):
        (record.place / name).mkdir(parents=True, exist_ok=True)
    if overlay(tree, record.place):
        run(["umount", str(record.root)])
        return True
    part = record.place / "root.part"
    run(["cp", "-a", "--reflink=auto", str(tree), str(part)])
    record.root.rmdir()
    os.rename(part, record.root)
    return False


def mount(record: Record, tree: Path) -> None:
    """Have the tree in its place, and the known downloads in its package cache."""
    if record.layered and not os.path.ismount(record.root):
        lend(record)
        if not overlay(tree, record.place):
            raise UsageFault(
                f"the tree of sandbox {record.name!r} cannot be mounted",
                hint=f"packstack-lite sandbox down {record.name}",
            )


def unmount(record: Record) -> None:
    """Undo ``mount``; lazily, since a reader of the tree must not keep a sandbox alive."""
    if os.path.ismount(record.root):
        run(["umount", "--lazy", str(record.root)])


def lend(record: Record) -> None:
    """Link every package downloaded so far into the sandbox's own apt cache (not while it is mounted)."""
    if not DISTROS[record.distro].layout:
        debs.link(archives_dir(record.distro), record.written / ARCHIVES)


def harvest(record: Record) -> None:
    """Link what a sandbox has downloaded into the shared cache; apt renames a package there only when whole."""
    if (record.written / ARCHIVES).is_dir():
        debs.link(record.written / ARCHIVES, archives_dir(record.distro))


def save(record: Record, tree: str) -> Path:
    """Keep a copy of a stopped sandbox's mounted tree as a named tree for later ones."""
    place = tree_dir(record.distro, tree)
    users = [r.name for r in records() if r.tree == tree and r.distro == record.distro]
    if users and place.exists():
        raise UsageFault(
            f"the saved tree {tree!r} is in use by sandbox {users[0]!r}", hint=f"packstack-lite sandbox down {users[0]}"
        )
    part = place.with_name(place.name + ".part")
    try:
        remove_mounted(part)
        run(["cp", "-a", "--reflink=auto", str(record.root), str(part)])
        _forget(part)
        remove_mounted(place)
        os.rename(part, place)
    except BaseException:
        remove_mounted(part)
        raise
    return place
