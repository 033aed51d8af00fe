"""Sandboxes that are machines: a kernel of their own, a disk in a file, a tap for a network cable.

What boots them is QEMU or user-mode Linux (``qemu``, ``uml``), which have the same names for what differs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import List, Protocol, Sequence, Tuple

from packstack_lite.sandbox import preinstalled_tree, trees
from packstack_lite.sandbox.container import (
    child_pids,
    last_console_line,
    local_interface_exists,
    ssh_answers,
    wait_until,
)
from packstack_lite.sandbox.local_commands import ProgressCallback, run_command
from packstack_lite.sandbox.model import BASE_TREE, SANDBOX_HOME, Record, SandboxError
from packstack_lite.sandbox.nspawn_run import unmount_and_remove
from packstack_lite.sandbox.vm import qemu, uml

# A loaded machine with one processor for the kernel: a deployed cloud's services start for minutes.
BOOT_SECONDS = 240.0
STOP_SECONDS = 240.0
MEMORY_MIB = 8192
# Both grow as they are written to.
DISK_SIZE = "40G"
SECOND_DISK_SIZE = "30G"
FSTAB = "# The kernel's command line names the root file system.\n"


class Hypervisor(Protocol):
    """The names that ``qemu`` and ``uml`` have in common."""

    @property
    def INTERFACE(self) -> str:
        """The kernel's name for the network interface."""

    @property
    def PACKAGES(self) -> Sequence[str]:
        """Debian packages that the machine's tree needs besides those of its caller."""

    def prepare(self, progress: ProgressCallback) -> None:
        """Install the tools on this machine, and build what takes minutes."""

    def install_kernel(self, record: Record) -> None:
        """Fit the mounted tree and the sandbox's directory to the kernel that will boot."""

    def boot_argv(self, record: Record, memory_mib: int) -> List[str]:
        """Return the command line that boots the machine with its console on stdout."""


def choose_kind_and_tree(
    kind: str, distro: str, packages: Sequence[str], progress: ProgressCallback
) -> Tuple[str, str]:
    """What boots a new machine, and the tree with the packages that it begins with; all that takes long is had.

    ``machine`` is QEMU where KVM runs a kernel, else user-mode Linux; what is named stays.
    """
    chosen_kind = kind if kind != "machine" else "qemu" if qemu.kvm_works(progress) else "uml"
    find_hypervisor(chosen_kind).prepare(progress)
    names = [*packages, *find_hypervisor(chosen_kind).PACKAGES]
    return chosen_kind, preinstalled_tree.ensure_preinstalled_tree(distro, names, progress) if names else BASE_TREE


def find_hypervisor(kind: str) -> Hypervisor:
    """Return the module that boots machines of this kind; old records call user-mode Linux ``machine``."""
    return qemu if kind == "qemu" else uml


def make_disks(record: Record) -> None:
    """Make the disk of the mounted tree, at this machine's speed; the tree is not needed any more."""
    root = record.root
    find_hypervisor(record.kind).install_kernel(record)
    (root / "etc/fstab").write_text(FSTAB)
    # systemd-nspawn gives a container its resolver.
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text(Path("/etc/resolv.conf").read_text())
    for name, size in (("disk", DISK_SIZE), ("second", SECOND_DISK_SIZE)):
        run_command(["truncate", "-s", size, str(record.directory / f"{name}.img")])
    run_command(["mkfs.ext4", "-q", "-F", "-L", "root", "-d", str(root), str(record.directory / "disk.img")])
    trees.unmount_tree(record)
    for name in ("upper", "work"):
        unmount_and_remove(record.directory / name)
    unmount_and_remove(root)
    root.mkdir()


def boot(record: Record) -> None:
    """Start the kernel and wait until its SSH server answers; SandboxFault with the console's last line if not."""
    _create_tap(record)
    _launch(record, find_hypervisor(record.kind).boot_argv(record, MEMORY_MIB))
    if (
        not wait_until(lambda: not record.running_pid() or ssh_answers(record.address), BOOT_SECONDS)
        or not record.running_pid()
    ):
        console = record.directory / "console.log"
        raise SandboxError(
            f"sandbox {record.name!r} did not come up: {last_console_line(console.read_text(errors='replace'))}",
            hint=f"that is the last line of its console, {console}, of which a copy is in {_save_console(record)}",
        )
    _raise_priority(record)


def _raise_priority(record: Record) -> None:
    """Where the scheduler weighs sessions (sched(7), autogroup), a whole host's one counts as much as ten."""
    for process in child_pids(record.running_pid()):
        with contextlib.suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text("-10")


def _save_console(record: Record) -> Path:
    """A copy of the console that outlives the sandbox."""
    copy = SANDBOX_HOME / "logs" / f"{record.name}.console.log"
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes((record.directory / "console.log").read_bytes())
    return copy


def _create_tap(record: Record) -> None:
    """The machine's end of the cable: unlike a container's it is there before the sandbox runs."""
    name = record.local_interface
    run_command(["ip", "tuntap", "add", "dev", name, "mode", "tap"])
    run_command(["ip", "addr", "replace", f"{record.gateway}/24", "dev", name])
    run_command(["ip", "link", "set", name, "up"])
    run_command(["ip", "route", "replace", record.external_network, "via", record.address])


def _launch(record: Record, argv: List[str]) -> None:
    """Start the kernel in a session of its own, as nobody's child: it outlives this process.

    The first word behind sh's own is by which the record knows its process.
    """
    wrapper = 'shift; "$@"; exit $?'
    script = 'log=$1; shift; setsid "$@" </dev/null >"$log" 2>&1 & echo $!'
    args = ["/bin/sh", "-c", wrapper, "sh", str(record.root), *argv]
    pid = run_command(["sh", "-c", script, "sh", str(record.directory / "console.log"), *args])
    (record.directory / "pid").write_text(pid)


def power_off(record: Record, ssh: List[str]) -> None:
    """Shut the sandbox down in order, by ``ssh`` (a command line to its root); end it when it takes too long."""
    if not record.running_pid():
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([*ssh, "systemctl poweroff"], capture_output=True, timeout=60)
    wait_until(lambda: not record.running_pid(), STOP_SECONDS)


def _group_exists(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill(record: Record) -> None:
    """End the kernel and its processes at once, and take away cable and memory.

    User-mode Linux makes a process group of its own, apart from that of the shell that waits for it.
    """
    pid = record.running_pid()
    groups = [pid, *child_pids(pid)] if pid else []
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    # The last of them to end lets go of disk and cable.
    wait_until(lambda: not any(_group_exists(group) for group in groups), 20)
    if local_interface_exists(record):
        run_command(["ip", "link", "del", record.local_interface])
    memory = record.directory / "memory"
    if os.path.ismount(memory):
        run_command(["umount", "--lazy", str(memory)])
