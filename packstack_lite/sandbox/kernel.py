"""Which user-mode Linux boots a machine: the newest that Debian packages, or the one of this machine's own release.

Since 6.16 a process hands its system calls and page faults to the kernel by itself, under a seccomp filter; before,
each was a turn of ptrace. Debian has such a kernel in its development suite only. It is unpacked beside the sandboxes
with the C library that it wants, and sees these in place of this machine's, of which nothing changes.
"""

from __future__ import annotations

import gzip
import os
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Dict, List

from packstack_lite.sandbox import machine, sources
from packstack_lite.sandbox.machine import Say, run
from packstack_lite.sandbox.model import HOME, SandboxFault

SUITE = "sid"
PACKAGES = ("user-mode-linux", "libc6")
# The kernel saves a process's registers up to AVX when a signal handler runs (data/uml/xstate.c); the C library's
# own functions, of which every program is full, are kept to these.
TUNABLES = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ"
# Tool, or file, -> the Debian package that holds it; for every kernel, and for this machine's own.
TOOLS = {"mkfs.ext4": "e2fsprogs", "gcc": "gcc", "/usr/include/elf.h": "libc6-dev"}
OWN_TOOLS = {"linux.uml": "user-mode-linux"}
# In a namespace of its mounts: what is unpacked is its root, with this machine's devices and the sandboxes in it.
# Not by the loader alone: the kernel takes for its memory what lies behind its own end, which is then the loader's.
START = """#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for place in /proc /dev "$(dirname "$(dirname "$here")")"; do
    mount --rbind "$place" "$here$place"
done
exec chroot "$here" /usr/bin/linux.uml "$@"
"""


@dataclass(frozen=True)
class Kernel:
    """A user-mode Linux; ``root`` is where its packages are unpacked, ``/`` for this machine's own."""

    root: Path

    @property
    def own(self) -> bool:
        """Whether it is this machine's, which is an old one."""
        return self.root == Path("/")

    @property
    def program(self) -> List[str]:
        """What to start."""
        return ["linux.uml"] if self.own else ["unshare", "--mount", "--propagation", "slave", str(self.root / "start")]

    @property
    def modules(self) -> Path:
        """The directory with its modules, whose name is the kernel's release."""
        place = self.root / "usr/lib/uml/modules"
        found = sorted(path for path in place.glob("*") if (path / "kernel").is_dir())
        if not found:
            raise SandboxFault(f"there are no modules in {place}", hint="apt-get install --reinstall user-mode-linux")
        return found[-1]

    @property
    def config(self) -> str:
        """What it was made with, as Debian's kernels have it in /boot; "" where its package came without."""
        place = self.root / "usr/share/doc/user-mode-linux/config.gz"
        return gzip.decompress(place.read_bytes()).decode() if place.is_file() else ""

    @property
    def filters(self) -> bool:
        """Whether iptables, of the older kind or the newer, has tables in it: Neutron's agents use them."""
        return any(f"\nCONFIG_{option}=" in self.config for option in ("IP_NF_FILTER", "NF_TABLES_IPV4"))

    @property
    def words(self) -> List[str]:
        """What it wants on its command line, besides what concerns the machine."""
        return [f"systemd.setenv={TUNABLES}"] if self.own else ["seccomp=auto"]

    def environment(self, memory: Path) -> Dict[str, str]:
        """Where it keeps its memory, and what stands between it and this machine's kernel."""
        return {"LD_PRELOAD": str(shim()), "TMPDIR": str(memory)}


def ensure(say: Say) -> Kernel:
    """The newest kernel if a cloud can do with it, fetched when it is not there; else this machine's own, installed."""
    known = sorted((HOME / "kernels").glob("uml-*/start"))
    try:
        newest = Kernel(known[-1].parent) if known else _fetched(say)
        if newest.filters:
            return newest
        why = f"{newest.root.name} has no tables for iptables"
    except SandboxFault as fault:
        why = fault.message
    say(f"the kernel is this machine's own user-mode Linux, which is several times as slow as the newest: {why}")
    machine.install(OWN_TOOLS, say)
    return Kernel(Path("/"))


def _fetched(say: Say) -> Kernel:
    say(f"fetching {' and '.join(PACKAGES)} of Debian {SUITE}, to be used beside this machine's own; this happens once")
    return Kernel(_fetch())


def keep(place: Path, kernel: Kernel) -> None:
    """Let a sandbox know by which kernel it boots: its disk has this one's modules."""
    (place / "kernel").symlink_to(kernel.root)


def kept(place: Path) -> Kernel:
    """The kernel of a sandbox; one made before there was a choice has this machine's own."""
    link = place / "kernel"
    return Kernel(Path(os.readlink(link)) if link.is_symlink() else Path("/"))


def _fetch() -> Path:
    part = HOME / "kernels" / "uml.part"
    try:
        machine.remove(part)
        # The lists and the cache are its own: this machine's apt never hears of that suite.
        for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "lists/partial", "cache/archives/partial"):
            (part / name).mkdir(parents=True)
        sources.write(part, [source for source in sources.find(SUITE) if source.suite == SUITE])
        settings = {
            "Dir::Etc": part / "etc/apt",
            "Dir::State": part,
            "Dir::State::status": "/dev/null",
            "Dir::Cache": part / "cache",
            "APT::Sandbox::User": "root",
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        run(["apt-get", *options, "update"])
        run(["apt-get", *options, "--download-only", "--yes", "--no-install-recommends", "install", *PACKAGES])
        return _unpack(part)
    finally:
        machine.remove(part)


def _unpack(part: Path) -> Path:
    root, packages = part / "root", sorted((part / "cache/archives").glob("*.deb"))
    for package in packages:
        run(["dpkg-deb", "-x", str(package), str(root)])
    for name in ("lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for shown in ("/proc", "/dev", str(HOME)):
        (root / shown.lstrip("/")).mkdir(parents=True, exist_ok=True)
    start = root / "start"
    start.write_text(START)
    start.chmod(0o755)
    version = next(path.name.split("_")[1] for path in packages if path.name.startswith(f"{PACKAGES[0]}_"))
    place = part.with_name(f"uml-{version}")
    os.rename(root, place)
    return place


def shim() -> Path:
    """The library that lets an old kernel run on processors younger than it, and any be rebooted; compiled when its
    source has changed."""
    place = HOME / "kernels" / "xstate.so"
    with ExitStack() as stack:
        data = resources.files("packstack_lite.sandbox") / "data" / "uml" / "xstate.c"
        source = stack.enter_context(resources.as_file(data))
        kept_source = place.with_suffix(".c")
        if not place.exists() or not kept_source.exists() or kept_source.read_bytes() != source.read_bytes():
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.with_suffix(".part")
            run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(part), str(source)])
            os.replace(part, place)
            kept_source.write_bytes(source.read_bytes())
    return place
