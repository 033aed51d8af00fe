"""Make the base tree of an enterprise Linux test host.

It is Debian's tree with EL's layout, and RPMs under the names of RDO.

``ElDistro`` is the plug-in that ``packstack_lite.sandbox`` calls. Three things are kept, each made when it is missing
and renamed when it is whole: a stage (Debian tree with the tools and what the packages need), the RPM repositories, and
the base tree. Their names hold a digest of what they are made from, so that a changed table makes new ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Callable, Dict, Iterator, List

from packstack_lite.sandbox import debs
from packstack_lite.sandbox.local_commands import ProgressCallback, remove_directory, run_command
from packstack_lite.sandbox.model import BASE_TREE, SANDBOX_HOME, archives_dir, list_records, tree_dir
from packstack_lite.sandbox.nspawn_run import copy_tree, run_script, scratch_tree
from tests.hosts import deb_pools, el_table, pools, rpms, train
from tests.hosts.el_table import Layout, load_layout, read_data

# The function that fills the pools of each layout.
POOL_FILLERS: Dict[str, pools.PoolFiller] = {
    "el9": deb_pools.fill_pool,
    "el7": train.fill_pool,
    "el7-zed": deb_pools.fill_pool,
}
# What a layout needs made first, from the plain Debian tree.
PREREQUISITES: Dict[str, Callable[[Path, ProgressCallback], None]] = {"el7": train.ensure_payload}
# Besides this one, the modules that decide what is in the tree: their source counts in the digest.
DIGESTED_MODULES = (deb_pools, debs, el_table, pools, rpms, train)
# Where the repositories are on the test host.
REPOSITORIES = "/srv/repositories"


@dataclass(frozen=True)
class ElDistro:
    """One enterprise Linux: a plug-in of ``packstack_lite.sandbox.distros``.

    ``name`` is what ``--distro`` takes, and the directory of its layout below ``data``; ``base`` is the Debian release
    that it is made from.
    """

    name: str
    base: str

    def notice(self) -> str:
        """Return a notice where el7 gets Debian's OpenStack in place of Train's, else ""."""
        if choose_layout(self.name) != "el7-zed":
            return ""
        return (
            "this machine has no CPython 3.6 of pyenv, which Train's code needs: el7 gets Debian's OpenStack (Zed)"
            " under Train's names (for Train's code: pyenv install 3.6.15)"
        )

    def ensure_tree(self, debian_tree: Callable[[], Path], progress: ProgressCallback) -> Path:
        """Return the base tree's directory, made if it is missing.

        ``debian_tree`` gives the tree of ``base``.
        """
        layout = load_layout(choose_layout(self.name))
        # A layout that stands in for another one has its own name: making one does not remove the other.
        tree_id = f"{layout.name}-{recipe_digest(layout)}"[len(self.name) + 1 :]
        directory = tree_dir(self.name, f"{BASE_TREE}-{tree_id}")
        if directory.is_dir():
            return directory
        progress(f"making the base tree of {self.name}; this happens once and takes some five minutes")
        began = time.monotonic()
        plain_tree = debian_tree()
        if layout.name in PREREQUISITES:
            PREREQUISITES[layout.name](plain_tree, progress)
        stage = _ensure_stage(self, layout, plain_tree, progress)
        repositories = _ensure_repositories(f"{self.name}-{tree_id}", layout, stage, progress)
        progress(f"applying the layout of {self.name}")
        _make_base(directory, layout, stage, repositories)
        remove_unused(self.name, directory, stage)
        progress(f"the base tree of {self.name} took {time.monotonic() - began:.0f} s")
        return directory


def digest(*texts: str) -> str:
    """Return ten hexadecimal digits of the SHA-256 of the texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:10]


def choose_layout(name: str) -> str:
    """Return the layout that this machine can make.

    That is el7-zed in place of el7 where there is no CPython 3.6 for Train's code.
    """
    return "el7-zed" if name == "el7" and not train.find_interpreter() else name


def module_source(module: ModuleType) -> str:
    """Return a module's source text.

    Raises FileNotFoundError where its file is missing: a digest needs them all.
    """
    return Path(str(module.__file__)).read_text(encoding="utf-8")


