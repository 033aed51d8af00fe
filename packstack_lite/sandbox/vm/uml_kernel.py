"""Compile the kernel of user-mode Linux from Debian's kernel source.

It gets the options that a cloud's node needs. Called by ``uml``.

Since Linux 6.16 a process passes its system calls and page faults to the kernel under a seccomp filter; before, each
was a round of ptrace and took five times as long. Debian's packages of user-mode Linux are older, or lack iptables'
tables and conntrack zones, without which no instance is reached. Kernels are kept under ``kernels``, named by a digest
of what they are made from.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Dict, List, Tuple

from packstack_lite.recommended import recommend
from packstack_lite.sandbox import apt_sources, debs, trees
from packstack_lite.sandbox.local_commands import ProgressCallback, lock_tree, run_command
from packstack_lite.sandbox.model import BASE_TREE, SANDBOX_HOME, SandboxError, archives_dir
from packstack_lite.sandbox.nspawn_run import copy_tree, run_script, unmount_and_remove

# The suite that the kernel's source comes from, and the release that it is compiled on: it runs with this machine's C
# library, which must not be older.
SOURCE_SUITE = "trixie-backports"
BUILD_DISTRO = "debian12"
# The first version that does not need ptrace.
MIN_VERSION = (6, 16)
BUILD_PACKAGES = "gcc libc6-dev make flex bison bc xz-utils kmod"
BUILD_FILES = ("uml/cloud.config", "uml/build-kernel.sh", "uml/reboot.c")
# Tool of this machine -> the Debian package that holds it.
TOOLS = {"mkfs.ext4": "e2fsprogs"}


@dataclass(frozen=True)
class KernelBuild:
    """A compiled user-mode Linux.

    The directory ``root`` holds ``linux``, ``modules``, ``config`` and ``reboot.so``.
    """

    root: Path

    @property
    def program(self) -> str:
        """The path of the kernel's program."""
        return str(self.root / "linux")

    @property
    def modules(self) -> Path:
        """The directory of its modules; its name is the kernel's release (uname -r)."""
        return next(path for path in (self.root / "modules").iterdir() if path.is_dir())

    @property
    def config(self) -> str:
        """The text of its configuration: /boot/config-RELEASE of Debian's kernels."""
        return (self.root / "config").read_text()

    def environment(self, memory_dir: Path) -> Dict[str, str]:
        """Return the environment variables to start it with.

        They name the directory for its memory, ``memory_dir``, and the library that makes reboots work.
        """
        return {"LD_PRELOAD": str(self.root / "reboot.so"), "TMPDIR": str(memory_dir)}


def read_data(name: str) -> str:
    """Return the text of a file below ``packstack_lite/sandbox/data``."""
    path = resources.files("packstack_lite.sandbox") / "data"
    for part in name.split("/"):
        path = path / part
    return path.read_text(encoding="utf-8")


def kernel_dir() -> Path:
    """Return the directory of the kernel that this release makes; it may not exist."""
    recipe = "\0".join([SOURCE_SUITE, BUILD_DISTRO, BUILD_PACKAGES, *map(read_data, BUILD_FILES)])
    return SANDBOX_HOME / "kernels" / f"uml-{hashlib.sha256(recipe.encode()).hexdigest()[:10]}"


def ensure_kernel(progress: ProgressCallback) -> KernelBuild:
    """Return the kernel, compiled in a copy of a Debian tree if it is missing.

    Raises SandboxError where that fails.
    """
    directory = kernel_dir()
    with lock_tree("kernel"):
        if not directory.is_dir():
            base = trees.ensure_tree(BUILD_DISTRO, BASE_TREE, progress)
            progress(
                "compiling user-mode Linux from Debian's kernel source; this happens once, in ten to twenty minutes"
            )
            began = time.monotonic()
            _build_kernel(base, directory)
            progress(f"user-mode Linux took {time.monotonic() - began:.0f} s")
    return KernelBuild(directory)


def link_kernel(directory: Path, build: KernelBuild) -> None:
    """Link a kernel into a sandbox's directory.

    The sandbox keeps booting it, as its disk has that kernel's modules.
    """
    (directory / "kernel").symlink_to(build.root)


def linked_kernel(directory: Path) -> KernelBuild:
    """Return the kernel to which the link in a sandbox's directory points.

    The sandbox boots it. Raises SandboxError where that kernel no longer exists.
    """
    link = directory / "kernel"
    if not Path(KernelBuild(link).program).is_file():
        raise SandboxError(
            f"the kernel of sandbox {directory.name!r} no longer exists",
            hint=f"{recommend('sandbox', 'down', directory.name)}, then up",
        )
    return KernelBuild(Path(os.readlink(link)))


def _build_kernel(base: Path, directory: Path) -> None:
    """Compile the kernel in a copy of the base tree and move it to ``directory``."""
    unfinished = directory.with_name(directory.name + ".part")
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    try:
        unmount_and_remove(unfinished)
        copy_tree(base, unfinished)
        debs.link_debs(archives_dir(BUILD_DISTRO), unfinished / trees.APT_ARCHIVES)
        debs.install_packages(unfinished, BUILD_PACKAGES)
        (unfinished / "build").mkdir()
        _fetch_source(unfinished / "build")
        for name in BUILD_FILES:
            (unfinished / "build" / Path(name).name).write_text(read_data(name))
        run_script(unfinished, read_data("uml/build-kernel.sh"))
        os.rename(unfinished / "build/kernel", directory)
    finally:
        unmount_and_remove(unfinished)


def _fetch_source(directory: Path) -> None:
    """Download Debian's kernel source, with package lists of its own.

    This machine's apt is left as it is.
    """
    apt = directory / "apt"
    for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    apt_sources.write_sources(
        apt, [source for source in apt_sources.find_sources(SOURCE_SUITE) if source.suite == SOURCE_SUITE]
    )
    settings = {
        "Dir::Etc": apt / "etc/apt",
        "Dir::State": apt,
        "Dir::State::status": "/dev/null",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
    }
    options = [arg for name, value in settings.items() for arg in ("-o", f"{name}={value}")]
    run_command(["apt-get", *options, "update"])
    name = newest_source_package(run_command(["apt-cache", *options, "pkgnames", "linux-source-"]).split())
    run_command(["env", f"--chdir={directory}", "apt-get", *options, "download", name])


def newest_source_package(names: List[str]) -> str:
    """Return the package with the newest kernel source.

    Raises SandboxError where none is MIN_VERSION or newer.
    """
    versions = [(_parse_version(name), name) for name in names if re.fullmatch(r"linux-source-[0-9.]+", name)]
    if not versions or max(versions)[0] < MIN_VERSION:
        raise SandboxError(
            f"Debian {SOURCE_SUITE} has no kernel source of {'.'.join(map(str, MIN_VERSION))} or newer",
            hint=f"a container needs no kernel: {recommend('sandbox', 'up', '--kind', 'container')}",
        )
    return max(versions)[1]


def _parse_version(name: str) -> Tuple[int, ...]:
    """Return the version in a source package's name as numbers."""
    return tuple(int(part) for part in name.rsplit("-", 1)[1].split("."))
