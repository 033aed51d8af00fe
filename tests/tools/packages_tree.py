"""Make a sandbox tree with a profile's packages installed; print its name.

None of their services is started. Called by ``make quick``.

A deployment on it skips downloading and installing packages, most of a first run's time. The name has a checksum of the
package list, so that a changed profile makes a new tree.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import List

from packstack_lite import profiles, sandbox
from packstack_lite.secret import quote_sh

# Packages enable their units; at a boot before they are configured, these would crash again and again.
APT = """
set -e
enabled() {{ systemctl list-unit-files --no-legend --state=enabled | cut -d' ' -f1 | sort; }}
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
enabled > /run/before
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends {} >/dev/null
enabled > /run/after
comm -13 /run/before /run/after | xargs -r systemctl disable -q
rm /usr/sbin/policy-rc.d
"""
# Enterprise Linux's packages enable only units of its presets.
DNF = """
set -e
{}
dnf -y -q install {} >/dev/null
dnf -q clean all
"""
# Commands that add RDO's repositories, from its guide.
REPOSITORIES = {
    "centos9s-epoxy": "dnf config-manager --set-enabled crb; dnf -y -q install centos-release-openstack-epoxy",
}


def say(text: str) -> None:
    """Print progress to stderr; stdout is for the tree's name."""
    print(text, file=sys.stderr, flush=True)


def packages_of(profile: profiles.Profile) -> List[str]:
    """Return all packages of the profile that can be installed in a container."""
    excluded = {"chrony", *([] if profile.package_manager == "apt" else ["ceph"])}
    return sorted({name for service, names in profile.packages.items() if service not in excluded for name in names})


def install_script(profile: profiles.Profile, packages: List[str]) -> str:
    """Return shell text that installs the packages and starts none of them."""
    names = " ".join(packages)
    if profile.package_manager == "apt":
        return APT.format(names)
    return DNF.format(REPOSITORIES.get(profile.name, ":"), names)


def make(profile: profiles.Profile, distro: str) -> str:
    """Return the name of the tree, made if it is missing."""
    packages = packages_of(profile)
    tree = f"{profile.name}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]}"
    if sandbox.has_tree(tree, distro):
        return tree
    name = f"packages-{distro}"
    box = sandbox.up(name, say, distro=distro)
    try:
        say(f"installing {len(packages)} packages and what they need")
        subprocess.run(sandbox.ssh_argv(box, f"sh -c {quote_sh(install_script(profile, packages))}"), check=True)
        sandbox.save_tree(name, tree, say)
    finally:
        sandbox.down(name, say)
    return tree


def main() -> None:
    """Print the tree's name; arguments: the profile and the distribution."""
    profile, distro = sys.argv[1:]
    print(make(profiles.load(profile), distro))


if __name__ == "__main__":
    main()
