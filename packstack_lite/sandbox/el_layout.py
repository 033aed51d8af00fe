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
from packstack_lite.sandbox.el_table import Layout, load, text
from packstack_lite.sandbox.inside import copy_tree, scratch, script
from packstack_lite.sandbox.machine import Say, remove, run
from packstack_lite.sandbox.model import BOOTS_FROM, DISTROS, HOME, archives_dir, records, tree_dir

# How each layout's pools are filled.
FILL: Dict[str, pools.Fill] = {"el9": debs.fill, "el7": train.fill, "el7-zed": debs.fill}
# What a layout needs that is made before all else, in a copy of the plain tree.
FIRST: Dict[str, Callable[[Path, Say], None]] = {"el7": train.ensure}
# What happens to the tree besides what the table says; the modules whose text counts in the digest.
MODULES = ("el_layout", "el_table", "pools", "debs", "train", "rpms")
# Where the repositories are on the host.
REPOSITORIES = "/srv/repositories"


def digest(*texts: str) -> str:
    """Ten characters that stand for the texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:10]


def chosen(name: str) -> str:
    """The layout that this machine can make: el7 has Debian's own code where there is no CPython 3.6 for Train's."""
    return "el7-zed" if name == "el7" and not train.interpreter() else name


def told(distro: str) -> str:
    """What a user has to know of a host that is to be made, "" where there is nothing."""
    if chosen(DISTROS[distro].layout) != "el7-zed":
        return ""
    return (
        "this machine has no CPython 3.6 of pyenv, which Train's own code runs on: el7 gets Debian's OpenStack (Zed)"
        " under Train's names (for Train's: pyenv install 3.6.15)"
    )


def recipe(layout: Layout) -> str:
    """A digest of all that the base is made from, the packages' versions aside."""
    here = resources.files("packstack_lite.sandbox")
    sources = [(here / f"{name}.py") for name in MODULES]
    code = [source.read_text(encoding="utf-8") for source in sources if source.is_file()]
    more = [*layout.words("made_from"), *(pool.script for pool in layout.pools if pool.script)]
    copies = (layout.data.get("copies") or {}).values()
    parents = [layout.data["extends"]] if layout.data.get("extends") else []
    names = [f"{layout.name}/layout.yaml", *parents, *layout.words("tables"), *layout.words("scripts"), *copies, *more]
    tables = [text(name) for name in names]
    return digest(*code, *tables, text(layout.data["facts"]) if layout.data.get("facts") else "")


def ensure(distro: str, plain: Callable[[], Path], say: Say) -> Path:
    """The base tree of a distro with a layout; ``plain`` gives the tree of the Debian it begins with."""
    layout = load(chosen(DISTROS[distro].layout))
    # One that a distro has in place of another is a name apart: neither is removed for the other's sake.
    made_from = f"{layout.name}-{recipe(layout)}"[len(DISTROS[distro].layout) + 1 :]
    place = tree_dir(distro, f"{BOOTS_FROM}-{made_from}")
    if place.is_dir():
        return place
    say(f"making the base tree of {distro}; this happens once and takes some five minutes, half of it apt's")
    began = time.monotonic()
    if layout.name in FIRST:
        FIRST[layout.name](plain(), say)
    stage = _stage(distro, layout, plain(), say)
    repositories = _repositories(f"{distro}-{made_from}", layout, stage, say)
    say(f"laying {distro} over it")
    with whole(place) as part:
        copy_tree(stage, part)
        remove(part / "debs")
        remove(part / "build")
        copy = part / REPOSITORIES.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        run(["cp", "-al", str(repositories), str(copy)])
        _lay(part, layout)
    prune(distro, place, stage)
    say(f"the base tree of {distro} took {time.monotonic() - began:.0f} s")
    return place


@contextlib.contextmanager
def whole(place: Path) -> Iterator[Path]:
    """A directory to fill that gets its name when it is done, and is gone when it fails."""
    part = place.with_name(place.name + ".part")
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        remove(part)
        yield part
        os.rename(part, place)
    except BaseException:
        remove(part)
        raise


def _stage(distro: str, layout: Layout, plain: Path, say: Say) -> Path:
    """The Debian tree with the tools that build, and with what the packages of the pools need."""
    lists = [*layout.words("tools"), *layout.words("base"), *layout.words("without"), *debs.wanted(layout.pools)]
    place = HOME / "stages" / distro / digest(plain.name, debs.STEPS, *lists)
    if place.is_dir():
        return place
    with whole(place) as part:
        copy_tree(plain, part)
        cache = part / "var/cache/apt/archives"
        debs.link(archives_dir(distro), cache)
        debs.prepare(part, layout, say)
        debs.link(cache, archives_dir(distro))
        run(["find", str(cache), "-name", "*.deb", "-delete"])
    return place


def _repositories(name: str, layout: Layout, stage: Path, say: Say) -> Path:
    """All RPMs, built in a copy of the stage, each repository in its directory."""
    place = HOME / "repositories" / name
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with scratch(stage, place.with_name(place.name + ".build")) as tree:
        pools.make(tree, layout, FILL[layout.name], say)
        rpms.build(tree, [entry.rpm for entry in layout.entries], "/build/repositories", say)
        with whole(place) as part:
            copy_tree(tree / "build/repositories", part)
    return place


def _lay(root: Path, layout: Layout) -> None:
    """The base system's own files and scripts of the table, in their order."""
    files = {path: text(name) for path, name in (layout.data.get("copies") or {}).items()}
    for path, content in {**files, **(layout.data.get("files") or {})}.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    settings = {"INSTALLED": " ".join(layout.words("installed")), "RELEASEVER": str(layout.data["releasever"])}
    for name in layout.words("scripts"):
        script(root, text(name), env=settings)


def prune(distro: str, base: Path, stage: Path) -> None:
    """Remove older bases that no sandbox uses, repositories without a base, and all stages but two.

    Two, since two versions of this program on one machine would else make them anew in turns.
    """
    used = {record.tree for record in records() if record.distro == distro} | {base.name}
    kind = base.name.rpartition("-")[0]
    for tree in base.parent.glob(f"{BOOTS_FROM}-*"):
        if tree.name.rpartition("-")[0] == kind and tree.name not in used:
            remove(tree)
    for place in base_repositories(distro):
        name = place.name.replace(distro, BOOTS_FROM, 1)
        if name.rpartition("-")[0] == kind and name not in used:
            remove(place)
    others = [place for place in stage.parent.iterdir() if place.is_dir() and place != stage]
    for place in sorted(others, key=lambda each: each.stat().st_mtime)[:-1]:
        remove(place)


def base_repositories(distro: str) -> List[Path]:
    """The repositories kept for a distro, whole ones."""
    return [place for place in (HOME / "repositories").glob(f"{distro}-*") if place.suffix == ""]
