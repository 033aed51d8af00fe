"""Sandboxes that are machines: a kernel of their own, a disk in a file, a tap for a network cable.

What boots them is QEMU or user-mode Linux (``qemu``, ``uml``), which have the same names for what differs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from types import ModuleType
from typing import List, Sequence, Tuple

from packstack_lite.sandbox import packaged, qemu, trees, uml
from packstack_lite.sandbox.container import answers, children, interface_exists, last_words, until
from packstack_lite.sandbox.inside import remove_mounted
from packstack_lite.sandbox.machine import Say, run
from packstack_lite.sandbox.model import BOOTS_FROM, HOME, Record, SandboxFault

# A loaded machine with one processor for the kernel: a deployed cloud's services start for minutes.
BOOT_SECONDS = 240.0
STOP_SECONDS = 240.0
MEMORY_MIB = 8192
# Both grow as they are written to.
DISK = "40G"
SECOND_DISK = "30G"
FSTAB = "# The kernel's command line names the root file system.\n"


def choose(kind: str, distro: str, packages: Sequence[str], say: Say) -> Tuple[str, str]:
    """What boots a new machine, and the tree with the packages that it begins with; all that takes long is had.

    ``machine`` is QEMU where KVM runs a kernel, else user-mode Linux; what is named stays.
    """
    chosen = kind if kind != "machine" else "qemu" if qemu.kvm_runs(say) else "uml"
    booted_by(chosen).prepare(say)
    names = [*packages, *booted_by(chosen).PACKAGES]
    return chosen, packaged.ensure(distro, names, say) if names else BOOTS_FROM


def booted_by(kind: str) -> ModuleType:
    """What boots a machine of its kind (``machine`` is how older records call user-mode Linux)."""
    return qemu if kind == "qemu" else uml


def fill(record: Record) -> None:
    """Make the disk of the mounted tree, at this machine's speed; the tree is not needed any more."""
    root = record.root
    booted_by(record.kind).equip(record)
    (root / "etc/fstab").write_text(FSTAB)
    # systemd-nspawn gives a container its resolver.
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text(Path("/etc/resolv.conf").read_text())
    for name, size in (("disk", DISK), ("second", SECOND_DISK)):
        run(["truncate", "-s", size, str(record.place / f"{name}.img")])
    run(["mkfs.ext4", "-q", "-F", "-L", "root", "-d", str(root), str(record.place / "disk.img")])
    trees.unmount(record)
    for name in ("upper", "work"):
        remove_mounted(record.place / name)
    remove_mounted(root)
    root.mkdir()


def boot(record: Record) -> None:
    """Start the kernel and wait until its SSH server answers; SandboxFault with the console's last line if not."""
    _plug(record)
    _launch(record, booted_by(record.kind).command(record, MEMORY_MIB))
    if not until(lambda: not record.pid() or answers(record.address), BOOT_SECONDS) or not record.pid():
        console = record.place / "console.log"
        raise SandboxFault(
            f"sandbox {record.name!r} did not come up: {last_words(console.read_text(errors='replace'))}",
            hint=f"that is the last line of its console, {console}, of which a copy is in {_keep(record)}",
        )
    _weigh(record)


def _weigh(record: Record) -> None:
    """Where the scheduler weighs sessions (sched(7), autogroup), a whole host's one counts as much as ten."""
    for process in children(record.pid()):
        with contextlib.suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text("-10")


def _keep(record: Record) -> Path:
    """A copy of the console that outlives the sandbox."""
    kept = HOME / "logs" / f"{record.name}.console.log"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes((record.place / "console.log").read_bytes())
    return kept


def _plug(record: Record) -> None:
    """The machine's end of the cable: unlike a container's it is there before the sandbox runs."""
    name = record.interface
    run(["ip", "tuntap", "add", "dev", name, "mode", "tap"])
    run(["ip", "addr", "replace", f"{record.gateway}/24", "dev", name])
    run(["ip", "link", "set", name, "up"])
    run(["ip", "route", "replace", record.external_network, "via", record.address])


def _launch(record: Record, argv: List[str]) -> None:
    """Start the kernel in a session of its own, as nobody's child: it outlives this process.

    The first word behind sh's own is by which the record knows its process.
    """
    keep = 'shift; "$@"; exit $?'
    script = 'log=$1; shift; setsid "$@" </dev/null >"$log" 2>&1 & echo $!'
    words = ["/bin/sh", "-c", keep, "sh", str(record.root), *argv]
    pid = run(["sh", "-c", script, "sh", str(record.place / "console.log"), *words])
    (record.place / "pid").write_text(pid)


def power_off(record: Record, ssh: List[str]) -> None:
    """Shut the sandbox down in order, by ``ssh`` (a command line to its root); end it when it takes too long."""
    if not record.pid():
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([*ssh, "systemctl poweroff"], capture_output=True, timeout=60)
    until(lambda: not record.pid(), STOP_SECONDS)


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
    pid = record.pid()
    groups = [pid, *children(pid)] if pid else []
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    # The last of them to end lets go of disk and cable.
    until(lambda: not any(_group_exists(group) for group in groups), 20)
    if interface_exists(record):
        run(["ip", "link", "del", record.interface])
    memory = record.place / "memory"
    if os.path.ismount(memory):
        run(["umount", "--lazy", str(memory)])
