"""Link Debian packages between caches, and install them in a tree.

Called by ``trees``, ``preinstalled_tree``, ``vm.uml_kernel`` and by plug-ins of ``distros``.
"""

from __future__ import annotations

import os
from pathlib import Path

from packstack_lite.sandbox.nspawn_run import run_script

# Packages' scripts must start nothing: policy-rc.d answers 101, "action forbidden".
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
    """Install Debian packages in a tree.

    The packages' scripts start no service, now or later.
    """
    run_script(tree, PREPARE_SCRIPT + INSTALL_SCRIPT.format(names))


def link_debs(source: Path, target: Path) -> None:
    """Hard-link the .deb files of one directory into another, where they are missing."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("*.deb"):
        if not (target / path.name).exists():
            os.link(path, target / path.name)
