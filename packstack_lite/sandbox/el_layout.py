"""The base of an enterprise Linux test host: Debian's tree, EL's layout, RPMs under the names of RDO.

Three things are kept, each made when it is not there, under another name until it is whole: a tree with the tools
and what the packages need (``stages``), the RPM repositories (``repositories``), the base itself (``trees``). Their
names hold a digest of what they are made from, so that a changed table makes new ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from importlib import resources
from pathlib import Path
from typing import Callable, Dict, Iterator, List

from packstack_lite.sandbox import debs, pools, rpms, train
from packstack_lite.sandbox.el_table import Layout, load_layout, read_data
from packstack_lite.sandbox.local_commands import ProgressCallback, remove_directory, run_command
from packstack_lite.sandbox.model import BASE_TREE, DISTROS, SANDBOX_HOME, archives_dir, list_records, tree_dir
from packstack_lite.sandbox.nspawn_run import copy_tree, run_script, scratch_tree

# How each layout's pools are filled.
POOL_FILLERS: Dict[str, pools.PoolFiller] = {"el9": debs.fill_pool, "el7": train.fill_pool, "el7-zed": debs.fill_pool}
# What a layout needs that is made before all else, in a copy of the plain tree.
PREREQUISITES: Dict[str, Callable[[Path, ProgressCallback], None]] = {"el7": train.ensure_payload}
# What happens to the tree besides what the table says; the modules whose text counts in the digest.
DIGESTED_MODULES = ("el_layout", "el_table", "pools", "debs", "train", "rpms")
# Where the repositories are on the host.
REPOSITORIES = "/srv/repositories"


def digest(*texts: str) -> str:
    """Ten characters that stand for the texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:10]


def choose_layout(name: str) -> str:
    """The layout that this machine can make: el7 has Debian's own code where there is no CPython 3.6 for Train's."""
    return "el7-zed" if name == "el7" and not train.find_interpreter() else name


def layout_note(distro: str) -> str:
    """What a user has to know of a host that is to be made, "" where there is nothing."""
    if choose_layout(DISTROS[distro].layout) != "el7-zed":
        return ""
    return (
        "this machine has no CPython 3.6 of pyenv, which Train's own code runs on: el7 gets Debian's OpenStack (Zed)"
        " under Train's names (for Train's: pyenv install 3.6.15)"
    )


def recipe_digest(layout: Layout) -> str:
    """A digest of all that the base is made from, the packages' versions aside."""
    package_dir = resources.files("packstack_lite.sandbox")
    sources = [(package_dir / f"{name}.py") for name in DIGESTED_MODULES]
    code = [source.read_text(encoding="utf-8") for source in sources if source.is_file()]
    extra_files = [*layout.string_list("made_from"), *(pool.script for pool in layout.pools if pool.script)]
    copies = (layout.data.get("copies") or {}).values()
    parents = [layout.data["extends"]] if layout.data.get("extends") else []
    names = [
        f"{layout.name}/layout.yaml",
        *parents,
        *layout.string_list("tables"),
        *layout.string_list("scripts"),
        *copies,
        *extra_files,
    ]
    tables = [read_data(name) for name in names]
    return digest(*code, *tables, read_data(layout.data["facts"]) if layout.data.get("facts") else "")


def ensure_el_tree(distro: str, plain_tree: Callable[[], Path], progress: ProgressCallback) -> Path:
    """The base tree of a distro with a layout; ``plain`` gives the tree of the Debian it begins with."""
    layout = load_layout(choose_layout(DISTROS[distro].layout))
    # One that a distro has in place of another is a name apart: neither is removed for the other's sake.
    tree_id = f"{layout.name}-{recipe_digest(layout)}"[len(DISTROS[distro].layout) + 1 :]
    directory = tree_dir(distro, f"{BASE_TREE}-{tree_id}")
    if directory.is_dir():
        return directory
    progress(f"making the base tree of {distro}; this happens once and takes some five minutes, half of it apt's")
    began = time.monotonic()
    if layout.name in PREREQUISITES:
        PREREQUISITES[layout.name](plain_tree(), progress)
    stage = _ensure_stage(distro, layout, plain_tree(), progress)
    repositories = _ensure_repositories(f"{distro}-{tree_id}", layout, stage, progress)
    progress(f"laying {distro} over it")
    with write_atomically(directory) as unfinished:
        copy_tree(stage, unfinished)
        remove_directory(unfinished / "debs")
        remove_directory(unfinished / "build")
        copy = unfinished / REPOSITORIES.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        run_command(["cp", "-al", str(repositories), str(copy)])
        _apply_layout(unfinished, layout)
    remove_unused(distro, directory, stage)
    progress(f"the base tree of {distro} took {time.monotonic() - began:.0f} s")
    return directory


