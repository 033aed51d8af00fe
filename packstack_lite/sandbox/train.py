"""The payload of the el7 test host: OpenStack Train's own code from the Python package index, on CPython 3.6.

CentOS 7 runs Train on Python 2.7; Train runs unmodified on 3.6 too, for which the index still has every library and
ready-made wheels. The interpreter is the one that pyenv has on this machine. What is made is kept under ``payloads``,
by a digest of what it is made from.
"""

from __future__ import annotations

import csv
import fnmatch
import hashlib
import os
import re
import shlex
import shutil
import time
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Set, Tuple

from packstack_lite.sandbox import debs
from packstack_lite.sandbox.el_table import Pool, load, text
from packstack_lite.sandbox.inside import copy_tree, script
from packstack_lite.sandbox.machine import Say, remove, run
from packstack_lite.sandbox.model import HOME, SandboxFault

PREFIX = "opt/train"
SITE = "lib/python3.6/site-packages"
LISTS = ("el7/train-constraints.txt", "el7/build-train.sh")
# What compiles the few packages without a wheel, on Debian.
HEADERS = "gcc libc6-dev make pkg-config patchelf libssl-dev libffi-dev liberasurecode-dev libvirt-dev apache2-dev"
# Programs that come with CPython and its libraries and are in no package of CentOS 7, or in another one.
NOT_TAKEN = ("2to3*", "idle*", "pip*", "pydoc*", "python*", "pyvenv*", "easy_install*", "wheel", "mod_wsgi-express")


def interpreter(home: Optional[Path] = None) -> Optional[Path]:
    """Where pyenv keeps a CPython 3.6 on this machine: the newest one's prefix, None without one."""
    root = Path(os.environ.get("PYENV_ROOT") or (home or Path.home()) / ".pyenv")
    found = [place for place in root.glob("versions/3.6.*") if (place / "bin/python3.6").is_file()]
    return max(found, key=lambda place: int(place.name.rsplit(".", 1)[1])) if found else None


def _python() -> Path:
    found = interpreter()
    if not found:
        raise SandboxFault(
            "the el7 test host runs Train's own code, which needs a CPython 3.6 of pyenv on this machine",
            hint="pyenv install 3.6.15, or: packstack-lite sandbox up --distro debian12",
        )
    return found


def place_of(python: Path) -> Path:
    """Where the payload made with this interpreter is kept."""
    made_from = "\0".join([python.name, HEADERS, *map(text, LISTS)])
    return HOME / "payloads" / f"train-{hashlib.sha256(made_from.encode()).hexdigest()[:10]}"


def ensure(plain: Path, say: Say) -> None:
    """Have the payload, made in a copy of the tree ``plain`` where it is not there yet."""
    python = _python()
    place = place_of(python)
    if place.is_dir():
        return
    say(f"building OpenStack Train from the Python package index for CPython {python.name}; once, some four minutes")
    began = time.monotonic()
    part = place.with_name(place.name + ".part")
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        remove(part)
        copy_tree(plain, part)
        debs.link(HOME / "archives" / "debian12", part / "var/cache/apt/archives")
        debs.install(part, HEADERS)
        _build(part, python)
        os.rename(part / PREFIX, place)
    finally:
        remove(part)
    say(f"OpenStack Train took {time.monotonic() - began:.0f} s")


def _build(tree: Path, python: Path) -> None:
    run(["cp", "-a", str(python), str(tree / PREFIX)])
    (tree / "build").mkdir(exist_ok=True)
    (tree / "build/train-constraints.txt").write_text(text(LISTS[0]))
    options, shown = pip_settings(python)
    (tree / "build/pip.conf").write_text(options)
    (tree / "build/pip.conf").chmod(0o600)
    cache = HOME / "payloads" / "pip"
    cache.mkdir(parents=True, exist_ok=True)
    environment = {"PIP_CONFIG_FILE": "/build/pip.conf", "PIP_CACHE_DIR": "/pip-cache"}
    binds = [f"{cache}:/pip-cache", *(f"{path}:{path}" for path in shown)]
    script(tree, f"set -- {shlex.quote(str(python))}\n{text(LISTS[1])}", binds, environment)


