"""Commands inside a tree that is no running sandbox: a throw-away container of systemd-nspawn.

Not a bare chroot: /proc, /dev and /run are there, and what a package's script leaves running ends with it.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence

from packstack_lite.sandbox.machine import remove, run
from packstack_lite.sandbox.model import SandboxFault

# systemd-nspawn's word about its own clean-up.
NOISE = "Attempted to remove disk file system"


def argv(root: Path, binds: Sequence[str] = (), env: Optional[Mapping[str, str]] = None) -> List[str]:
    """systemd-nspawn's command line for a shell that reads its script from standard input."""
    words = ["systemd-nspawn", "--quiet", f"--directory={root}", f"--machine=packstack-lite-build-{root.name}"]
    words += ["--register=no", "--keep-unit", "--as-pid2", "--resolv-conf=copy-host", "--pipe"]
    # A name that resolves: rpmbuild looks its host's name up for each package.
    words += ["--hostname=localhost"]
    words += [f"--bind={bind}" for bind in binds]
    settings = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **(env or {})}
    words += [f"--setenv={name}={value}" for name, value in settings.items()]
    return [*words, "/bin/sh", "-eu", "-s"]


def script(root: Path, text: str, binds: Sequence[str] = (), env: Optional[Mapping[str, str]] = None) -> str:
    """Run a POSIX sh script as root in the tree and return its stdout.

    SandboxFault with its last words if it fails; ``binds`` are directories in the form
    ``PLACE[:PLACE INSIDE]``.
    """
    done = subprocess.run(argv(root, binds, env), input=text, text=True, capture_output=True)
    if done.returncode:
        lines = (done.stdout + "\n" + done.stderr).splitlines()
        said = [line for line in lines if line.strip() and not line.startswith(NOISE)] or ["no output"]
        raise SandboxFault(
            f"a step of building {root.name} failed ({done.returncode}): {' | '.join(said[-3:])}",
            hint="run it again; when it fails again, the same words in an issue say what is wrong",
        )
    return done.stdout


@contextlib.contextmanager
def scratch(tree: Path, place: Path) -> Iterator[Path]:
    """A tree to write in that begins as another one and is gone afterwards: an overlay, a copy where that fails."""
    root = place / "root"
    try:
        remove_mounted(place)
        for name in ("root", "upper", "work"):
            (place / name).mkdir(parents=True)
        if not overlay(tree, place):
            root.rmdir()
            copy_tree(tree, root)
        yield root
    finally:
        remove_mounted(place)


def overlay(tree: Path, place: Path) -> bool:
    """Mount the tree at ``place``/root, what is written going to ``place``/upper; False where overlays cannot be."""
    options = f"lowerdir={tree},upperdir={place / 'upper'},workdir={place / 'work'}"
    argv = ["mount", "-t", "overlay", "packstack-lite-sandbox", "-o", options, str(place / "root")]
    return subprocess.run(argv, capture_output=True).returncode == 0


def remove_mounted(place: Path) -> None:
    """Remove a directory, after the mounts that are at or below it (an interrupted build may have left some)."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for point in sorted((p for p in points if f"{p}/".startswith(f"{place}/")), reverse=True):
        run(["umount", "--lazy", point])
    remove(place)


def copy_tree(source: Path, target: Path) -> None:
    """A copy of a tree with owners, modes and links."""
    run(["cp", "-a", "--reflink=auto", str(source), str(target)])
