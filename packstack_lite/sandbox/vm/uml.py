"""Boot a sandbox by user-mode Linux.

That is a kernel which runs as an ordinary process, without KVM. One of the two hypervisors of ``virtual_machine``;
``uml_kernel`` makes the kernel.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Tuple

from packstack_lite.sandbox.local_commands import ProgressCallback, install_tools, run_command
from packstack_lite.sandbox.model import Record
from packstack_lite.sandbox.vm import uml_kernel
from packstack_lite.sandbox.vm.uml_kernel import KernelBuild

# Names in the virtual machine.
INTERFACE = "vec0"
SECOND_DISK_DEVICE = "/dev/ubdb"
# Its kernel is not a package.
PACKAGES: Tuple[str, ...] = ()
# Each reload of systemd runs all generators, and starting a program takes ten times as long as on other kernels. These
# do nothing useful on such a node.
DISABLED_GENERATORS = (
    "bless-boot", "cryptsetup", "debug", "gpt-auto", "hibernate-resume", "integritysetup", "rc-local", "system-update",
    "veritysetup",
)  # fmt: skip
# A process has an address space of half a terabyte here; newer MariaDBs reserve 8 TiB for a buffer that may grow.
MARIADB_CONFIG = "[mysqld]\nloose_innodb_buffer_pool_size_max = 4G\n"
# For units without their own timeouts: when a whole cloud starts at once, 90 seconds are too short.
SYSTEMD_CONFIG = "[Manager]\nDefaultTimeoutStartSec=900\nDefaultTimeoutStopSec=120\n"


def prepare(progress: ProgressCallback) -> None:
    """Install the tools on this machine and make the kernel.

    The kernel takes up to twenty minutes where it is missing.
    """
    install_tools(uml_kernel.TOOLS, progress)
    uml_kernel.ensure_kernel(progress)


def install_kernel(record: Record) -> None:
    """Adapt the mounted tree to today's kernel, and link it to the sandbox."""
    build = uml_kernel.KernelBuild(uml_kernel.kernel_dir())
    uml_kernel.link_kernel(record.directory, build)
    adapt_tree(record.root, build)


def boot_argv(record: Record, memory_mib: int) -> List[str]:
    """Mount a tmpfs for the machine's memory; return the command line that boots it.

    The tmpfs is mounted here, by this call. The command line starts User Mode Linux with the console on stdout.
    """
    memory = record.directory / "memory"
    memory.mkdir(exist_ok=True)
    # /dev/shm is often small where this machine is a container itself.
    run_command(
        ["mount", "-t", "tmpfs", "-o", f"mode=0700,size={memory_mib + 512}M", "packstack-lite-sandbox", str(memory)]
    )
    build = uml_kernel.linked_kernel(record.directory)
    return [*taskset_argv(record), *_env_argv(build.environment(memory)), *uml_argv(record, build, memory_mib)]


def taskset_argv(record: Record) -> List[str]:
    """Return the command prefix that keeps the machine on one processor.

    Kernel and processes take turns thousands of times a second; on two processors each turn would wait for the other
    processor (measured on a busy machine: half as many system calls per second).
    """
    processors = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(processors[record.number % len(processors)])]


def _env_argv(environment: Dict[str, str]) -> List[str]:
    """Return the command prefix that sets environment variables."""
    return ["env", *(f"{name}={value}" for name, value in environment.items())]


def adapt_tree(root: Path, build: KernelBuild) -> None:
    """Copy the kernel's modules into a tree, and write settings for this kernel."""
    modules = build.modules
    target = root / "usr/lib/modules" / modules.name
    target.parent.mkdir(parents=True, exist_ok=True)
    run_command(["cp", "-a", str(modules), str(target)])
    (root / "boot").mkdir(exist_ok=True)
    (root / "boot" / f"config-{modules.name}").write_text(build.config)
    run_command(["chroot", str(root), "depmod", modules.name])
    generators = root / "etc/systemd/system-generators"
    generators.mkdir(exist_ok=True)
    for name in DISABLED_GENERATORS:
        (generators / f"systemd-{name}-generator").symlink_to("/dev/null")
    limits = root / "etc/systemd/system.conf.d"
    limits.mkdir(exist_ok=True)
    (limits / "packstack-lite-sandbox.conf").write_text(SYSTEMD_CONFIG)
    settings = root / "etc/mysql/mariadb.conf.d"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "10-packstack-lite-sandbox.cnf").write_text(MARIADB_CONFIG)


def uml_argv(record: Record, build: KernelBuild, memory_mib: int) -> List[str]:
    """Return the kernel's command line; its console is stdout."""
    return [
        build.program,
        f"ubd0={record.directory / 'disk.img'}",
        f"ubd1={record.directory / 'second.img'}",
        "root=/dev/ubda",
        "rw",
        f"mem={memory_mib}M",
        "con=null",
        "con0=null,fd:2",
        "con1=null,fd:1",
        "ssl=null",
        f"vec0:transport=tap,ifname={record.local_interface},depth=128,gro=1",
        f"uml_dir={record.directory}",
        f"umid={record.name}",
        # Use seccomp instead of ptrace, where this machine's kernel can.
        "seccomp=auto",
    ]
