"""Run commands on this machine, install missing tools, and take locks.

The locks keep two runs of this program from making the same sandbox or tree.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, ContextManager, Iterator, List, Mapping, Optional, Sequence, TypeVar

from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from packstack_lite.activity import cleanup
from packstack_lite.errors import UsageError
from packstack_lite.sandbox.model import SANDBOX_HOME, SandboxError

ProgressCallback = Callable[[str], None]
T = TypeVar("T")

# Seconds to wait for another apt process.
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
    """Run a command on this machine and return its stdout.

    ``env`` is added to the environment. An exit code other than 0 raises SandboxError with the command's last line.
    """
    process = subprocess.run(
        list(argv), input=stdin, env={**os.environ, "LC_ALL": "C", **(env or {})}, text=True, capture_output=True
    )
    if process.returncode:
        last_lines = (process.stderr.strip() or process.stdout.strip() or "no output").splitlines()
        raise SandboxError(
            f"{argv[0]} failed ({process.returncode}): {last_lines[-1]}",
            hint=f"for the whole output: {shlex.join(argv)}",
        )
    return process.stdout


def require_root() -> None:
    """Raise UsageError unless this process is root's.

    Mounts, network and chroot need it.
    """
    if os.geteuid() != 0:
        raise UsageError("a sandbox needs root on this machine", hint="run it again with sudo")


def missing_packages(tools: Mapping[str, str]) -> List[str]:
    """Return the packages of the tools that this machine lacks.

    A tool is a program, or a file with its full path.
    """
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return sorted({tools[tool] for tool in tools if not os.path.exists(tool) and not shutil.which(tool, path=path)})


def install_tools(tools: Mapping[str, str], progress: ProgressCallback) -> None:
    """Install the packages of missing tools with apt, after a line to ``progress``.

    Raises SandboxError without apt.
    """
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
    """Run apt-get on this machine and return its stdout.

    Wait up to ``lock_timeout`` seconds for another apt process.

    apt itself waits for dpkg's lock, not for the lock of its package lists.
    """
    wait = [] if args[0] == "update" else ["-o", f"DPkg::Lock::Timeout={lock_timeout:.0f}"]
    retry_on_lock = retry(
        retry=retry_if_exception(lambda error: "/var/lib/apt/lists" in str(error) and "lock" in str(error)),
        stop=stop_after_delay(lock_timeout),
        wait=wait_fixed(min(2.0, lock_timeout / 10)),
        reraise=True,
    )
    call: Callable[[], str] = retry_on_lock(
        lambda: run_command(["apt-get", *wait, *args], {"DEBIAN_FRONTEND": "noninteractive"})
    )
    return call()


def lock_sandbox(name: str = "") -> ContextManager[None]:
    """Hold the lock of one sandbox or segment.

    Without a name it is the lock for all sandboxes, which guards their numbers.

    A process that takes the same lock twice waits for itself forever.
    """
    return _lock(f"sandbox-{name}" if name else "all")


def lock_tree(distro: str) -> ContextManager[None]:
    """Hold the lock of a base tree, so that two commands do not build the same one."""
    return _lock(f"tree-{distro}")


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    """Hold an exclusive lock on a file below ``locks``."""
    directory = SANDBOX_HOME / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / name, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run_parallel(function: Callable[[T], object], items: Sequence[T]) -> None:
    """Call the function for every item at the same time.

    When all are done, raise the first error.
    """
    # An interrupted run waits for its threads, so that it can remove what they make.
    with cleanup("working on the sandbox"), ThreadPoolExecutor(max(len(items), 1)) as pool:
        futures = [pool.submit(function, item) for item in items]
    for future in futures:
        future.result()


def is_systemd_running() -> bool:
    """Return whether systemd is process 1 of this machine (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def remove_directory(directory: Path) -> None:
    """Remove a directory of this program.

    A mount below it makes rm fail and its content stays.
    """
    run_command(["rm", "-rf", "--one-file-system", str(directory)])
