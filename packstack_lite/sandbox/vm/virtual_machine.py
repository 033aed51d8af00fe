"""Make, boot, shut down and kill sandboxes that are virtual machines.

They have a kernel of their own, disks in files and a tap as cable. ``qemu`` and ``uml`` are the hypervisors. Called by
``lifecycle``.
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

# On a busy machine with one processor for the kernel, a deployed cloud's services need minutes to start.
BOOT_SECONDS = 240.0
STOP_SECONDS = 240.0
MEMORY_MIB = 8192
# Both files are sparse: they grow as the node writes.
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
        """Debian packages that the machine's tree needs, besides those of the caller."""

    def prepare(self, progress: ProgressCallback) -> None:
        """Install the tools on this machine, and build what takes minutes."""

    def install_kernel(self, record: Record) -> None:
        """Fit the mounted tree and the sandbox's directory to the kernel that will boot."""

    def boot_argv(self, record: Record, memory_mib: int) -> List[str]:
        """Return the command line that boots the machine with its console on stdout."""


def choose_kind_and_tree(
    kind: str, distro: str, packages: Sequence[str], progress: ProgressCallback
) -> Tuple[str, str]:
    """Return the kind (qemu or uml) of a new virtual machine and its tree's name.

    Everything that takes minutes is made here. ``kind`` machine becomes qemu where KVM works, else uml; the others
    stay. The tree has ``packages`` installed.
    """
    chosen_kind = kind if kind != "machine" else "qemu" if qemu.kvm_works(progress) else "uml"
    find_hypervisor(chosen_kind).prepare(progress)
    names = [*packages, *find_hypervisor(chosen_kind).PACKAGES]
    return chosen_kind, preinstalled_tree.ensure_preinstalled_tree(distro, names, progress) if names else BASE_TREE


def find_hypervisor(kind: str) -> Hypervisor:
    """Return the module that boots machines of this kind.

    Old records call user-mode Linux ``machine``.
    """
    return qemu if kind == "qemu" else uml


def make_disks(record: Record) -> None:
    """Make the disk files from the sandbox's mounted root directory, then empty it.

    The sandbox's layer over its tree is removed too. The tree itself stays, for other sandboxes.
    """
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
    """Start the virtual machine and wait until its SSH server answers.

    Raises SandboxError with the console's last line where it does not within BOOT_SECONDS.
    """
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
    """Give the machine more processor time.

    Where the scheduler weighs sessions (sched(7), autogroup), its session counts as much as ten others.
    """
    for process in child_pids(record.running_pid()):
        with contextlib.suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text("-10")


def _save_console(record: Record) -> Path:
    """Copy the console's log to where it outlives the sandbox; return its path."""
    copy = SANDBOX_HOME / "logs" / f"{record.name}.console.log"
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes((record.directory / "console.log").read_bytes())
    return copy


def _create_tap(record: Record) -> None:
    """Create this machine's end of the cable.

    Unlike a container's it must exist before the node boots.
    """
    name = record.local_interface
    run_command(["ip", "tuntap", "add", "dev", name, "mode", "tap"])
    run_command(["ip", "addr", "replace", f"{record.gateway}/24", "dev", name])
    run_command(["ip", "link", "set", name, "up"])
    run_command(["ip", "route", "replace", record.external_network, "via", record.address])


def _launch(record: Record, argv: List[str]) -> None:
    """Start the virtual machine and write its pid file.

    It has a session of its own, so that it outlives this process.

    ``Record.running_pid`` recognises the process by the root directory among its arguments.
    """
    wrapper = 'shift; "$@"; exit $?'
    script = 'log=$1; shift; setsid "$@" </dev/null >"$log" 2>&1 & echo $!'
    args = ["/bin/sh", "-c", wrapper, "sh", str(record.root), *argv]
    pid = run_command(["sh", "-c", script, "sh", str(record.directory / "console.log"), *args])
    (record.directory / "pid").write_text(pid)


def power_off(record: Record, ssh: List[str]) -> None:
    """Shut the virtual machine down over SSH and wait up to STOP_SECONDS.

    ``ssh`` is the command line to its root. The caller kills what still runs then.
    """
    if not record.running_pid():
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([*ssh, "systemctl poweroff"], capture_output=True, timeout=60)
    wait_until(lambda: not record.running_pid(), STOP_SECONDS)


def _group_exists(pid: int) -> bool:
    """Return whether a process group has processes."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill(record: Record) -> None:
    """Kill the virtual machine at once, and remove its cable and its memory.

    User-mode Linux has a process group of its own, in addition to that of the shell that waits for it.
    """
    pid = record.running_pid()
    groups = [pid, *child_pids(pid)] if pid else []
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    # Disk and cable are free when the last of them has ended.
    wait_until(lambda: not any(_group_exists(group) for group in groups), 20)
    if local_interface_exists(record):
        run_command(["ip", "link", "del", record.local_interface])
    memory = record.directory / "memory"
    if os.path.ismount(memory):
        run_command(["umount", "--lazy", str(memory)])