def pip_settings(python: Path) -> Tuple[str, List[str]]:
    """This machine's pip configuration as one pip.conf, and the directories of this machine that it names."""
    return merged(run([str(python / "bin/python3.6"), "-m", "pip", "config", "list"]).splitlines())


def merged(lines: Iterable[str]) -> Tuple[str, List[str]]:
    """``pip config list`` as a pip.conf and the existing directories in it; a constraint of other work is left out.

    The certificates of this machine are those of the tree, under the same name.
    """
    sections: Dict[str, Dict[str, str]] = {"global": {}}
    shown: Set[str] = set()
    # What the environment says (":env:") counts more than any file, and so comes last.
    for line in sorted(lines, key=lambda each: each.startswith(":env:")):
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if not section or name in ("constraint", "cache-dir", "require-virtualenv", "user", "target"):
            continue
        value = value.strip("'\"").replace("\\n", "\n    ")
        # An index's pages link to files beside them: of /srv/index/simple, /srv/index is shown.
        named = [Path(word) for word in re.findall(r"(?:(?<=file://)|(?<![:/\w]))/[^\s']+", value)]
        shown |= {str(Path(*path.parts[:3])) for path in named if path.is_dir()}
        sections.setdefault("global" if section.startswith(":") else section, {})[name] = value
    config = "".join(f"[{s}]\n" + "".join(f"{k} = {v}\n" for k, v in found.items()) for s, found in sections.items())
    return config, sorted(shown)


def fill(tree: Path, pool: Pool, target: Path) -> None:
    """A pool's files: Debian's packages where it names these, and the Python packages that it names.

    A Python package gives its modules where the payload has them, its programs in /usr/bin, and what it has in
    ``etc`` and ``share`` of the prefix in /etc and /usr/share. A pool that names ``*`` gets CPython itself and
    every package that no pool of the layout names.
    """
    debs.fill(tree, pool, target)
    if not pool.pip:
        return
    payload = place_of(_python())
    names = [name for name in pool.pip if name != "*"]
    paths = {path for name in names for path in files_of(payload, name)}
    if "*" in pool.pip:
        others = {name for each in load("el7").pools for name in each.pip if name != "*"}
        claimed = {path for name in others for path in files_of(payload, name)}
        paths |= {path for path in every_file(payload) if path not in claimed}
    for path in sorted(paths):
        wanted = on_host(path)
        if wanted:
            (target / wanted).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(payload / path, target / wanted, follow_symlinks=False)


def every_file(payload: Path) -> List[str]:
    """Every file and link of the payload, relative to its prefix."""
    found = []
    for place, directories, files in os.walk(payload):
        links = [name for name in directories if os.path.islink(f"{place}/{name}")]
        found += [os.path.relpath(f"{place}/{name}", payload) for name in files + links]
    return found


def files_of(payload: Path, name: str) -> List[str]:
    """What a Python package has installed, by its RECORD and with its byte code, relative to the payload's prefix."""
    site = payload / SITE
    wanted = re.sub(r"[-_.]+", "-", name).lower()
    infos = [p for p in site.glob("*.dist-info") if re.sub(r"[-_.]+", "-", p.name.partition("-")[0]).lower() == wanted]
    if not infos:
        raise SandboxFault(f"the payload of Train has no package {name}", hint="a pool of data/el7 names it")
    found = []
    for row in csv.reader((infos[0] / "RECORD").read_text(encoding="utf-8").splitlines()):
        path = os.path.normpath(f"{SITE}/{row[0]}")
        place, name = os.path.split(path)
        code = f"{place}/__pycache__/{name[:-3]}.cpython-36.pyc"
        found += [each for each in [path, *[code] * name.endswith(".py")] if os.path.lexists(payload / each)]
    return found


def on_host(path: str) -> str:
    """Where a file of the prefix belongs on the host, "" for nowhere."""
    top, _, rest = path.partition("/")
    if top == "bin" and not any(fnmatch.fnmatchcase(rest, pattern) for pattern in NOT_TAKEN):
        return f"usr/bin/{rest}"
    if top == "etc":
        return path
    if top == "share":
        return "" if rest.startswith(("man/", "doc/")) else f"usr/share/{rest}"
    return f"{PREFIX}/{path}"
