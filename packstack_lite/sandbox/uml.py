"""User-mode Linux: a kernel that runs as an ordinary process, without KVM (research: sandbox.md §15)."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import Dict, List

from packstack_lite.sandbox.machine import run
from packstack_lite.sandbox.model import HOME, Record, SandboxFault

# Tool, or file, -> the Debian package that holds it.
TOOLS = {
    "linux.uml": "user-mode-linux",
    "mkfs.ext4": "e2fsprogs",
    "gcc": "gcc",
    "/usr/include/elf.h": "libc6-dev",
}
MODULES = Path("/usr/lib/uml/modules")
# As the kernel names its interface and its second disk.
INTERFACE = "vec0"
SECOND_DISK = "/dev/ubdb"
# The kernel saves a process's registers up to AVX when a signal handler runs (data/uml/xstate.c); the C library's
# own functions, of which every program is full, are kept to these.
TUNABLES = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ"


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
# The kernel has nf_tables, but no table of addresses in it: iptables is to use its older way, whenever it is installed.
LEGACY = """
for family in iptables ip6tables; do
    [ ! -x /usr/sbin/$family-legacy ] || update-alternatives --quiet --set $family /usr/sbin/$family-legacy
done
"""


def version() -> str:
    """The kernel's release; its modules are in a directory of that name."""
    found = sorted(path.name for path in MODULES.glob("*") if (path / "kernel").is_dir())
    if not found:
        raise SandboxFault(f"there are no modules in {MODULES}", hint="apt-get install --reinstall user-mode-linux")
    return found[-1]


def equip(root: Path) -> None:
    """Give a tree the kernel's modules, the kernel itself stays outside, and what fits a host to this kernel."""
    release = version()
    place = root / "usr/lib/modules" / release
    place.parent.mkdir(parents=True, exist_ok=True)
    run(["cp", "-a", str(MODULES / release), str(place)])
    run(["chroot", str(root), "depmod", release])
    generators = root / "etc/systemd/system-generators"
    generators.mkdir(exist_ok=True)
    for name in NOT_RUN:
        (generators / f"systemd-{name}-generator").symlink_to("/dev/null")
    limits = root / "etc/systemd/system.conf.d"
    limits.mkdir(exist_ok=True)
    (limits / "packstack-lite-sandbox.conf").write_text(LIMITS)
    hook = root / "usr/local/sbin/packstack-lite-legacy-iptables"
    hook.write_text(f"#!/bin/sh{LEGACY}")
    hook.chmod(0o755)
    (root / "etc/apt/apt.conf.d/90packstack-lite-sandbox").write_text(
        'DPkg::Post-Invoke { "/usr/local/sbin/packstack-lite-legacy-iptables"; };\n'
    )
    run(["chroot", str(root), "/usr/local/sbin/packstack-lite-legacy-iptables"])
    settings = root / "etc/mysql/mariadb.conf.d"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "10-packstack-lite-sandbox.cnf").write_text(MARIADB)


def shim() -> Path:
    """The library that lets the kernel run on processors younger than it, compiled when its source has changed."""
    place = HOME / "kernels" / "xstate.so"
    with ExitStack() as stack:
        data = resources.files("packstack_lite.sandbox") / "data" / "uml" / "xstate.c"
        source = stack.enter_context(resources.as_file(data))
        kept = place.with_suffix(".c")
        if not place.exists() or not kept.exists() or kept.read_bytes() != source.read_bytes():
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.with_suffix(".part")
            run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(part), str(source)])
            os.replace(part, place)
            shutil.copy(source, kept)
    return place


def argv(record: Record, memory_mib: int) -> List[str]:
    """The kernel's command line; its console is standard output."""
    return [
        "linux.uml",
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
        f"systemd.setenv={TUNABLES}",
    ]


def environment(record: Record) -> Dict[str, str]:
    """Where the kernel keeps its memory, and what stands between it and this machine's kernel."""
    return {"LD_PRELOAD": str(shim()), "TMPDIR": str(record.place / "memory")}
