"""This machine: running commands on it, its missing tools, the lock between our own processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, ContextManager, Iterator, List, Mapping, Optional, Sequence, TypeVar

from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from packstack_lite.errors import UsageError
from packstack_lite.sandbox.model import SANDBOX_HOME, SandboxError

ProgressCallback = Callable[[str], None]
T = TypeVar("T")

# Seconds to wait for another apt at work.
APT_LOCK_TIMEOUT = 300.0
# Tool -> the Debian package that holds it.
CONTAINER_TOOLS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "iptables": "iptables",
    "ip": "iproute2",
    "ssh": "openssh-client",
}
IMAGE_TOOLS = {
    "qemu-img": "qemu-utils",
    "syslinux": "syslinux",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "cpio": "cpio",
}


def run_command(argv: Sequence[str], env: Optional[Mapping[str, str]] = None, stdin: str = "") -> str:
    """Run a command of this machine and return its stdout; SandboxFault with its last words if it fails."""
    process = subprocess.run(
        list(argv), input=stdin, env={**os.environ, "LC_ALL": "C", **(env or {})}, text=True, capture_output=True
    )
    if process.returncode:
        last_lines = (process.stderr.strip() or process.stdout.strip() or "no output").splitlines()
        raise SandboxError(
            f"{argv[0]} failed ({process.returncode}): {last_lines[-1]}", hint=f"to see more: {' '.join(argv)}"
        )
    return process.stdout


def require_root() -> None:
    """UsageFault unless we are root: mounts, network and chroot need it."""
    if os.geteuid() != 0:
        raise UsageError("a sandbox of kind container needs root on this machine", hint="run it again with sudo")


def missing_packages(tools: Mapping[str, str]) -> List[str]:
    """The packages whose tool this machine lacks; a name that begins with a slash is a file's."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return sorted({tools[tool] for tool in tools if not os.path.exists(tool) and not shutil.which(tool, path=path)})


def install_tools(tools: Mapping[str, str], progress: ProgressCallback) -> None:
    """Install with apt what is missing of the tools, names said first."""
    packages = missing_packages(tools)
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise SandboxError(f"this machine lacks {', '.join(packages)} and has no apt-get", hint="install them by hand")
    progress(f"installing on this machine: {' '.join(packages)}")
    argv = ["install", "-y", "--no-install-recommends", *packages]
    try:
        run_apt_get(argv)
    except SandboxError:
        run_apt_get(["update"])
        run_apt_get(argv)


def run_apt_get(args: Sequence[str], lock_timeout: float = APT_LOCK_TIMEOUT) -> str:
    """apt-get on this machine, which waits for another one at work (a machine's own upgrades, say).

    apt itself waits for dpkg's lock only, not for the one of its package lists.
    """
    wait = [] if args[0] == "update" else ["-o", f"DPkg::Lock::Timeout={lock_timeout:.0f}"]
    retry_on_lock = retry(
        retry=retry_if_exception(lambda fault: "/var/lib/apt/lists" in str(fault) and "lock" in str(fault)),
        stop=stop_after_delay(lock_timeout),
        wait=wait_fixed(min(2.0, lock_timeout / 10)),
        reraise=True,
    )
    call: Callable[[], str] = retry_on_lock(
        lambda: run_command(["apt-get", *wait, *args], {"DEBIAN_FRONTEND": "noninteractive"})
    )
    return call()


def lock_sandbox(name: str = "") -> ContextManager[None]:
    """Hold a sandbox's lock, or the one for all: two commands at once must not take one number.

    Not to be taken twice by one process: the second would wait for the first.
    """
    return _lock(f"sandbox-{name}" if name else "all")


def lock_tree(distro: str) -> ContextManager[None]:
    """Hold the lock of a distro's base: two commands at once must not build one tree."""
    return _lock(f"tree-{distro}")


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    directory = SANDBOX_HOME / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / name, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run_parallel(function: Callable[[T], object], items: Sequence[T]) -> None:
    """Do it to all of them side by side; the first fault is raised when all have ended."""
    with ThreadPoolExecutor(max(len(items), 1)) as pool:
        futures = [pool.submit(function, item) for item in items]
    for future in futures:
        future.result()


def is_systemd_running() -> bool:
    """Whether this machine's process 1 is systemd (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def remove_directory(directory: Path) -> None:
    """Remove a directory of ours; a mount below it makes this an error, not a disaster."""
    run_command(["rm", "-rf", "--one-file-system", str(directory)])
