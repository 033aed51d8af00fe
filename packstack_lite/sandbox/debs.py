"""Debian packages in a tree: linked between caches, and installed without starting a service.

Called by ``trees``, ``preinstalled_tree``, ``vm.uml_kernel`` and by plug-ins of ``distros``.
"""

from __future__ import annotations

import os
from pathlib import Path

from packstack_lite.sandbox.nspawn_run import run_script

# Whatever a package's script wants to start, it is told no (policy-rc.d, 101).
PREPARE_SCRIPT = """
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -qq update
"""
INSTALL_SCRIPT = """
apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install {} >/tmp/apt.log 2>&1 || {{
    tail -n 5 /tmp/apt.log
    exit 1
}}
"""


def install_packages(tree: Path, names: str) -> None:
    """Install Debian packages in the tree; nothing is started then or later by the scripts of packages."""
    run_script(tree, PREPARE_SCRIPT + INSTALL_SCRIPT.format(names))


def link_debs(source: Path, target: Path) -> None:
    """Link every package of one directory into another that lacks it."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("*.deb"):
        if not (target / path.name).exists():
            os.link(path, target / path.name)
