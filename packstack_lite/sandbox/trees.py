"""Make and mount the root file systems of sandboxes.

These are base trees, saved trees, and overlays and copies of them; the cache of packages is here too.

Downloaded packages are shared by hard links and not by one mounted directory: apt locks its archive directory, so that
two sandboxes could not install at the same time.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Optional

from packstack_lite.activity import cleanup
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend
from packstack_lite.sandbox import apt_sources, debs
from packstack_lite.sandbox.distros import DEBIAN_SUITES, find_plugin
from packstack_lite.sandbox.local_commands import ProgressCallback, lock_tree, run_command
from packstack_lite.sandbox.model import BASE_TREE, Record, SandboxError, archives_dir, list_records, tree_dir
from packstack_lite.sandbox.nspawn_run import mount_overlay, unmount_and_remove

# Part of the base tree's name: raise it when the steps below change what a base tree holds.
BASE_VERSION = 1
BASE_PACKAGES = "openssh-server,systemd,systemd-sysv,dbus,python3,iproute2,ca-certificates,procps,eatmydata"
APT_ARCHIVES = "var/cache/apt/archives"
LOCAL_CA_DIR = Path("usr/local/share/ca-certificates")


def ensure_tree(distro: str, tree: str, progress: ProgressCallback) -> Path:
    """Return the directory of a tree; the base tree is made if it is missing.

    A base tree takes minutes and has a lock of its own, so that other sandboxes are not held up. Raises UsageError
    where there is no saved tree of that name.
    """
    if tree != BASE_TREE:
        directory = tree_dir(distro, tree)
        if not directory.is_dir():
            raise UsageError(f"there is no saved tree {tree!r} for {distro}", hint="start from the base tree")
        return directory
    with lock_tree(distro):
        if distro not in DEBIAN_SUITES:
            plugin = find_plugin(distro)
            return plugin.ensure_tree(lambda: ensure_tree(plugin.base, BASE_TREE, progress), progress)
        directory = tree_dir(distro, f"{BASE_TREE}-{BASE_VERSION}")
        if not directory.is_dir():
            _build_base(distro, directory, progress)
        return directory


def _build_base(distro: str, directory: Path, progress: ProgressCallback) -> None:
    """Make a Debian base tree with debootstrap.

    It is renamed at the end, so that half a tree is never used.
    """
    progress(f"making the base tree of {distro} with debootstrap; this happens once and takes about a minute")
    unfinished = directory.with_name(directory.name + ".part")
    try:
        unmount_and_remove(unfinished)
        unfinished.mkdir(parents=True)
        _debootstrap(distro, unfinished)
        _configure_base(unfinished, distro)
        os.rename(unfinished, directory)
    except BaseException:
        with cleanup("removing an unfinished tree"):
            unmount_and_remove(unfinished)
        raise


def _debootstrap(distro: str, target: Path) -> None:
    """Run debootstrap for a Debian release with this machine's mirror and proxy."""
    suite = DEBIAN_SUITES[distro]
    mirror = next(source for source in apt_sources.find_sources(suite) if source.suite == suite)
    cache = archives_dir(distro)
    cache.mkdir(parents=True, exist_ok=True)
    argv = ["debootstrap", f"--cache-dir={cache}", f"--include={BASE_PACKAGES}", suite, str(target), mirror.uri]
    try:
        run_command(argv, env=apt_sources.proxy_environment(apt_sources.read_fetch_settings()))
    except SandboxError as error:
        keyring_error = missing_keyring_error(error, suite)
        if keyring_error:
            raise keyring_error from error
        raise


def missing_keyring_error(error: SandboxError, suite: str) -> Optional[SandboxError]:
    """Return the error for a suite whose key debootstrap lacks, else None.

    This machine's keyring is older than the suite then.
    """
    if "release key" not in error.message:
        return None
    return SandboxError(
        f"this machine's keyring has no key of Debian {suite}",
        hint="apt-get update && apt-get install --only-upgrade debian-archive-keyring, then run it again",
    )


