"""Make the payload of the el7 test host.

That is OpenStack Train's code from the Python package index, for CPython 3.6.

CentOS 7 runs Train on Python 2.7; Train runs unmodified on 3.6 too, for which the index still has every library and
wheels. The interpreter comes from this machine's pyenv. Payloads are kept under ``payloads``, named by a digest of what
they are made from. Called by ``el_layout``.
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
from packstack_lite.sandbox.local_commands import ProgressCallback, remove_directory, run_command
from packstack_lite.sandbox.model import SANDBOX_HOME, SandboxError
from packstack_lite.sandbox.nspawn_run import copy_tree, run_script
from tests.hosts import deb_pools
from tests.hosts.el_table import Pool, load_layout, read_data

TRAIN_PREFIX = "opt/train"
SITE_PACKAGES = "lib/python3.6/site-packages"
BUILD_FILES = ("el7/train-constraints.txt", "el7/build-train.sh")
# Debian packages that compile the few Python packages without a wheel.
BUILD_PACKAGES = (
    "gcc libc6-dev make pkg-config patchelf libssl-dev libffi-dev liberasurecode-dev libvirt-dev apache2-dev"
)
# Programs of CPython and its libraries that CentOS 7 does not package, or packages elsewhere.
EXCLUDED_PROGRAMS = (
    "2to3*",
    "idle*",
    "pip*",
    "pydoc*",
    "python*",
    "pyvenv*",
    "easy_install*",
    "wheel",
    "mod_wsgi-express",
)


def find_interpreter(home: Optional[Path] = None) -> Optional[Path]:
    """Return the prefix of pyenv's newest CPython 3.6, None without one."""
    root = Path(os.environ.get("PYENV_ROOT") or (home or Path.home()) / ".pyenv")
    prefixes = [prefix for prefix in root.glob("versions/3.6.*") if (prefix / "bin/python3.6").is_file()]
    return max(prefixes, key=lambda prefix: int(prefix.name.rsplit(".", 1)[1])) if prefixes else None


def _require_interpreter() -> Path:
    """Return the prefix of a CPython 3.6. Raises SandboxError where there is none."""
    prefix = find_interpreter()
    if not prefix:
        raise SandboxError(
            "the el7 test host runs Train's own code, which needs a CPython 3.6 of pyenv on this machine",
            hint="pyenv install 3.6.15, or: packstack-lite sandbox up --distro debian12",
        )
    return prefix


def payload_dir(python: Path) -> Path:
    """Return the directory of the payload for this interpreter; it may not exist."""
    recipe = "\0".join([python.name, BUILD_PACKAGES, *map(read_data, BUILD_FILES)])
    return SANDBOX_HOME / "payloads" / f"train-{hashlib.sha256(recipe.encode()).hexdigest()[:10]}"


def ensure_payload(plain_tree: Path, progress: ProgressCallback) -> None:
    """Make the payload if it is missing, in a copy of ``plain_tree``."""
    python = _require_interpreter()
    directory = payload_dir(python)
    if directory.is_dir():
        return
    progress(
        f"building OpenStack Train from the Python package index for CPython {python.name}; once, some four minutes"
    )
    began = time.monotonic()
    unfinished = directory.with_name(directory.name + ".part")
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        remove_directory(unfinished)
        copy_tree(plain_tree, unfinished)
        debs.link_debs(SANDBOX_HOME / "archives" / "debian12", unfinished / "var/cache/apt/archives")
        debs.install_packages(unfinished, BUILD_PACKAGES)
        _build_payload(unfinished, python)
        os.rename(unfinished / TRAIN_PREFIX, directory)
    finally:
        remove_directory(unfinished)
    progress(f"OpenStack Train took {time.monotonic() - began:.0f} s")


def _build_payload(tree: Path, python: Path) -> None:
    """Install Train's packages in a copy of the interpreter inside the tree."""
    run_command(["cp", "-a", str(python), str(tree / TRAIN_PREFIX)])
    (tree / "build").mkdir(exist_ok=True)
    (tree / "build/train-constraints.txt").write_text(read_data(BUILD_FILES[0]))
    options, bind_dirs = read_pip_settings(python)
    (tree / "build/pip.conf").write_text(options)
    (tree / "build/pip.conf").chmod(0o600)
    cache = SANDBOX_HOME / "payloads" / "pip"
    cache.mkdir(parents=True, exist_ok=True)
    environment = {"PIP_CONFIG_FILE": "/build/pip.conf", "PIP_CACHE_DIR": "/pip-cache"}
    binds = [f"{cache}:/pip-cache", *(f"{path}:{path}" for path in bind_dirs)]
    run_script(tree, f"set -- {shlex.quote(str(python))}\n{read_data(BUILD_FILES[1])}", binds, environment)


