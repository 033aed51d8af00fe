"""The kernel of a machine: user-mode Linux, made from Debian's kernel source with what a cloud's host wants of it.

Since 6.16 a process hands its system calls and page faults to the kernel by itself, under a seccomp filter; before,
each was a turn of ptrace and took five times as long. Debian's own packages of it are older, or lack the tables of
iptables and the zones of connections without which no instance is reached. What is made is kept under ``kernels``, by
a digest of what it is made from.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from packstack_lite.sandbox import debs, sources, trees
from packstack_lite.sandbox.el_table import text
from packstack_lite.sandbox.inside import copy_tree, remove_mounted, script
from packstack_lite.sandbox.machine import Say, locked_tree, run
from packstack_lite.sandbox.model import BOOTS_FROM, HOME, SandboxFault, archives_dir

# Where the kernel's source comes from, and where it is compiled: the program runs on this machine's C library.
SUITE = "trixie-backports"
BUILT_ON = "debian12"
# The first one that does without ptrace.
OLDEST = (6, 16)
HEADERS = "gcc libc6-dev make flex bison bc xz-utils kmod"
PARTS = ("uml/cloud.config", "uml/build-kernel.sh", "uml/reboot.c")
# Tool of this machine -> the Debian package that holds it.
TOOLS = {"mkfs.ext4": "e2fsprogs"}


@dataclass(frozen=True)
class Kernel:
    """A user-mode Linux: ``root`` has the program ``linux``, its ``modules``, its ``config`` and ``reboot.so``."""

    root: Path

    @property
    def program(self) -> str:
        """What to start."""
        return str(self.root / "linux")

    @property
    def modules(self) -> Path:
        """The directory with its modules, whose name is the kernel's release."""
        return next(path for path in (self.root / "modules").iterdir() if path.is_dir())

    @property
    def config(self) -> str:
        """What it was made with, as Debian's kernels have it in /boot."""
        return (self.root / "config").read_text()

    def environment(self, memory: Path) -> Dict[str, str]:
        """Where it keeps its memory, and what lets it reboot (data/uml/reboot.c)."""
        return {"LD_PRELOAD": str(self.root / "reboot.so"), "TMPDIR": str(memory)}


def place_of() -> Path:
    """Where the kernel that is made from today's parts is kept."""
    made_from = "\0".join([SUITE, BUILT_ON, HEADERS, *map(text, PARTS)])
    return HOME / "kernels" / f"uml-{hashlib.sha256(made_from.encode()).hexdigest()[:10]}"


def ensure(say: Say) -> Kernel:
    """The kernel, made in a copy of a Debian tree where it is not there yet; SandboxFault where it cannot be made."""
    place = place_of()
    with locked_tree("kernel"):
        if not place.is_dir():
            base = trees.ensure(BUILT_ON, BOOTS_FROM, say)
            say("compiling user-mode Linux from Debian's kernel source; this happens once, in ten to twenty minutes")
            began = time.monotonic()
            _make(base, place)
            say(f"user-mode Linux took {time.monotonic() - began:.0f} s")
    return Kernel(place)


def keep(place: Path, kernel: Kernel) -> None:
    """Let a sandbox know by which kernel it boots: its disk has this one's modules."""
    (place / "kernel").symlink_to(kernel.root)


def kept(place: Path) -> Kernel:
    """The kernel of a sandbox; SandboxFault where it is not there any more, or is one of an older packstack-lite."""
    link = place / "kernel"
    if not Path(Kernel(link).program).is_file():
        raise SandboxFault(
            f"the kernel of sandbox {place.name!r} is not there any more",
            hint=f"packstack-lite sandbox down {place.name}, then up",
        )
    return Kernel(Path(os.readlink(link)))


def _make(base: Path, place: Path) -> None:
    part = place.with_name(place.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        remove_mounted(part)
        copy_tree(base, part)
        debs.link(archives_dir(BUILT_ON), part / trees.ARCHIVES)
        debs.install(part, HEADERS)
        (part / "build").mkdir()
        _fetch_source(part / "build")
        for name in PARTS:
            (part / "build" / Path(name).name).write_text(text(name))
        script(part, text("uml/build-kernel.sh"))
        os.rename(part / "build/kernel", place)
    finally:
        remove_mounted(part)


def _fetch_source(place: Path) -> None:
    """Have Debian's kernel source in the directory, by apt lists of its own: this machine's never hear of the suite."""
    apt = place / "apt"
    for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    sources.write(apt, [source for source in sources.find(SUITE) if source.suite == SUITE])
    settings = {
        "Dir::Etc": apt / "etc/apt",
        "Dir::State": apt,
        "Dir::State::status": "/dev/null",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    run(["apt-get", *options, "update"])
    name = newest(run(["apt-cache", *options, "pkgnames", "linux-source-"]).split())
    run(["env", f"--chdir={place}", "apt-get", *options, "download", name])


def newest(names: List[str]) -> str:
    """The package with the newest kernel source; SandboxFault where none is new enough."""
    found = [(_version(name), name) for name in names if re.fullmatch(r"linux-source-[0-9.]+", name)]
    if not found or max(found)[0] < OLDEST:
        raise SandboxFault(
            f"Debian {SUITE} has no kernel source of {'.'.join(map(str, OLDEST))} or newer",
            hint="a sandbox of the other kind needs none: packstack-lite sandbox up --kind container",
        )
    return max(found)[1]


def _version(name: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in name.rsplit("-", 1)[1].split("."))
