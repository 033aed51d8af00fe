"""A small bootable disk image made from distribution packages: kernel, busybox, SSH server.

It needs no download but packages of this machine's own apt. The guest takes its address by
DHCP, name, root's key and a user-data script from the metadata service, and writes
``GUEST-READY name address seconds`` to the serial console. Only root can log in, by key.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import Iterator, List, Sequence

from packstack_lite.sandbox.machine import IMAGE_TOOLS, Say, install, run
from packstack_lite.sandbox.model import HOME, SandboxFault

IMAGE = HOME / "images" / "guest.qcow2"
# Where a sandbox has it: what --sandbox answers for the demo image.
INSIDE = "/usr/share/packstack-lite/guest.qcow2"
KERNEL = "linux-image-cloud-amd64"
# In the order they are loaded; one that a kernel has built in is simply not found.
MODULES = (
    "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
    "failover", "net_failover", "virtio_net", "virtio_blk", "virtio-rng", "evdev", "button",
)  # fmt: skip
PROGRAMS = ("busybox", "dropbear", "dropbearkey")
SCRIPTS = ("init", "setup", "dhcp", "metadata", "power-button")
# busybox puts its names into the first four, and leaves out those whose directory is missing.
DIRECTORIES = (
    "bin", "sbin", "usr/bin", "usr/sbin", "dev", "proc", "sys", "tmp", "mod", "lib", "lib64",
    "var/log", "var/run", "etc/guest", "etc/dropbear", "etc/acpi/PWRF",
)  # fmt: skip
ETC = {
    "passwd": "root:*:0:0:root:/root:/bin/sh\n",
    "group": "root:x:0:\ntty:x:5:\n",
    "shells": "/bin/sh\n",
    "hosts": "127.0.0.1 localhost\n",
}


def build(target: Path = IMAGE, say: Say = lambda text: None) -> Path:
    """The qcow2 image at ``target``, made if it is missing or of another recipe; about 15 MB.

    Packages are kept beside it. SandboxFault when a package or tool cannot be had.
    """
    stamp = target.with_name(target.name + ".recipe")
    if target.exists() and stamp.exists() and stamp.read_text() == recipe():
        return target
    install(IMAGE_TOOLS, say)
    say(f"making the guest image {target}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        packages, root = Path(work) / "packages", Path(work) / "root"
        _unpack(target.parent / "guest-packages", packages)
        _fill(root, packages)
        _write_initrd(root, Path(work) / "initrd.gz")
        shutil.copy(_one(packages, "vmlinuz-*"), Path(work) / "vmlinuz")
        os.replace(_disk(Path(work)), target)
    stamp.write_text(recipe())
    return target


def _data(name: str) -> bytes:
    return (resources.files("packstack_lite.sandbox") / "guest" / name).read_bytes()


def recipe() -> str:
    """A digest of what the image is made from, the packages' versions aside."""
    parts = [*map(_data, (*SCRIPTS, "inittab", "syslinux.cfg")), repr((MODULES, PROGRAMS, DIRECTORIES, ETC)).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def kernel_package(depends: str) -> str:
    """The real kernel's package in the output of ``apt-cache depends`` for the moving name."""
    match = re.search(r"Depends: (linux-image-\d\S*)", depends)
    if not match:
        raise SandboxFault(f"this machine's apt knows no {KERNEL}", hint="the guest image needs Debian on amd64")
    return match.group(1)


def closure(depends: str) -> List[str]:
    """Package names in the output of ``apt-cache depends --recurse``: those at the line's start."""
    return sorted({line for line in depends.splitlines() if re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", line)})


def _packages() -> List[str]:
    only = ["--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"]
    kernel = kernel_package(run(["apt-cache", "depends", *only, KERNEL]))
    return [kernel, *closure(run(["apt-cache", "depends", "--recurse", *only, "busybox", "dropbear-bin"]))]


def _unpack(cache: Path, packages: Path) -> None:
    """Download what is not yet in the cache and unpack it; nothing is installed."""
    cache.mkdir(parents=True, exist_ok=True)
    names = _packages()
    run(["sh", "-c", 'cd "$1" && shift && apt-get -q download "$@"', "sh", str(cache), *names])
    for name in names:
        newest = max(cache.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
        run(["dpkg-deb", "-x", str(newest), str(packages)])


def kernel(work: Path) -> Path:
    """The guest's own kernel, unpacked somewhere below the directory; SandboxFault when it cannot be had."""
    _unpack(IMAGE.parent / "guest-packages", work)
    return _one(work, "vmlinuz-*")


def _one(tree: Path, pattern: str) -> Path:
    found = sorted(path for path in tree.rglob(pattern) if path.is_file())
    if not found:
        raise SandboxFault(f"the downloaded packages hold no {pattern}", hint="apt-get update, then try again")
    return found[0]


def _libraries(packages: Path, program: Path) -> Iterator[Path]:
    """The shared libraries a program loads, from the packages and not from this machine."""
    loader = _one(packages, "ld-linux-x86-64.so.2")
    places = {str(path.parent) for path in packages.rglob("*.so.*") if "gconv" not in path.parts}
    listing = run([str(loader), "--library-path", ":".join(sorted(places)), "--list", str(program)])
    for path in re.findall(r"=> (/\S+)", listing):
        yield Path(path)


def _fill(root: Path, packages: Path) -> None:
    """The guest's whole file system, which is its initial RAM disk."""
    for name in DIRECTORIES:
        (root / name).mkdir(parents=True)
    (root / "root/.ssh").mkdir(parents=True)
    for private in ("root", "root/.ssh"):
        (root / private).chmod(0o700)
    for name in PROGRAMS:
        program = _one(packages, name)
        shutil.copy(program, root / "bin" / name)
        for library in _libraries(packages, program):
            shutil.copy(library, root / "lib" / library.name)
    shutil.copy(_one(packages, "ld-linux-x86-64.so.2"), root / "lib64/ld-linux-x86-64.so.2")
    (root / "bin/sh").symlink_to("busybox")
    _fill_modules(root / "mod", packages)
    _fill_scripts(root)


def _fill_modules(target: Path, packages: Path) -> None:
    order = []
    for name in MODULES:
        for path in sorted(packages.rglob(f"{name}.ko*"))[:1]:
            data = path.read_bytes()
            (target / f"{name}.ko").write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)
            order.append(name)
    (target / "order").write_text("\n".join(order) + "\n")


def _fill_scripts(root: Path) -> None:
    for name, text in ETC.items():
        (root / "etc" / name).write_text(text)
    (root / "etc/inittab").write_bytes(_data("inittab"))
    # The name under which busybox's acpid looks for what to do when the power button is pressed.
    (root / "etc/acpi/PWRF/00000080").symlink_to("/etc/guest/power-button")
    (root / "root/.ssh/authorized_keys").touch(mode=0o600)
    for name in SCRIPTS:
        path = root / "init" if name == "init" else root / "etc/guest" / name
        path.write_bytes(_data(name))
        path.chmod(0o755)


def _write_initrd(root: Path, target: Path) -> None:
    raw = target.with_suffix(".cpio")
    run(["sh", "-c", 'cd "$1" && find . | cpio --quiet -o -H newc -R 0:0 >"$2"', "sh", str(root), str(raw)])
    target.write_bytes(gzip.compress(raw.read_bytes(), 9, mtime=0))


def _disk(work: Path) -> Path:
    """An unpartitioned FAT disk with syslinux, which a BIOS boots as a hard disk."""
    raw, image = work / "disk.raw", work / "disk.qcow2"
    (work / "syslinux.cfg").write_bytes(_data("syslinux.cfg"))
    files = [work / name for name in ("vmlinuz", "initrd.gz", "syslinux.cfg")]
    mebibytes = sum(path.stat().st_size for path in files) // 2**20 + 3
    run(["truncate", "-s", f"{mebibytes}M", str(raw)])
    run(["mkfs.vfat", "-n", "GUEST", str(raw)])
    run(["syslinux", "--install", str(raw)])
    run(["mcopy", "-i", str(raw), *map(str, files), "::"])
    run(["qemu-img", "convert", "-O", "qcow2", "-c", str(raw), str(image)])
    return image


def send(ssh: Sequence[str], say: Say = lambda text: None) -> None:
    """Have the guest image on a running machine that ``ssh``, a command line, leads to."""
    image, script = build(say=say), f"test -e {INSIDE} || {{ mkdir -p {os.path.dirname(INSIDE)}; cat >{INSIDE}; }}"
    with image.open("rb") as stream:
        done = subprocess.run([*ssh, script], stdin=stream, capture_output=True, text=True)
    if done.returncode:
        raise SandboxFault(f"the guest image cannot be put on the sandbox: {done.stderr.strip()}", hint="try again")


def lend(root: Path, say: Say = lambda text: None) -> None:
    """Have the guest image in a sandbox's tree (``root``), built first when it is not there yet."""
    image, place = build(say=say), root / INSIDE.lstrip("/")
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, place)
