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

from packstack_lite.errors import UsageFault
from packstack_lite.sandbox.model import HOME, SandboxFault

Say = Callable[[str], None]
T = TypeVar("T")

# Seconds to wait for another apt at work.
PATIENCE = 300.0
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


def run(argv: Sequence[str], env: Optional[Mapping[str, str]] = None, stdin: str = "") -> str:
    """Run a command of this machine and return its stdout; SandboxFault with its last words if it fails."""
    done = subprocess.run(
        list(argv), input=stdin, env={**os.environ, "LC_ALL": "C", **(env or {})}, text=True, capture_output=True
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise SandboxFault(f"{argv[0]} failed ({done.returncode}): {said[-1]}", hint=f"to see more: {' '.join(argv)}")
    return done.stdout


def need_root() -> None:
    """UsageFault unless we are root: mounts, network and chroot need it."""
    if os.geteuid() != 0:
        raise UsageFault("a sandbox of kind container needs root on this machine", hint="run it again with sudo")


def missing(tools: Mapping[str, str]) -> List[str]:
    """The packages whose tool this machine lacks; a name that begins with a slash is a file's."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return sorted({tools[tool] for tool in tools if not os.path.exists(tool) and not shutil.which(tool, path=path)})


def install(tools: Mapping[str, str], say: Say) -> None:
    """Install with apt what is missing of the tools, names said first."""
    packages = missing(tools)
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise SandboxFault(f"this machine lacks {', '.join(packages)} and has no apt-get", hint="install them by hand")
    say(f"installing on this machine: {' '.join(packages)}")
    argv = ["install", "-y", "--no-install-recommends", *packages]
    try:
        apt_get(argv)
    except SandboxFault:
        apt_get(["update"])
        apt_get(argv)


def apt_get(words: Sequence[str], patience: float = PATIENCE) -> str:
    """apt-get on this machine, which waits for another one at work (a machine's own upgrades, say).

    apt itself waits for dpkg's lock only, not for the one of its package lists.
    """
    wait = [] if words[0] == "update" else ["-o", f"DPkg::Lock::Timeout={patience:.0f}"]
    again = retry(
        retry=retry_if_exception(lambda fault: "/var/lib/apt/lists" in str(fault) and "lock" in str(fault)),
        stop=stop_after_delay(patience),
        wait=wait_fixed(min(2.0, patience / 10)),
        reraise=True,
    )
    ask: Callable[[], str] = again(lambda: run(["apt-get", *wait, *words], {"DEBIAN_FRONTEND": "noninteractive"}))
    return ask()


def locked(name: str = "") -> ContextManager[None]:
    """Hold a sandbox's lock, or the one for all: two commands at once must not take one number.

    Not to be taken twice by one process: the second would wait for the first.
    """
    return _lock(f"sandbox-{name}" if name else "all")


def locked_tree(distro: str) -> ContextManager[None]:
    """Hold the lock of a distro's base: two commands at once must not build one tree."""
    return _lock(f"tree-{distro}")


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    place = HOME / "locks"
    place.mkdir(parents=True, exist_ok=True)
    with open(place / name, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def together(do: Callable[[T], object], items: Sequence[T]) -> None:
    """Do it to all of them side by side; the first fault is raised when all have ended."""
    with ThreadPoolExecutor(max(len(items), 1)) as pool:
        futures = [pool.submit(do, item) for item in items]
    for future in futures:
        future.result()


def systemd_here() -> bool:
    """Whether this machine's process 1 is systemd (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def remove(place: Path) -> None:
    """Remove a directory of ours; a mount below it makes this an error, not a disaster."""
    run(["rm", "-rf", "--one-file-system", str(place)])
