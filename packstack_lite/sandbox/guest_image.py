"""Build a small bootable disk image for the cloud's instances.

It holds a kernel, busybox and an SSH server, all of Debian packages.

It needs no download except packages from this machine's apt. The guest gets its address by DHCP, and its name, root's
key and a user-data script from the metadata service; it writes ``GUEST-READY name address seconds`` to the serial
console. Only root can log in, with that key.
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
# The image's path on a sandbox, which --sandbox puts into the answer for the demo image.
PATH_IN_SANDBOX = "/usr/share/packstack-lite/guest.qcow2"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
# In the order of loading; a module that the kernel has built in has no file and is left out.
KERNEL_MODULES = (
    "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
    "failover", "net_failover", "virtio_net", "virtio_blk", "virtio-rng", "evdev", "button",
)  # fmt: skip
PROGRAMS = ("busybox", "dropbear", "dropbearkey")
SCRIPTS = ("init", "setup", "dhcp", "metadata", "power-button")
# busybox installs its commands into the first four, and leaves out those whose directory is missing.
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
    """Build the qcow2 image (about 15 MB) and return its path.

    An image at ``target`` of today's recipe is left as it is. Downloaded packages stay in the directory of ``target``.
    Raises SandboxError where a package or tool is not available.
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
    """Return a file of ``packstack_lite/sandbox/guest``."""
    return (resources.files("packstack_lite.sandbox") / "guest" / name).read_bytes()


def recipe_digest() -> str:
    """Return a digest of what the image is made from, package versions excepted."""
    parts = [
        *map(_read_data, (*SCRIPTS, "inittab", "syslinux.cfg")),
        repr((KERNEL_MODULES, PROGRAMS, DIRECTORIES, ETC_FILES)).encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def parse_kernel_package(depends: str) -> str:
    """Return the package of the current kernel.

    ``depends`` is the output of ``apt-cache depends`` for KERNEL_PACKAGE.
    """
    match = re.search(r"Depends: (linux-image-\d\S*)", depends)
    if not match:
        raise SandboxError(
            f"this machine's apt knows no {KERNEL_PACKAGE}", hint="the guest image needs Debian on amd64"
        )
    return match.group(1)


def parse_packages(depends: str) -> List[str]:
    """Return the package names in the output of ``apt-cache depends --recurse``.

    They stand at the start of a line.
    """
    return sorted({line for line in depends.splitlines() if re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", line)})


def _list_packages() -> List[str]:
    """Return the names of all packages of the image: kernel, programs, libraries."""
    options = ["--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"]
    kernel = parse_kernel_package(run_command(["apt-cache", "depends", *options, KERNEL_PACKAGE]))
    return [
        kernel,
        *parse_packages(run_command(["apt-cache", "depends", "--recurse", *options, "busybox", "dropbear-bin"])),
    ]


def _download_and_unpack(cache: Path, packages: Path) -> None:
    """Download packages that the cache lacks, and unpack all into ``packages``.

    Nothing is installed.
    """
    cache.mkdir(parents=True, exist_ok=True)
    names = _list_packages()
    run_command(["sh", "-c", 'cd "$1" && shift && apt-get -q download "$@"', "sh", str(cache), *names])
    for name in names:
        newest = max(cache.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
        run_command(["dpkg-deb", "-x", str(newest), str(packages)])


def unpack_kernel(work: Path) -> Path:
    """Unpack the guest's kernel below a directory and return its path.

    Raises SandboxError where it is not available.
    """
    _download_and_unpack(IMAGE_PATH.parent / "guest-packages", work)
    return _find_file(work, "vmlinuz-*")


def _find_file(tree: Path, pattern: str) -> Path:
    """Return a file of an unpacked package by its name's pattern.

    Raises SandboxError where there is none.
    """
    matches = sorted(path for path in tree.rglob(pattern) if path.is_file())
    if not matches:
        raise SandboxError(f"the downloaded packages hold no {pattern}", hint="apt-get update, then try again")
    return matches[0]


def _libraries(packages: Path, program: Path) -> Iterator[Path]:
    """Yield the shared libraries that a program loads.

    They are taken from the packages, not from this machine.
    """
    loader = _find_file(packages, "ld-linux-x86-64.so.2")
    directories = {str(path.parent) for path in packages.rglob("*.so.*") if "gconv" not in path.parts}
    listing = run_command([str(loader), "--library-path", ":".join(sorted(directories)), "--list", str(program)])
    for path in re.findall(r"=> (/\S+)", listing):
        yield Path(path)


def _fill_root(root: Path, packages: Path) -> None:
    """Fill the guest's file system, which is all in its initial RAM disk."""
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
    """Copy the kernel modules, uncompressed, and a list of their order of loading."""
    order = []
    for name in KERNEL_MODULES:
        for path in sorted(packages.rglob(f"{name}.ko*"))[:1]:
            data = path.read_bytes()
            (target / f"{name}.ko").write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)
            order.append(name)
    (target / "order").write_text("\n".join(order) + "\n")


def _fill_scripts(root: Path) -> None:
    """Write the configuration files of /etc and the scripts of ``guest``."""
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
    """Pack a directory as initial RAM disk: a compressed cpio archive."""
    raw = target.with_suffix(".cpio")
    run_command(["sh", "-c", 'cd "$1" && find . | cpio --quiet -o -H newc -R 0:0 >"$2"', "sh", str(root), str(raw)])
    target.write_bytes(gzip.compress(raw.read_bytes(), 9, mtime=0))


def _make_disk(work: Path) -> Path:
    """Make the disk image in the directory ``work`` and return its path.

    It is an unpartitioned FAT file system with syslinux, which a BIOS boots as a hard disk.
    """
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
    """Copy the guest image to a running sandbox, unless it is there.

    ``ssh`` is the command line to its root.
    """
    image, script = (
        build_image(progress=progress),
        f"test -e {PATH_IN_SANDBOX} || {{ mkdir -p {os.path.dirname(PATH_IN_SANDBOX)}; cat >{PATH_IN_SANDBOX}; }}",
    )
    with image.open("rb") as stream:
        process = subprocess.run([*ssh, script], stdin=stream, capture_output=True, text=True)
    if process.returncode:
        raise SandboxError(
            f"the guest image cannot be copied to the sandbox: {process.stderr.strip()}", hint="try again"
        )


def copy_image(root: Path, progress: ProgressCallback = lambda text: None) -> None:
    """Copy the guest image into a sandbox's root directory, unless it is there."""
    image, target = build_image(progress=progress), root / PATH_IN_SANDBOX.lstrip("/")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, target)
