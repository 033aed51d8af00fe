"""Make root file systems with packages installed, for new virtual machines.

None of the packages' services is started or enabled.

Installing here runs at this machine's speed; inside user-mode Linux it would take ten times as long.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Sequence

from packstack_lite.activity import cleanup
from packstack_lite.counts import format_count
from packstack_lite.sandbox import debs, trees
from packstack_lite.sandbox.local_commands import ProgressCallback, lock_tree
from packstack_lite.sandbox.model import BASE_TREE, archives_dir, tree_dir
from packstack_lite.sandbox.nspawn_run import copy_tree, run_script, unmount_and_remove

# Packages enable their units; at a boot before they are configured, these would crash again and again.
RECORD_ENABLED_SCRIPT = """
enabled() { systemctl --root=/ list-unit-files --no-legend --state=enabled | cut -d' ' -f1 | sort; }
enabled >/var/tmp/enabled
"""
# Units of LVM and device mapper stay enabled: udev needs them at the next boot.
DISABLE_SCRIPT = """
enabled | comm -13 /var/tmp/enabled - | grep -v -e '^dm-event' -e '^lvm2-' -e '^blk-availability' |
    xargs -r systemctl --root=/ disable -q
rm -f /usr/sbin/policy-rc.d /var/tmp/enabled /tmp/apt.log
"""


def ensure_preinstalled_tree(distro: str, packages: Sequence[str], progress: ProgressCallback) -> str:
    """Return the name of the tree that has these packages, made if it is missing."""
    names = " ".join(sorted(packages))
    recipe = "\0".join([names, RECORD_ENABLED_SCRIPT, DISABLE_SCRIPT])
    tree = f"packages-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
    base = trees.ensure_tree(distro, BASE_TREE, progress)
    with lock_tree(f"{distro}-{tree}"):
        directory = tree_dir(distro, tree)
        if not directory.is_dir():
            count = format_count(len(packages), "package")
            progress(f"installing {count} and what they need in a tree; this happens once")
            _make_tree(distro, base, directory, names)
    return tree


def _make_tree(distro: str, base: Path, directory: Path, names: str) -> None:
    """Copy the base tree, install the packages in it and disable their units."""
    unfinished = directory.with_name(directory.name + ".part")
    try:
        unmount_and_remove(unfinished)
        copy_tree(base, unfinished)
        archives = unfinished / trees.APT_ARCHIVES
        debs.link_debs(archives_dir(distro), archives)
        run_script(
            unfinished, debs.PREPARE_SCRIPT + RECORD_ENABLED_SCRIPT + debs.INSTALL_SCRIPT.format(names) + DISABLE_SCRIPT
        )
        debs.link_debs(archives, archives_dir(distro))
        for path in archives.glob("*.deb"):
            path.unlink()
        os.rename(unfinished, directory)
    except BaseException:
        with cleanup("removing an unfinished tree"):
            unmount_and_remove(unfinished)
        raise
