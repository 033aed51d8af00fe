"""Handing the files of a pool out to the RPMs that claim them, and giving an RPM what it has of its own."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Sequence

from packstack_lite.sandbox.local_commands import ProgressCallback, run_command
from packstack_lite.sandbox.nspawn_run import run_script
from tests.hosts import deb_pools, el_table
from tests.hosts.el_table import Layout, PackageEntry, Pool

# Fills a pool: (tree where things are built, the pool, the directory to fill).
PoolFiller = Callable[[Path, Pool, Path], None]


def make_payloads(tree: Path, layout: Layout, fill: PoolFiller, progress: ProgressCallback) -> None:
    """Have ``tree``/build/payload/KEY for every RPM of the layout."""
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
    """Rename in the pool, directories too; into a directory that is there, what it holds is moved."""
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
    """Each file goes to the first package of the table that claims it, else to ``rest``, else nowhere."""
    for path in list_paths(directory):
        owner = next(
            (e.rpm.key for e in entries if any(fnmatch.fnmatchcase(path, c) for c in e.claims)), default_package
        )
        if owner:
            target = payloads / owner / path[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(directory / path[1:], target)


def list_paths(directory: Path) -> List[str]:
    """Files, links and empty directories below a place, as absolute paths of the host to be."""
    path_list = []
    for directory_path, directories, files in os.walk(directory):
        relative_dir = directory_path[len(str(directory)) :]
        links = [name for name in directories if os.path.islink(f"{directory_path}/{name}")]
        path_list += [f"{relative_dir}/{name}" for name in files + links]
        if not directories and not files and relative_dir:
            path_list.append(relative_dir)
    return sorted(path_list)


def add_own_files(payload: Path, entry: PackageEntry) -> None:
    """The package's own texts and links; an empty configuration file where nobody has one."""
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


# Debian's programs in Python 3, where the layout has no Python 3 but the one of the base system's own tools.
SET_INTERPRETER_SCRIPT = """
for program in /build/payload/*/usr/bin/* /build/payload/*/usr/sbin/* /build/payload/*/usr/share/*/scripts/*; do
    [ -f "$program" ] && [ ! -L "$program" ] || continue
    if head -c 40 "$program" | head -n 1 | grep -aqE '^#! */usr/bin/(env )?python3'; then
        sed -i "1s,^#!.*,#!$PLATFORM_PYTHON," "$program"
    fi
done
"""
# A service cannot write the byte code of root's files: without it each start would compile all again.
COMPILE_SCRIPT = """
for place in /build/payload/*/usr/lib/python3/dist-packages; do
    [ -d "$place" ] || continue
    package=${place%/usr/lib/python3/dist-packages}
    python3 -m compileall -q -j 0 -s "$package" -p / "$place" >/dev/null || :
done
"""


def compile_python(tree: Path) -> None:
    """Byte code beside every module of the payloads, with the path it will have."""
    run_script(tree, COMPILE_SCRIPT)