@contextlib.contextmanager
def write_atomically(directory: Path) -> Iterator[Path]:
    """A directory to fill that gets its name when it is done, and is gone when it fails."""
    unfinished = directory.with_name(directory.name + ".part")
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        remove_directory(unfinished)
        yield unfinished
        os.rename(unfinished, directory)
    except BaseException:
        remove_directory(unfinished)
        raise


def _ensure_stage(distro: str, layout: Layout, plain_tree: Path, progress: ProgressCallback) -> Path:
    """The Debian tree with the tools that build, and with what the packages of the pools need."""
    packages = [
        *layout.string_list("tools"),
        *layout.string_list("base"),
        *layout.string_list("without"),
        *debs.list_packages(layout.pools),
    ]
    directory = SANDBOX_HOME / "stages" / distro / digest(plain_tree.name, debs.STAGE_SCRIPT, *packages)
    if directory.is_dir():
        return directory
    with write_atomically(directory) as unfinished:
        copy_tree(plain_tree, unfinished)
        cache = unfinished / "var/cache/apt/archives"
        debs.link_debs(archives_dir(distro), cache)
        debs.prepare_stage(unfinished, layout, progress)
        debs.link_debs(cache, archives_dir(distro))
        run_command(["find", str(cache), "-name", "*.deb", "-delete"])
    return directory


def _ensure_repositories(name: str, layout: Layout, stage: Path, progress: ProgressCallback) -> Path:
    """All RPMs, built in a copy of the stage, each repository in its directory."""
    directory = SANDBOX_HOME / "repositories" / name
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with scratch_tree(stage, directory.with_name(directory.name + ".build")) as tree:
        pools.make_payloads(tree, layout, POOL_FILLERS[layout.name], progress)
        rpms.build_rpms(tree, [entry.rpm for entry in layout.entries], "/build/repositories", progress)
        with write_atomically(directory) as unfinished:
            copy_tree(tree / "build/repositories", unfinished)
    return directory


def _apply_layout(root: Path, layout: Layout) -> None:
    """The base system's own files and scripts of the table, in their order."""
    files = {path: read_data(name) for path, name in (layout.data.get("copies") or {}).items()}
    for path, content in {**files, **(layout.data.get("files") or {})}.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    settings = {"INSTALLED": " ".join(layout.string_list("installed")), "RELEASEVER": str(layout.data["releasever"])}
    for name in layout.string_list("scripts"):
        run_script(root, read_data(name), env=settings)


def remove_unused(distro: str, base: Path, stage: Path) -> None:
    """Remove older bases that no sandbox uses, repositories without a base, and all stages but two.

    Two, since two versions of this program on one machine would else make them anew in turns.
    """
    used = {record.tree for record in list_records() if record.distro == distro} | {base.name}
    kind = base.name.rpartition("-")[0]
    for tree in base.parent.glob(f"{BASE_TREE}-*"):
        if tree.name.rpartition("-")[0] == kind and tree.name not in used:
            remove_directory(tree)
    for directory in list_repositories(distro):
        name = directory.name.replace(distro, BASE_TREE, 1)
        if name.rpartition("-")[0] == kind and name not in used:
            remove_directory(directory)
    other_stages = [directory for directory in stage.parent.iterdir() if directory.is_dir() and directory != stage]
    for directory in sorted(other_stages, key=lambda each: each.stat().st_mtime)[:-1]:
        remove_directory(directory)


def list_repositories(distro: str) -> List[Path]:
    """The repositories kept for a distro, whole ones."""
    return [directory for directory in (SANDBOX_HOME / "repositories").glob(f"{distro}-*") if directory.suffix == ""]
