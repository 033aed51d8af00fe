"""Handing the files of a pool out to the RPMs that claim them, and giving an RPM what it has of its own."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Sequence

from packstack_lite.sandbox import debs, el_table
from packstack_lite.sandbox.el_table import Entry, Layout, Pool
from packstack_lite.sandbox.inside import script
from packstack_lite.sandbox.machine import Say, run

# Fills a pool: (tree where things are built, the pool, the directory to fill).
Fill = Callable[[Path, Pool, Path], None]


def make(tree: Path, layout: Layout, fill: Fill, say: Say) -> None:
    """Have ``tree``/build/payload/KEY for every RPM of the layout."""
    payloads = tree / "build/payload"
    for pool in layout.pools:
        say(f"unpacking {pool.name}")
        place = tree / "build/pools" / pool.name
        fill(tree, pool, place)
        if pool.script:
            script(tree, f"cd /build/pools/{pool.name}\n" + el_table.text(pool.script))
        debs.drop(place, pool.drop)
        move(place, pool.moves)
        hand_out(place, [entry for entry in layout.entries if entry.pool == pool.name], pool.rest, payloads)
    for entry in layout.entries:
        dress(payloads / entry.rpm.key, entry)
    if layout.data.get("platform_python"):
        script(tree, INTERPRETER, env={"PLATFORM_PYTHON": str(layout.data["platform_python"])})
    compile_python(tree)


def move(place: Path, moves: Mapping[str, str]) -> None:
    """Rename in the pool, directories too; into a directory that is there, what it holds is moved."""
    for old, new in moves.items():
        for source in sorted(place.glob(old.lstrip("/"))):
            target = place / new.lstrip("/")
            if new.endswith("/"):
                target = target / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir() and not source.is_symlink():
                run(["cp", "-al", f"{source}/.", str(target)])
                run(["rm", "-r", str(source)])
            else:
                os.rename(source, target)


def hand_out(place: Path, entries: Sequence[Entry], rest: str, payloads: Path) -> None:
    """Each file goes to the first package of the table that claims it, else to ``rest``, else nowhere."""
    for path in paths(place):
        owner = next((e.rpm.key for e in entries if any(fnmatch.fnmatchcase(path, c) for c in e.claims)), rest)
        if owner:
            target = payloads / owner / path[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(place / path[1:], target)


def paths(place: Path) -> List[str]:
    """Files, links and empty directories below a place, as absolute paths of the host to be."""
    found = []
    for at, directories, files in os.walk(place):
        inside = at[len(str(place)) :]
        links = [name for name in directories if os.path.islink(f"{at}/{name}")]
        found += [f"{inside}/{name}" for name in files + links]
        if not directories and not files and inside:
            found.append(inside)
    return sorted(found)


def dress(payload: Path, entry: Entry) -> None:
    """The package's own texts and links; an empty configuration file where nobody has one."""
    payload.mkdir(parents=True, exist_ok=True)
    texts: Dict[str, str] = {path: "" for path in entry.stubs if not os.path.lexists(payload / path[1:])}
    for path, text in {**texts, **entry.files}.items():
        place = payload / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755 if text.startswith("#!") else 0o644)
    for path, target in entry.links.items():
        place = payload / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink() or place.exists():
            place.unlink()
        place.symlink_to(target)


# Debian's programs in Python 3, where the layout has no Python 3 but the one of the base system's own tools.
INTERPRETER = """
for program in /build/payload/*/usr/bin/* /build/payload/*/usr/sbin/* /build/payload/*/usr/share/*/scripts/*; do
    [ -f "$program" ] && [ ! -L "$program" ] || continue
    if head -c 40 "$program" | head -n 1 | grep -aqE '^#! */usr/bin/(env )?python3'; then
        sed -i "1s,^#!.*,#!$PLATFORM_PYTHON," "$program"
    fi
done
"""
# A service cannot write the byte code of root's files: without it each start would compile all again.
COMPILE = """
for place in /build/payload/*/usr/lib/python3/dist-packages; do
    [ -d "$place" ] || continue
    package=${place%/usr/lib/python3/dist-packages}
    python3 -m compileall -q -j 0 -s "$package" -p / "$place" >/dev/null || :
done
"""


def compile_python(tree: Path) -> None:
    """Byte code beside every module of the payloads, with the path it will have."""
    script(tree, COMPILE)