def read_pip_settings(python: Path) -> Tuple[str, List[str]]:
    """Return this machine's pip settings as a pip.conf, and the directories in it."""
    return merge_pip_config(run_command([str(python / "bin/python3.6"), "-m", "pip", "config", "list"]).splitlines())


def merge_pip_config(lines: Iterable[str]) -> Tuple[str, List[str]]:
    """Return a pip.conf from ``pip config list``, and the directories in it.

    Only existing directories are returned. Settings that do not fit this build are left out, such as constraints.
    Certificates need no directory: the tree has this machine's CA certificates at the same path.
    """
    sections: Dict[str, Dict[str, str]] = {"global": {}}
    bind_dirs: Set[str] = set()
    # Settings from the environment (":env:") override those of files, and so come last.
    for line in sorted(lines, key=lambda each: each.startswith(":env:")):
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if not section or name in ("constraint", "cache-dir", "require-virtualenv", "user", "target"):
            continue
        value = value.strip("'\"").replace("\\n", "\n    ")
        # An index's pages link to files outside their own directory: for /srv/index/simple, /srv/index is bound.
        paths = [Path(word) for word in re.findall(r"(?:(?<=file://)|(?<![:/\w]))/[^\s']+", value)]
        bind_dirs |= {str(Path(*path.parts[:3])) for path in paths if path.is_dir()}
        sections.setdefault("global" if section.startswith(":") else section, {})[name] = value
    config = "".join(
        f"[{s}]\n" + "".join(f"{k} = {v}\n" for k, v in settings.items()) for s, settings in sections.items()
    )
    return config, sorted(bind_dirs)


def fill_pool(tree: Path, pool: Pool, target: Path) -> None:
    """Fill a pool with the Debian packages and the Python packages that it names.

    A Python package's modules stay at their path in the payload; its programs go to /usr/bin, and its files below the
    prefix's ``etc`` and ``share`` to /etc and /usr/share. A pool that names ``*`` gets CPython itself and every Python
    package that no pool of the layout names.
    """
    deb_pools.fill_pool(tree, pool, target)
    if not pool.pip:
        return
    payload = payload_dir(_require_interpreter())
    names = [name for name in pool.pip if name != "*"]
    paths = {path for name in names for path in package_files(payload, name)}
    if "*" in pool.pip:
        others = {name for each_pool in load_layout("el7").pools for name in each_pool.pip if name != "*"}
        claimed = {path for name in others for path in package_files(payload, name)}
        paths |= {path for path in list_files(payload) if path not in claimed}
    for path in sorted(paths):
        destination = host_path(path)
        if destination:
            (target / destination).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(payload / path, target / destination, follow_symlinks=False)


def list_files(payload: Path) -> List[str]:
    """Return all files and links of the payload, relative to its prefix."""
    paths = []
    for directory, directories, files in os.walk(payload):
        links = [name for name in directories if os.path.islink(f"{directory}/{name}")]
        paths += [os.path.relpath(f"{directory}/{name}", payload) for name in files + links]
    return paths


def package_files(payload: Path, name: str) -> List[str]:
    """Return the files of a Python package by its RECORD, and their byte code.

    Paths are relative to the payload's prefix.

    Raises SandboxError where the payload lacks the package.
    """
    site = payload / SITE_PACKAGES
    normalized = re.sub(r"[-_.]+", "-", name).lower()
    infos = [
        p for p in site.glob("*.dist-info") if re.sub(r"[-_.]+", "-", p.name.partition("-")[0]).lower() == normalized
    ]
    if not infos:
        raise SandboxError(f"the payload of Train has no package {name}", hint="a pool of data/el7 names it")
    files = []
    for row in csv.reader((infos[0] / "RECORD").read_text(encoding="utf-8").splitlines()):
        path = os.path.normpath(f"{SITE_PACKAGES}/{row[0]}")
        directory, name = os.path.split(path)
        code = f"{directory}/__pycache__/{name[:-3]}.cpython-36.pyc"
        files += [each for each in [path, *[code] * name.endswith(".py")] if os.path.lexists(payload / each)]
    return files


def host_path(path: str) -> str:
    """Return a payload file's path on the test host, "" where it is left out."""
    top, _, remaining = path.partition("/")
    if top == "bin" and not any(fnmatch.fnmatchcase(remaining, pattern) for pattern in EXCLUDED_PROGRAMS):
        return f"usr/bin/{remaining}"
    if top == "etc":
        return path
    if top == "share":
        return "" if remaining.startswith(("man/", "doc/")) else f"usr/share/{remaining}"
    return f"{TRAIN_PREFIX}/{path}"
