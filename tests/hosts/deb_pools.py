"""Fill pools with Debian packages.

They are downloaded with this machine's apt settings and unpacked, not installed.
"""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import Iterable, List, Sequence

from packstack_lite.sandbox.debs import PREPARE_SCRIPT
from packstack_lite.sandbox.local_commands import ProgressCallback, run_command
from packstack_lite.sandbox.nspawn_run import run_script
from tests.hosts.el_table import UNIT_DIR, Layout, Pool

# Paths of Debian's own ways of starting, configuring and documenting a program.
EXCLUDED_PATHS = (
    "/etc/init.d", "/etc/default", "/etc/logrotate.d", "/etc/cron.*", "/etc/apparmor.d", "/etc/policy.d",
    "/usr/lib/systemd", "/lib", "/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d", "/usr/share/doc", "/usr/share/man",
    "/usr/share/lintian", "/usr/share/bug", "/usr/share/locale", "/usr/share/metainfo", "/usr/share/doc-base",
    "/usr/share/bash-completion", "/usr/share/zsh", "/usr/share/apport", "/etc/ufw", "/run", "/var",
)  # fmt: skip


def list_packages(pools: Iterable[Pool]) -> List[str]:
    """Return the names of the Debian packages of all pools, sorted, each once."""
    return sorted({name for pool in pools for name in pool.debs})


def apt_pins(names: Sequence[str]) -> str:
    """Return apt preferences that keep these packages from being installed."""
    return "".join(f"Package: {name}\nPin: version *\nPin-Priority: -1\n\n" for name in names)


# Packages' scripts compile their Python modules one package at a time, a third of apt's time: do it once at the end, on
# all cores. And disable the units that Debian's packages enable: none of these services is wanted.
SPEED_UP_SCRIPT = """
enabled() { systemctl --root=/ list-unit-files --no-legend --state=enabled | cut -d' ' -f1 | sort; }
enabled >/build/enabled
mv /usr/bin/py3compile /usr/bin/py3compile.real
ln -s /bin/true /usr/bin/py3compile
"""
FINISH_SCRIPT = """
mv -f /usr/bin/py3compile.real /usr/bin/py3compile
python3 -m compileall -q -j 0 /usr/lib/python3/dist-packages >/dev/null || :
enabled | comm -13 /build/enabled - | xargs -r systemctl --root=/ disable -q
"""

# Install the base packages and the dependencies of the pools' packages, but not these. In a simulation apt prints one
# line "Inst NAME ..." for each package.
DEPENDENCIES_SCRIPT = """
apt-get -s --no-install-recommends install $(cat /build/base /build/debs) >/build/plan
sed -n 's/^Inst \\([^ ]*\\).*/\\1/p' /build/plan | sort -u >/build/all
cp /build/preferences /etc/apt/preferences.d/el-layout
sort -u /build/debs /build/without | comm -23 /build/all - >/build/needed
eatmydata apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install \
$(cat /build/needed) >/build/apt.log 2>&1 || {
    tail -n 5 /build/apt.log
    exit 1
}
rm /etc/apt/preferences.d/el-layout
mkdir -p /debs
cd /debs
apt-get -qq --print-uris download $(cat /build/debs) | cut -d' ' -f2 >/build/files
cd /var/cache/apt/archives
apt-get -qq download $(cat /build/debs)
ln $(cat /build/files) /debs
"""

# Everything that is done to a tree before the pools' packages are unpacked.
STAGE_SCRIPT = PREPARE_SCRIPT + SPEED_UP_SCRIPT + DEPENDENCIES_SCRIPT + FINISH_SCRIPT


def prepare_stage(tree: Path, layout: Layout, progress: ProgressCallback) -> None:
    """Install tools, base packages and the pools' dependencies in the tree.

    The pools' own packages are downloaded to its /debs. Raises SandboxError where apt fails, for example because a
    package is in a pool and also a dependency: it must be in one of them only.
    """
    names, base_packages = list_packages(layout.pools), [*layout.string_list("tools"), *layout.string_list("base")]
    (tree / "build").mkdir(exist_ok=True)
    (tree / "build/debs").write_text("".join(f"{name}\n" for name in names))
    (tree / "build/base").write_text("".join(f"{name}\n" for name in base_packages))
    unwanted = layout.string_list("without")
    (tree / "build/without").write_text("".join(f"{name}\n" for name in unwanted))
    (tree / "build/preferences").write_text(apt_pins([*names, *unwanted]))
    progress(
        f"installing {len(base_packages)} packages, and the dependencies of {len(names)} more, which are downloaded"
    )
    run_script(tree, STAGE_SCRIPT)


def fill_pool(tree: Path, pool: Pool, target: Path) -> None:
    """Unpack a pool's packages into ``target``, without Debian's own files and units.

    Units that match ``pool.units`` stay, with /etc/sysconfig in place of /etc/default.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in pool.debs:
        matches = sorted((tree / "debs").glob(f"{name}_*.deb"))
        run_command(["dpkg-deb", "-x", str(matches[-1]), str(target)])
    units = {path.name: path.read_text() for path in _unit_files(target) if _matches_any(path.name, pool.units)}
    remove_matching(target, EXCLUDED_PATHS)
    for unit, unit_text in units.items():
        unit_path = target / UNIT_DIR.lstrip("/") / unit
        unit_path.parent.mkdir(parents=True, exist_ok=True)
        unit_path.write_text(unit_text.replace("/etc/default/", "/etc/sysconfig/"))


def _unit_files(target: Path) -> List[Path]:
    """Return the unit files below a directory; symbolic links are left out."""
    return [path for path in target.glob("**/systemd/system/*") if path.is_file() and not path.is_symlink()]


def _matches_any(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name matches one of the shell patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def remove_matching(target: Path, patterns: Sequence[str]) -> None:
    """Remove the files and directories whose absolute paths match one of the patterns."""
    paths = []
    for directory, directories, files in os.walk(target):
        relative_dir = directory[len(str(target)) :]
        for name in list(directories):
            if _matches_any(f"{relative_dir}/{name}", patterns):
                directories.remove(name)
                paths.append(f"{directory}/{name}")
        paths += [f"{directory}/{name}" for name in files if _matches_any(f"{relative_dir}/{name}", patterns)]
    for start in range(0, len(paths), 500):
        run_command(["rm", "-rf", *paths[start : start + 500]])