def recipe_digest(layout: Layout) -> str:
    """Return a digest of what the base tree is made from, Debian's versions excepted."""
    code = [Path(__file__).read_text(encoding="utf-8"), *map(module_source, DIGESTED_MODULES)]
    names = [
        f"{layout.name}/layout.yaml",
        *([layout.data["extends"]] if layout.data.get("extends") else []),
        *layout.string_list("tables"),
        *layout.string_list("scripts"),
        *(layout.data.get("copies") or {}).values(),
        *layout.string_list("made_from"),
        *(pool.script for pool in layout.pools if pool.script),
        *([layout.data["facts"]] if layout.data.get("facts") else []),
    ]
    return digest(*code, *map(read_data, names))


@contextlib.contextmanager
def write_atomically(directory: Path) -> Iterator[Path]:
    """Yield ``directory.part`` to fill; rename it at the end, remove it on any error."""
    unfinished = directory.with_name(directory.name + ".part")
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        remove_directory(unfinished)
        yield unfinished
        os.rename(unfinished, directory)
    except BaseException:
        remove_directory(unfinished)
        raise


def _ensure_stage(distro: ElDistro, layout: Layout, plain_tree: Path, progress: ProgressCallback) -> Path:
    """Return the stage's directory, made if it is missing.

    A stage is the Debian tree with the build tools and the dependencies of the pools' packages.
    """
    packages = [
        *layout.string_list("tools"),
        *layout.string_list("base"),
        *layout.string_list("without"),
        *deb_pools.list_packages(layout.pools),
    ]
    directory = SANDBOX_HOME / "stages" / distro.name / digest(plain_tree.name, deb_pools.STAGE_SCRIPT, *packages)
    if directory.is_dir():
        return directory
    with write_atomically(directory) as unfinished:
        copy_tree(plain_tree, unfinished)
        cache = unfinished / "var/cache/apt/archives"
        debs.link_debs(archives_dir(distro.base), cache)
        deb_pools.prepare_stage(unfinished, layout, progress)
        debs.link_debs(cache, archives_dir(distro.base))
        run_command(["find", str(cache), "-name", "*.deb", "-delete"])
    return directory


def _ensure_repositories(name: str, layout: Layout, stage: Path, progress: ProgressCallback) -> Path:
    """Return the directory of the RPM repositories, built if they are missing.

    They are built in an overlay over the stage. After an error the RPMs built so far stay, for the next attempt.
    """
    directory = SANDBOX_HOME / "repositories" / name
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with scratch_tree(stage, directory.with_name(directory.name + ".build")) as tree:
        pools.make_payloads(tree, layout, POOL_FILLERS[layout.name], progress)
        with _resumed(tree / "build/repositories", directory.with_name(directory.name + ".built")):
            rpms.build_rpms(tree, [entry.rpm for entry in layout.entries], "/build/repositories", progress)
        with write_atomically(directory) as unfinished:
            copy_tree(tree / "build/repositories", unfinished)
    return directory


@contextlib.contextmanager
def _resumed(directory: Path, kept: Path) -> Iterator[None]:
    """Begin with what an interrupted attempt left in ``kept``; keep what ``directory`` holds after an error."""
    if kept.is_dir():
        copy_tree(kept, directory)
    try:
        yield
    except BaseException:
        remove_directory(kept)
        if directory.is_dir():
            copy_tree(directory, kept)
        raise
    remove_directory(kept)


def _make_base(directory: Path, layout: Layout, stage: Path, repositories: Path) -> None:
    """Make the base tree: the stage, the repositories (hard links), the layout."""
    with write_atomically(directory) as unfinished:
        copy_tree(stage, unfinished)
        remove_directory(unfinished / "debs")
        remove_directory(unfinished / "build")
        copy = unfinished / REPOSITORIES.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        run_command(["cp", "-al", str(repositories), str(copy)])
        _apply_layout(unfinished, layout)


def _apply_layout(root: Path, layout: Layout) -> None:
    """Write the layout's own files, then run its scripts in their order."""
    files = {path: read_data(name) for path, name in (layout.data.get("copies") or {}).items()}
    for path, content in {**files, **(layout.data.get("files") or {})}.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    settings = {"INSTALLED": " ".join(layout.string_list("installed")), "RELEASEVER": str(layout.data["releasever"])}
    for name in layout.string_list("scripts"):
        run_script(root, read_data(name), env=settings)


def remove_unused(distro: str, base: Path, stage: Path) -> None:
    """Remove old base trees, repositories and stages that nothing uses.

    Base trees of sandboxes stay, repositories of base trees, and two stages.

    Two stages stay, so that two versions of this program on one machine do not remove each other's in turns.
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
    """Return the directories of a distribution's finished repositories."""
    return [directory for directory in (SANDBOX_HOME / "repositories").glob(f"{distro}-*") if directory.suffix == ""]
