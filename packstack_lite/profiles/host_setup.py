"""Setup of a node before OpenStack's packages are installed. Data, no code.

Repositories, mirrors, SELinux and tuned. Read from ``host_setup:`` of a profile (merged with its family's) and from
``mirrors/NAME.yaml``; used by the package ``packstack_lite.host_setup`` and by preflight.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Mapping, Tuple

from packstack_lite.profiles.documents import ProfileError, freeze, packaged_directory, read_merged, read_yaml


@dataclass(frozen=True)
class MirrorTable:
    """Mirrors of a distribution whose own repositories no longer exist.

    ``retired_hosts`` are host names that no longer serve. ``mirrors`` maps a mirror's name to its root URLs, in the
    order in which they are tried; ``repository_paths`` maps a repository's name in a mirror list to its path below
    such a root.
    """

    retired_hosts: Tuple[str, ...]
    mirrors: Mapping[str, Tuple[str, ...]]
    repository_paths: Mapping[str, str]


@dataclass(frozen=True)
class HostSetup:
    """One profile's node setup. An empty field means that the step is left out.

    ``release_packages`` install the repositories of the OpenStack release, ``priority_packages`` make yum honour
    priorities. ``repo_files`` is the directory of repository files, ``package_config`` the package manager's file
    with a section [main], ``proxy_file`` the file that we write for apt's proxy. ``mirror_table`` names a MirrorTable.
    ``enabled_sections`` are sections to enable, per repository file. ``epel_exclude`` are packages that EPEL must not
    replace. ``writes_hosts_file`` allows writing the node's name to /etc/hosts.
    """

    release_packages: Tuple[str, ...] = ()
    priority_packages: Tuple[str, ...] = ()
    repo_files: str = ""
    package_config: str = ""
    proxy_file: str = ""
    mirror_table: str = ""
    enabled_sections: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    epel_exclude: Tuple[str, ...] = ()
    selinux_packages: Tuple[str, ...] = ()
    selinux_booleans: Tuple[str, ...] = ()
    tuned_packages: Tuple[str, ...] = ()
    tuned_profile: str = ""
    writes_hosts_file: bool = False


@lru_cache(maxsize=None)
def load_host_setup(profile: str) -> HostSetup:
    """Load the node setup of a profile, by the profile's name. Raises ProfileError."""
    values = read_merged(packaged_directory(), profile).get("host_setup", {})
    unknown = sorted(set(values) - {known.name for known in fields(HostSetup)})
    if unknown:
        raise ProfileError(f"{profile}.yaml: host_setup: unknown key {', '.join(unknown)}")
    return HostSetup(**{key: freeze(value) for key, value in values.items()})


@lru_cache(maxsize=None)
def load_mirror_table(name: str) -> MirrorTable:
    """Load mirrors/NAME.yaml; NAME is a distribution, such as centos-7."""
    data: Mapping[str, Any] = read_yaml(packaged_directory() / "mirrors" / f"{name}.yaml")
    return MirrorTable(**{key: freeze(value) for key, value in data.items()})
