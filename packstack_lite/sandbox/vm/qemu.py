"""QEMU: a machine with Debian's own kernel, by KVM where that runs a kernel, else with every instruction translated."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import List, Tuple

from packstack_lite.sandbox import guest_image
from packstack_lite.sandbox.local_commands import ProgressCallback, install_tools, lock_tree
from packstack_lite.sandbox.model import Record, SandboxError

# Without names by place (net.ifnames=0), and virtio's second disk.
INTERFACE = "eth0"
SECOND_DISK_DEVICE = "/dev/vdb"
PROGRAM = "qemu-system-x86_64"
# Tool of this machine -> the Debian package that holds it.
TOOLS = {PROGRAM: "qemu-system-x86", "mkfs.ext4": "e2fsprogs"}
# What its tree has besides: a kernel, and what makes the first file system that this one mounts.
PACKAGES: Tuple[str, ...] = ("linux-image-amd64", "initramfs-tools")
# Whether KVM runs a kernel: found out once, and again after this machine's own next boot.
KVM_RESULT_FILE = Path("/run/packstack-lite-kvm")
PROBE_SECONDS = 15.0
# A kernel that gets as far as this has set up memory, interrupts and clocks.
KERNEL_BOOTED_TEXT = b"Unable to mount root fs"


def prepare(progress: ProgressCallback) -> None:
    """Have the tools, and say what it means that KVM runs no kernel."""
    install_tools(TOOLS, progress)
    if not kvm_works(progress):
        progress("KVM runs no kernel here: QEMU translates each instruction, which takes ten times as long")


def install_kernel(record: Record) -> None:
    """Keep what the mounted tree boots from beside the disk: QEMU loads it itself, without a boot loader."""
    for file_name, pattern in (("vmlinuz", "vmlinuz-*"), ("initrd", "initrd.img-*")):
        matches = sorted((record.root / "boot").glob(pattern))
        if not matches:
            raise SandboxError(f"the tree of {record.name} holds no boot/{pattern}", hint="remove that tree")
        shutil.copy(matches[-1], record.directory / file_name)


def boot_argv(record: Record, memory_mib: int) -> List[str]:
    """The command line that boots it; its console is standard output."""
    accelerator, processor = ("kvm", "host") if kvm_works() else ("tcg,thread=multi", "max")
    return [
        *(PROGRAM, "-name", record.name, "-machine", "q35", "-accel", accelerator, "-cpu", processor),
        *("-smp", str(len(os.sched_getaffinity(0))), "-m", str(memory_mib)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"),
        *("-kernel", str(record.directory / "vmlinuz"), "-initrd", str(record.directory / "initrd")),
        *("-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0"),
        *_drive_args(record.directory / "disk.img"),
        *_drive_args(record.directory / "second.img"),
        *("-netdev", f"tap,id=cable,ifname={record.local_interface},script=no,downscript=no"),
        *("-device", "virtio-net-pci,netdev=cable", "-device", "virtio-rng-pci"),
    ]


def _drive_args(path: Path) -> List[str]:
    # Nobody needs a sandbox's disk after a power cut: this machine writes when it likes.
    return ["-drive", f"file={path},format=raw,if=virtio,cache=unsafe,discard=unmap"]


def kvm_works(progress: ProgressCallback = lambda text: None) -> bool:
    """Whether this machine's KVM runs a kernel of Debian's.

    The device tells little: nested in a machine without hardware for it, KVM makes virtual machines in which no
    kernel ever says a word. So one is booted, for as long as it takes to miss its disk.
    """
    with lock_tree("kvm"):
        if not KVM_RESULT_FILE.exists():
            KVM_RESULT_FILE.write_text("yes" if _has_kvm_device() and _boot_test_kernel(progress) else "no")
        return KVM_RESULT_FILE.read_bytes() == b"yes"


def _has_kvm_device() -> bool:
    """Whether there is a device, and this machine is of the kind whose kernel is at hand."""
    return os.uname().machine == "x86_64" and os.access("/dev/kvm", os.R_OK | os.W_OK)


def _boot_test_kernel(progress: ProgressCallback) -> bool:
    install_tools(TOOLS, progress)
    progress("trying whether KVM runs a kernel here")
    with tempfile.TemporaryDirectory() as work:
        kernel = guest_image.unpack_kernel(Path(work))
        args = [
            *(PROGRAM, "-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256", "-no-reboot"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"),
            *("-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"),
        ]
        return boots_kernel(args)


def boots_kernel(args: List[str], seconds: float = PROBE_SECONDS) -> bool:
    """Whether what the command line starts prints the proof in time; it is ended in any case."""
    try:
        process = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired as timeout:
        return KERNEL_BOOTED_TEXT in (timeout.stdout or b"")
    return KERNEL_BOOTED_TEXT in process.stdout
