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

from packstack_lite.sandbox.local_commands import IMAGE_TOOLS, ProgressCallback, install_tools, run_command
from packstack_lite.sandbox.model import SANDBOX_HOME, SandboxError

IMAGE_PATH = SANDBOX_HOME / "images" / "guest.qcow2"
# Where a sandbox has it: what --sandbox answers for the demo image.
PATH_IN_SANDBOX = "/usr/share/packstack-lite/guest.qcow2"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
# In the order they are loaded; one that a kernel has built in is simply not found.
KERNEL_MODULES = (
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
ETC_FILES = {
    "passwd": "root:*:0:0:root:/root:/bin/sh\n",
    "group": "root:x:0:\ntty:x:5:\n",
    "shells": "/bin/sh\n",
    "hosts": "127.0.0.1 localhost\n",
}


def build_image(target: Path = IMAGE_PATH, progress: ProgressCallback = lambda text: None) -> Path:
    """The qcow2 image at ``target``, made if it is missing or of another recipe; about 15 MB.

    Packages are kept beside it. SandboxFault when a package or tool cannot be had.
    """
    stamp = target.with_name(target.name + ".recipe")
    if target.exists() and stamp.exists() and stamp.read_text(errors="replace") == recipe_digest():
        return target
    install_tools(IMAGE_TOOLS, progress)
    progress(f"making the guest image {target}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        packages, root = Path(work) / "packages", Path(work) / "root"
        _download_and_unpack(target.parent / "guest-packages", packages)
        _fill_root(root, packages)
        _write_initrd(root, Path(work) / "initrd.gz")
        shutil.copy(_find_file(packages, "vmlinuz-*"), Path(work) / "vmlinuz")
        os.replace(_make_disk(Path(work)), target)
    stamp.write_text(recipe_digest())
    return target


def _read_data(name: str) -> bytes:
    return (resources.files("packstack_lite.sandbox") / "guest" / name).read_bytes()


def recipe_digest() -> str:
    """A digest of what the image is made from, the packages' versions aside."""
    parts = [
        *map(_read_data, (*SCRIPTS, "inittab", "syslinux.cfg")),
        repr((KERNEL_MODULES, PROGRAMS, DIRECTORIES, ETC_FILES)).encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def parse_kernel_package(depends: str) -> str:
    """The real kernel's package in the output of ``apt-cache depends`` for the moving name."""
    match = re.search(r"Depends: (linux-image-\d\S*)", depends)
    if not match:
        raise SandboxError(
            f"this machine's apt knows no {KERNEL_PACKAGE}", hint="the guest image needs Debian on amd64"
        )
    return match.group(1)


def parse_packages(depends: str) -> List[str]:
    """Package names in the output of ``apt-cache depends --recurse``: those at the line's start."""
    return sorted({line for line in depends.splitlines() if re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", line)})


def _list_packages() -> List[str]:
    options = ["--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"]
    kernel = parse_kernel_package(run_command(["apt-cache", "depends", *options, KERNEL_PACKAGE]))
    return [
        kernel,
        *parse_packages(run_command(["apt-cache", "depends", "--recurse", *options, "busybox", "dropbear-bin"])),
    ]


def _download_and_unpack(cache: Path, packages: Path) -> None:
    """Download what is not yet in the cache and unpack it; nothing is installed."""
    cache.mkdir(parents=True, exist_ok=True)
    names = _list_packages()
    run_command(["sh", "-c", 'cd "$1" && shift && apt-get -q download "$@"', "sh", str(cache), *names])
    for name in names:
        newest = max(cache.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
        run_command(["dpkg-deb", "-x", str(newest), str(packages)])


def unpack_kernel(work: Path) -> Path:
    """The guest's own kernel, unpacked somewhere below the directory; SandboxFault when it cannot be had."""
    _download_and_unpack(IMAGE_PATH.parent / "guest-packages", work)
    return _find_file(work, "vmlinuz-*")


def _find_file(tree: Path, pattern: str) -> Path:
    matches = sorted(path for path in tree.rglob(pattern) if path.is_file())
    if not matches:
        raise SandboxError(f"the downloaded packages hold no {pattern}", hint="apt-get update, then try again")
    return matches[0]


def _libraries(packages: Path, program: Path) -> Iterator[Path]:
    """The shared libraries a program loads, from the packages and not from this machine."""
    loader = _find_file(packages, "ld-linux-x86-64.so.2")
    directories = {str(path.parent) for path in packages.rglob("*.so.*") if "gconv" not in path.parts}
    listing = run_command([str(loader), "--library-path", ":".join(sorted(directories)), "--list", str(program)])
    for path in re.findall(r"=> (/\S+)", listing):
        yield Path(path)


def _fill_root(root: Path, packages: Path) -> None:
    """The guest's whole file system, which is its initial RAM disk."""
    for name in DIRECTORIES:
        (root / name).mkdir(parents=True)
    (root / "root/.ssh").mkdir(parents=True)
    for private in ("root", "root/.ssh"):
        (root / private).chmod(0o700)
    for name in PROGRAMS:
        program = _find_file(packages, name)
        shutil.copy(program, root / "bin" / name)
        for library in _libraries(packages, program):
            shutil.copy(library, root / "lib" / library.name)
    shutil.copy(_find_file(packages, "ld-linux-x86-64.so.2"), root / "lib64/ld-linux-x86-64.so.2")
    (root / "bin/sh").symlink_to("busybox")
    _fill_modules(root / "mod", packages)
    _fill_scripts(root)


def _fill_modules(target: Path, packages: Path) -> None:
    order = []
    for name in KERNEL_MODULES:
        for path in sorted(packages.rglob(f"{name}.ko*"))[:1]:
            data = path.read_bytes()
            (target / f"{name}.ko").write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)
            order.append(name)
    (target / "order").write_text("\n".join(order) + "\n")


def _fill_scripts(root: Path) -> None:
    for name, text in ETC_FILES.items():
        (root / "etc" / name).write_text(text)
    (root / "etc/inittab").write_bytes(_read_data("inittab"))
    # The name under which busybox's acpid looks for what to do when the power button is pressed.
    (root / "etc/acpi/PWRF/00000080").symlink_to("/etc/guest/power-button")
    (root / "root/.ssh/authorized_keys").touch(mode=0o600)
    for name in SCRIPTS:
        path = root / "init" if name == "init" else root / "etc/guest" / name
        path.write_bytes(_read_data(name))
        path.chmod(0o755)


def _write_initrd(root: Path, target: Path) -> None:
    raw = target.with_suffix(".cpio")
    run_command(["sh", "-c", 'cd "$1" && find . | cpio --quiet -o -H newc -R 0:0 >"$2"', "sh", str(root), str(raw)])
    target.write_bytes(gzip.compress(raw.read_bytes(), 9, mtime=0))


def _make_disk(work: Path) -> Path:
    """An unpartitioned FAT disk with syslinux, which a BIOS boots as a hard disk."""
    raw, image = work / "disk.raw", work / "disk.qcow2"
    (work / "syslinux.cfg").write_bytes(_read_data("syslinux.cfg"))
    files = [work / name for name in ("vmlinuz", "initrd.gz", "syslinux.cfg")]
    mebibytes = sum(path.stat().st_size for path in files) // 2**20 + 3
    run_command(["truncate", "-s", f"{mebibytes}M", str(raw)])
    run_command(["mkfs.vfat", "-n", "GUEST", str(raw)])
    run_command(["syslinux", "--install", str(raw)])
    run_command(["mcopy", "-i", str(raw), *map(str, files), "::"])
    run_command(["qemu-img", "convert", "-O", "qcow2", "-c", str(raw), str(image)])
    return image


def upload_image(ssh: Sequence[str], progress: ProgressCallback = lambda text: None) -> None:
    """Have the guest image on a running machine that ``ssh``, a command line, leads to."""
    image, script = (
        build_image(progress=progress),
        f"test -e {PATH_IN_SANDBOX} || {{ mkdir -p {os.path.dirname(PATH_IN_SANDBOX)}; cat >{PATH_IN_SANDBOX}; }}",
    )
    with image.open("rb") as stream:
        process = subprocess.run([*ssh, script], stdin=stream, capture_output=True, text=True)
    if process.returncode:
        raise SandboxError(f"the guest image cannot be put on the sandbox: {process.stderr.strip()}", hint="try again")


def copy_image(root: Path, progress: ProgressCallback = lambda text: None) -> None:
    """Have the guest image in a sandbox's tree (``root``), built first when it is not there yet."""
    image, target = build_image(progress=progress), root / PATH_IN_SANDBOX.lstrip("/")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, target)
