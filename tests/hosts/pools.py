"""Make the payloads of RPMs: directories with the files of each.

Files of a pool go to the RPMs that claim them; texts and links of the table are added. Called by ``el_layout``.
"""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Sequence

from packstack_lite.sandbox.local_commands import ProgressCallback, run_command
from packstack_lite.sandbox.nspawn_run import run_script
from tests.hosts import deb_pools, el_table
from tests.hosts.el_table import Layout, PackageEntry, Pool

# Fills a pool: (tree where packages are built, the pool, the directory to fill).
PoolFiller = Callable[[Path, Pool, Path], None]


def make_payloads(tree: Path, layout: Layout, fill: PoolFiller, progress: ProgressCallback) -> None:
    """Make the directory ``tree``/build/payload/KEY for every RPM of the layout.

    ``fill`` puts a pool's files into a directory.
    """
    payloads = tree / "build/payload"
    for pool in layout.pools:
        progress(f"unpacking {pool.name}")
        pool_dir = tree / "build/pools" / pool.name
        fill(tree, pool, pool_dir)
        if pool.script:
            run_script(tree, f"cd /build/pools/{pool.name}\n" + el_table.read_data(pool.script))
        deb_pools.remove_matching(pool_dir, pool.drop)
        rename_paths(pool_dir, pool.renames)
        assign_files(
            pool_dir, [entry for entry in layout.entries if entry.pool == pool.name], pool.default_package, payloads
        )
    for entry in layout.entries:
        add_own_files(payloads / entry.rpm.key, entry)
    if layout.data.get("platform_python"):
        run_script(tree, SET_INTERPRETER_SCRIPT, env={"PLATFORM_PYTHON": str(layout.data["platform_python"])})
    compile_python(tree)


def rename_paths(directory: Path, renames: Mapping[str, str]) -> None:
    """Rename files and directories of a pool, by patterns of absolute paths.

    A directory is merged into one that exists; a target with "/" at its end keeps the file name.
    """
    for old, new in renames.items():
        for source in sorted(directory.glob(old.lstrip("/"))):
            target = directory / new.lstrip("/")
            if new.endswith("/"):
                target = target / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir() and not source.is_symlink():
                run_command(["cp", "-al", f"{source}/.", str(target)])
                run_command(["rm", "-r", str(source)])
            else:
                os.rename(source, target)


def assign_files(directory: Path, entries: Sequence[PackageEntry], default_package: str, payloads: Path) -> None:
    """Move each file to the first package that claims it.

    A file that none claims goes to ``default_package``, or stays behind where that is "".
    """
    for path in list_paths(directory):
        owner = next(
            (e.rpm.key for e in entries if any(fnmatch.fnmatchcase(path, c) for c in e.claims)), default_package
        )
        if owner:
            target = payloads / owner / path[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(directory / path[1:], target)


def list_paths(directory: Path) -> List[str]:
    """Return files, links and empty directories below a directory.

    Their paths are absolute on the test host.
    """
    path_list = []
    for directory_path, directories, files in os.walk(directory):
        relative_dir = directory_path[len(str(directory)) :]
        links = [name for name in directories if os.path.islink(f"{directory_path}/{name}")]
        path_list += [f"{relative_dir}/{name}" for name in files + links]
        if not directories and not files and relative_dir:
            path_list.append(relative_dir)
    return sorted(path_list)


def add_own_files(payload: Path, entry: PackageEntry) -> None:
    """Add the table's texts, links and empty configuration files to a payload."""
    payload.mkdir(parents=True, exist_ok=True)
    texts: Dict[str, str] = {path: "" for path in entry.empty_configs if not os.path.lexists(payload / path[1:])}
    for path, text in {**texts, **entry.files}.items():
        target_path = payload / path[1:]
        target_path.parent.mkdir(parents=True, exist_ok=True)
        target_path.write_text(text)
        target_path.chmod(0o755 if text.startswith("#!") else 0o644)
    for path, target in entry.links.items():
        target_path = payload / path[1:]
        target_path.parent.mkdir(parents=True, exist_ok=True)
        if target_path.is_symlink() or target_path.exists():
            target_path.unlink()
        target_path.symlink_to(target)


# Point Debian's Python 3 programs to the platform's Python, where the layout has no other Python 3.
SET_INTERPRETER_SCRIPT = """
for program in /build/payload/*/usr/bin/* /build/payload/*/usr/sbin/* /build/payload/*/usr/share/*/scripts/*; do
    [ -f "$program" ] && [ ! -L "$program" ] || continue
    if head -c 40 "$program" | head -n 1 | grep -aqE '^#! */usr/bin/(env )?python3'; then
        sed -i "1s,^#!.*,#!$PLATFORM_PYTHON," "$program"
    fi
done
"""
# Services cannot write byte code into root's directories: without this each start would compile everything again.
COMPILE_SCRIPT = """
for directory in /build/payload/*/usr/lib/python3/dist-packages; do
    [ -d "$directory" ] || continue
    package=${directory%/usr/lib/python3/dist-packages}
    python3 -m compileall -q -j 0 -s "$package" -p / "$directory" >/dev/null || :
done
"""


def compile_python(tree: Path) -> None:
    """Compile all Python modules of the payloads.

    The byte code names the path on the test host.
    """
    run_script(tree, COMPILE_SCRIPT)
