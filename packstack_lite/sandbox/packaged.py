"""A base tree with packages installed in it, none of their services started or enabled: kept for the next sandbox.

Made at this machine's own speed; a kernel in user space would take ten times as long.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Sequence

from packstack_lite.sandbox import debs, trees
from packstack_lite.sandbox.inside import copy_tree, remove_mounted, script
from packstack_lite.sandbox.machine import Say, locked_tree
from packstack_lite.sandbox.model import BOOTS_FROM, archives_dir, tree_dir

# Packages enable their units; booted before they are configured these would crash for ever.
REMEMBER = """
enabled() { systemctl --root=/ list-unit-files --no-legend --state=enabled | cut -d' ' -f1 | sort; }
enabled >/var/tmp/enabled
"""
# LVM's own wait for volumes that are not there yet: udev needs them at the next boot.
DISABLE = """
enabled | comm -13 /var/tmp/enabled - | grep -v -e '^dm-event' -e '^lvm2-' -e '^blk-availability' |
    xargs -r systemctl --root=/ disable -q
rm -f /usr/sbin/policy-rc.d /var/tmp/enabled /tmp/apt.log
"""


def ensure(distro: str, packages: Sequence[str], say: Say) -> str:
    """The name of the tree with these packages, made when it is not there."""
    names = " ".join(sorted(packages))
    made_from = "\0".join([names, REMEMBER, DISABLE])
    tree = f"packages-{hashlib.sha256(made_from.encode()).hexdigest()[:8]}"
    base = trees.ensure(distro, BOOTS_FROM, say)
    with locked_tree(f"{distro}-{tree}"):
        place = tree_dir(distro, tree)
        if not place.is_dir():
            say(f"installing {len(packages)} packages and what they need in a tree; this happens once")
            _make(distro, base, place, names)
    return tree


def _make(distro: str, base: Path, place: Path, names: str) -> None:
    part = place.with_name(place.name + ".part")
    try:
        remove_mounted(part)
        copy_tree(base, part)
        archives = part / trees.ARCHIVES
        debs.link(archives_dir(distro), archives)
        script(part, debs.BEFORE + REMEMBER + debs.INSTALL.format(names) + DISABLE)
        debs.link(archives, archives_dir(distro))
        for path in archives.glob("*.deb"):
            path.unlink()
        os.rename(part, place)
    except BaseException:
        remove_mounted(part)
        raise
