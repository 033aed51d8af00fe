"""Boot a sandbox by QEMU with Debian's kernel.

QEMU uses KVM where that works, and else translates every instruction. One of the two hypervisors of
``virtual_machine``.
"""

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

# Names in the virtual machine: net.ifnames=0 keeps eth0, and virtio's second disk is vdb.
INTERFACE = "eth0"
SECOND_DISK_DEVICE = "/dev/vdb"
PROGRAM = "qemu-system-x86_64"
# Tool of this machine -> the Debian package that holds it.
TOOLS = {PROGRAM: "qemu-system-x86", "mkfs.ext4": "e2fsprogs"}
# Packages that its tree needs: a kernel, and the tools that make its initial RAM disk.
PACKAGES: Tuple[str, ...] = ("linux-image-amd64", "initramfs-tools")
# Holds "yes" or "no": whether KVM runs a kernel. In /run, so that it is tried again after this machine's next boot.
KVM_RESULT_FILE = Path("/run/packstack-lite-kvm")
PROBE_SECONDS = 15.0
# A kernel without a disk ends with this message, after it has set up memory, interrupts and clocks.
KERNEL_BOOTED_TEXT = b"Unable to mount root fs"


def prepare(progress: ProgressCallback) -> None:
    """Install QEMU on this machine, and warn where KVM does not work."""
    install_tools(TOOLS, progress)
    if not kvm_works(progress):
        progress("KVM does not work here: QEMU translates each instruction, which takes ten times as long")


def install_kernel(record: Record) -> None:
    """Copy the tree's newest kernel and initial RAM disk to the sandbox's directory.

    QEMU loads them without a boot loader. Raises SandboxError where the tree has none.
    """
    for file_name, pattern in (("vmlinuz", "vmlinuz-*"), ("initrd", "initrd.img-*")):
        matches = sorted((record.root / "boot").glob(pattern))
        if not matches:
            raise SandboxError(f"the tree of {record.name} holds no boot/{pattern}", hint="remove that tree")
        shutil.copy(matches[-1], record.directory / file_name)


def boot_argv(record: Record, memory_mib: int) -> List[str]:
    """Return QEMU's command line for a sandbox; the console is stdout."""
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
    """Return QEMU's options for a disk in a raw file."""
    # A sandbox's disk need not survive a power cut: this machine's page cache may write it at any time.
    return ["-drive", f"file={path},format=raw,if=virtio,cache=unsafe,discard=unmap"]


def kvm_works(progress: ProgressCallback = lambda text: None) -> bool:
    """Return whether KVM runs a Debian kernel on this machine.

    It is tried once per boot of this machine, for at most PROBE_SECONDS.

    The device alone proves little: in a virtual machine without nested hardware support, KVM makes virtual machines
    whose kernel never starts. So a kernel is booted until it finds that it has no disk.
    """
    with lock_tree("kvm"):
        if not KVM_RESULT_FILE.exists():
            KVM_RESULT_FILE.write_text("yes" if _has_kvm_device() and _boot_test_kernel(progress) else "no")
        return KVM_RESULT_FILE.read_bytes() == b"yes"


def _has_kvm_device() -> bool:
    """Return whether this machine has a usable /dev/kvm.

    The kernel that is tried is x86_64's: False on other architectures.
    """
    return os.uname().machine == "x86_64" and os.access("/dev/kvm", os.R_OK | os.W_OK)


def _boot_test_kernel(progress: ProgressCallback) -> bool:
    """Boot the guest image's kernel by KVM, without a disk; return whether it starts."""
    install_tools(TOOLS, progress)
    progress("trying whether KVM works here")
    with tempfile.TemporaryDirectory() as work:
        kernel = guest_image.unpack_kernel(Path(work))
        args = [
            *(PROGRAM, "-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256", "-no-reboot"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"),
            *("-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"),
        ]
        return boots_kernel(args)


def boots_kernel(args: List[str], seconds: float = PROBE_SECONDS) -> bool:
    """Return whether a command line prints KERNEL_BOOTED_TEXT within ``seconds``.

    It is ended then.
    """
    try:
        process = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired as timeout:
        return KERNEL_BOOTED_TEXT in (timeout.stdout or b"")
    return KERNEL_BOOTED_TEXT in process.stdout
