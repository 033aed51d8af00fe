"""Run scripts in a tree that is not booted, and copy, overlay and remove trees.

Scripts run in a container of systemd-nspawn and not in a chroot: /proc, /dev and /run are there, and processes that a
package's script leaves behind end with the container.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence

from packstack_lite.sandbox.local_commands import remove_directory, run_command
from packstack_lite.sandbox.model import SandboxError

# A message of systemd-nspawn about its own clean-up, which says nothing about the script.
NSPAWN_CLEANUP_NOISE = "Attempted to remove disk file system"


def nspawn_argv(root: Path, binds: Sequence[str] = (), env: Optional[Mapping[str, str]] = None) -> List[str]:
    """Return systemd-nspawn's command line for a shell that reads stdin."""
    args = ["systemd-nspawn", "--quiet", f"--directory={root}", f"--machine=packstack-lite-build-{root.name}"]
    args += ["--register=no", "--keep-unit", "--as-pid2", "--resolv-conf=copy-host", "--pipe"]
    # A name that resolves: rpmbuild looks up its host name for each package.
    args += ["--hostname=localhost"]
    args += [f"--bind={bind}" for bind in binds]
    settings = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **(env or {})}
    args += [f"--setenv={name}={value}" for name, value in settings.items()]
    return [*args, "/bin/sh", "-eu", "-s"]


def run_script(root: Path, script: str, binds: Sequence[str] = (), env: Optional[Mapping[str, str]] = None) -> str:
    """Run a POSIX sh script as root in the tree and return its stdout.

    ``binds`` are directories of this machine to mount there, as PATH or PATH:PATH_IN_TREE; ``env`` are more environment
    variables. Raises SandboxError with the last three lines of output if it fails.
    """
    process = subprocess.run(nspawn_argv(root, binds, env), input=script, text=True, capture_output=True)
    if process.returncode:
        lines = (process.stdout + "\n" + process.stderr).splitlines()
        last_lines = [line for line in lines if line.strip() and not line.startswith(NSPAWN_CLEANUP_NOISE)] or [
            "no output"
        ]
        raise SandboxError(
            f"a step of building {root.name} failed ({process.returncode}): {' | '.join(last_lines[-3:])}",
            hint="run it again; if it fails again, report it with this message",
        )
    return process.stdout


@contextlib.contextmanager
def scratch_tree(tree: Path, directory: Path) -> Iterator[Path]:
    """Yield a writable tree with the content of another one, as overlay or copy.

    It is removed afterwards.
    """
    root = directory / "root"
    try:
        unmount_and_remove(directory)
        for name in ("root", "upper", "work"):
            (directory / name).mkdir(parents=True)
        if not mount_overlay(tree, directory):
            root.rmdir()
            copy_tree(tree, root)
        yield root
    finally:
        unmount_and_remove(directory)


def mount_overlay(tree: Path, directory: Path) -> bool:
    """Mount the tree at ``directory``/root with writes going to ``directory``/upper.

    Returns False where overlays fail.
    """
    options = f"lowerdir={tree},upperdir={directory / 'upper'},workdir={directory / 'work'}"
    argv = ["mount", "-t", "overlay", "packstack-lite-sandbox", "-o", options, str(directory / "root")]
    return subprocess.run(argv, capture_output=True).returncode == 0


def unmount_and_remove(directory: Path) -> None:
    """Unmount everything at or below a directory, then remove it.

    An interrupted build may have left mounts.
    """
    mount_points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount_point in sorted((p for p in mount_points if f"{p}/".startswith(f"{directory}/")), reverse=True):
        run_command(["umount", "--lazy", mount_point])
    remove_directory(directory)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a tree with owners, modes and links."""
    run_command(["cp", "-a", "--reflink=auto", str(source), str(target)])