def _configure_base(root: Path, distro: str) -> None:
    """Set up a new base tree, for all sandboxes that are made from it.

    That is apt sources, CA certificates, systemd-networkd, and no identity.
    """
    apt_sources.write_sources(root, apt_sources.find_sources(DEBIAN_SUITES[distro]))
    for certificate in (Path("/") / LOCAL_CA_DIR).glob("*.crt"):
        shutil.copy2(certificate, root / LOCAL_CA_DIR / certificate.name)
    run_command(["chroot", str(root), "update-ca-certificates"])
    run_command(["chroot", str(root), "systemctl", "enable", "systemd-networkd"])
    _remove_identity(root)


def _remove_identity(root: Path) -> None:
    """Remove SSH host keys, the machine id and downloaded packages from a tree."""
    for path in [*(root / "etc/ssh").glob("ssh_host_*"), *(root / APT_ARCHIVES).glob("*.deb")]:
        path.unlink()
    (root / "etc/machine-id").write_text("")


def create_root(record: Record, tree: Path) -> bool:
    """Create a sandbox's root file system from a tree.

    Returns True for an overlay over the tree, False for a copy, where overlays fail.
    """
    for name in ("root", "upper", "work"):
        (record.directory / name).mkdir(parents=True, exist_ok=True)
    if mount_overlay(tree, record.directory):
        run_command(["umount", str(record.root)])
        return True
    unfinished = record.directory / "root.part"
    run_command(["cp", "-a", "--reflink=auto", str(tree), str(unfinished)])
    record.root.rmdir()
    os.rename(unfinished, record.root)
    return False


def mount_tree(record: Record, tree: Path) -> None:
    """Mount the overlay of a layered sandbox.

    The shared downloads are linked into its package cache first.

    Raises UsageError where it cannot be mounted.
    """
    if record.layered and not os.path.ismount(record.root):
        link_cached_debs(record)
        if not mount_overlay(tree, record.directory):
            raise UsageError(
                f"the tree of sandbox {record.name!r} cannot be mounted",
                hint=recommend("sandbox", "down", record.name),
            )


def unmount_tree(record: Record) -> None:
    """Unmount the root, also where a process still reads it (lazily)."""
    if os.path.ismount(record.root):
        run_command(["umount", "--lazy", str(record.root)])


def link_cached_debs(record: Record) -> None:
    """Link the shared packages into the sandbox's apt cache, while it is not mounted.

    Does nothing for a sandbox that runs no Debian.
    """
    if record.distro in DEBIAN_SUITES:
        debs.link_debs(archives_dir(record.distro), record.writable_dir / APT_ARCHIVES)


def collect_debs(record: Record) -> None:
    """Link what a sandbox has downloaded into the shared cache.

    apt puts only complete packages there.
    """
    if record.distro in DEBIAN_SUITES and (record.writable_dir / APT_ARCHIVES).is_dir():
        debs.link_debs(record.writable_dir / APT_ARCHIVES, archives_dir(record.distro))


def save_copy(record: Record, tree: str) -> Path:
    """Save a stopped sandbox's mounted root as a named tree and return its directory.

    Raises UsageError where a sandbox uses a tree of that name.
    """
    directory = tree_dir(record.distro, tree)
    used_by = [r.name for r in list_records() if r.tree == tree and r.distro == record.distro]
    if used_by and directory.exists():
        raise UsageError(
            f"the saved tree {tree!r} is in use by sandbox {used_by[0]!r}",
            hint=recommend("sandbox", "down", used_by[0]),
        )
    unfinished = directory.with_name(directory.name + ".part")
    try:
        unmount_and_remove(unfinished)
        run_command(["cp", "-a", "--reflink=auto", str(record.root), str(unfinished)])
        _remove_identity(unfinished)
        unmount_and_remove(directory)
        os.rename(unfinished, directory)
    except BaseException:
        with cleanup("removing an unfinished tree"):
            unmount_and_remove(unfinished)
        raise
    return directory
