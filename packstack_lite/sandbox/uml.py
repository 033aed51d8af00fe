"""User-mode Linux: a kernel that runs as an ordinary process, without KVM (research: sandbox.md §15)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List

from packstack_lite.sandbox import kernel
from packstack_lite.sandbox.kernel import Kernel
from packstack_lite.sandbox.machine import Say, install, run
from packstack_lite.sandbox.model import Record

# As the kernel names its interface and its second disk.
INTERFACE = "vec0"
SECOND_DISK = "/dev/ubdb"
# Its kernel is no package.
PACKAGES = ()
# Each reload of systemd runs all of these, and starting a program takes ten times as long as elsewhere. None of them
# has anything to do on such a host.
NOT_RUN = (
    "bless-boot", "cryptsetup", "debug", "gpt-auto", "hibernate-resume", "integritysetup", "rc-local", "system-update",
    "veritysetup",
)  # fmt: skip
# A process has half a terabyte of addresses here; newer MariaDBs set eight aside for a buffer that may grow.
MARIADB = "[mysqld]\nloose_innodb_buffer_pool_size_max = 4G\n"
# For units without a limit of their own: where all of a cloud starts at once, 90 seconds are too few.
LIMITS = "[Manager]\nDefaultTimeoutStartSec=900\nDefaultTimeoutStopSec=120\n"


def prepare(say: Say) -> None:
    """Have the tools and the kernel, which takes twenty minutes where it is not there yet."""
    install(kernel.TOOLS, say)
    kernel.ensure(say)


def equip(record: Record) -> None:
    """Fit the mounted tree to the kernel, and let the sandbox know it."""
    chosen = kernel.Kernel(kernel.place_of())
    kernel.keep(record.place, chosen)
    furnish(record.root, chosen)


def command(record: Record, memory_mib: int) -> List[str]:
    """The command line that boots it, with a place for its memory made; its console is standard output."""
    memory = record.place / "memory"
    memory.mkdir(exist_ok=True)
    # /dev/shm is often small where this machine is a container itself.
    run(["mount", "-t", "tmpfs", "-o", f"mode=0700,size={memory_mib + 512}M", "packstack-lite-sandbox", str(memory)])
    chosen = kernel.kept(record.place)
    return [*pinned(record), *_env(chosen.environment(memory)), *argv(record, chosen, memory_mib)]


def pinned(record: Record) -> List[str]:
    """The kernel and the process whose turn it is run by turns, thousands of times a second: on one processor.

    On two each would wait for the other's to be free (measured: half the system calls, on a busy machine).
    """
    processors = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(processors[record.number % len(processors)])]


def _env(environment: Dict[str, str]) -> List[str]:
    return ["env", *(f"{name}={value}" for name, value in environment.items())]


def furnish(root: Path, chosen: Kernel) -> None:
    """Give a tree the kernel's modules, the kernel itself stays outside, and what fits a host to this kernel."""
    modules = chosen.modules
    place = root / "usr/lib/modules" / modules.name
    place.parent.mkdir(parents=True, exist_ok=True)
    run(["cp", "-a", str(modules), str(place)])
    (root / "boot").mkdir(exist_ok=True)
    (root / "boot" / f"config-{modules.name}").write_text(chosen.config)
    run(["chroot", str(root), "depmod", modules.name])
    generators = root / "etc/systemd/system-generators"
    generators.mkdir(exist_ok=True)
    for name in NOT_RUN:
        (generators / f"systemd-{name}-generator").symlink_to("/dev/null")
    limits = root / "etc/systemd/system.conf.d"
    limits.mkdir(exist_ok=True)
    (limits / "packstack-lite-sandbox.conf").write_text(LIMITS)
    settings = root / "etc/mysql/mariadb.conf.d"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "10-packstack-lite-sandbox.cnf").write_text(MARIADB)


def argv(record: Record, chosen: Kernel, memory_mib: int) -> List[str]:
    """The kernel's command line; its console is standard output."""
    return [
        chosen.program,
        f"ubd0={record.place / 'disk.img'}",
        f"ubd1={record.place / 'second.img'}",
        "root=/dev/ubda",
        "rw",
        f"mem={memory_mib}M",
        "con=null",
        "con0=null,fd:2",
        "con1=null,fd:1",
        "ssl=null",
        f"vec0:transport=tap,ifname={record.interface},depth=128,gro=1",
        f"uml_dir={record.place}",
        f"umid={record.name}",
        # Without ptrace; where this machine's own kernel cannot do that, with it.
        "seccomp=auto",
    ]
