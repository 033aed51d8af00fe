"""What a host of each profile needs before OpenStack's packages come, and where those are mirrored. Data, no code.

Beside the profile, one YAML per profile in ``preparation/`` and one per table of mirrors in ``mirrors/``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any, Mapping, Tuple

import yaml


@dataclass(frozen=True)
class MirrorTable:
    """A distribution's repositories after its own are gone.

    ``dead`` are host names that no longer serve. ``mirrors`` maps a mirror's name to the URLs above its trees, in the
    order in which they are tried; ``paths`` a mirror list's name of a repository to its place below such a URL.
    """

    retired_hosts: Tuple[str, ...]
    mirrors: Mapping[str, Tuple[str, ...]]
    repository_paths: Mapping[str, str]


@dataclass(frozen=True)
class HostSetup:
    """One profile's host preparation; what is empty is not done there.

    ``release_packages`` bring the repositories of the OpenStack release, ``priority_packages`` what makes yum heed
    priorities. ``repo_files`` is the directory of repository files, ``package_config`` the package manager's file
    with a section [main], ``proxy_file`` a file of our own for apt's proxy. ``mirrors`` names a table.
    ``switched_on`` are sections per repository file that have to be enabled. ``epel_exclude`` are packages that EPEL
    must not replace. ``hosts_file`` says whether the host's name may be written to /etc/hosts.
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
    """How hosts of this profile are prepared; not at all where nothing is said of it."""
    path = resources.files("packstack_lite.profiles") / "preparation" / f"{profile}.yaml"
    return HostSetup(**_read_yaml(path)) if path.is_file() else HostSetup()


@lru_cache(maxsize=None)
def load_mirror_table(name: str) -> MirrorTable:
    """A table of mirrors."""
    return MirrorTable(**_read_yaml(resources.files("packstack_lite.profiles") / "mirrors" / f"{name}.yaml"))


def _read_yaml(path: Any) -> Mapping[str, Any]:
    return {key: _freeze(value) for key, value in yaml.safe_load(path.read_text(encoding="utf-8")).items()}


def _freeze(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(str, value))
    if isinstance(value, dict):
        return {str(key): _freeze(entry) for key, entry in value.items()}
    return value
