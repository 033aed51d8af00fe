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
class Mirrors:
    """A distribution's repositories after its own are gone.

    ``dead`` are host names that no longer serve. ``mirrors`` maps a mirror's name to the URLs above its trees, in the
    order in which they are tried; ``paths`` a mirror list's name of a repository to its place below such a URL.
    """

    dead: Tuple[str, ...]
    mirrors: Mapping[str, Tuple[str, ...]]
    paths: Mapping[str, str]


@dataclass(frozen=True)
class Preparation:
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
    mirrors: str = ""
    switched_on: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    epel_exclude: Tuple[str, ...] = ()
    selinux_packages: Tuple[str, ...] = ()
    selinux_booleans: Tuple[str, ...] = ()
    tuned_packages: Tuple[str, ...] = ()
    tuned_profile: str = ""
    hosts_file: bool = False


@lru_cache(maxsize=None)
def preparation(profile: str) -> Preparation:
    """How hosts of this profile are prepared; not at all where nothing is said of it."""
    place = resources.files("packstack_lite.profiles") / "preparation" / f"{profile}.yaml"
    return Preparation(**_read(place)) if place.is_file() else Preparation()


@lru_cache(maxsize=None)
def mirrors(name: str) -> Mirrors:
    """A table of mirrors."""
    return Mirrors(**_read(resources.files("packstack_lite.profiles") / "mirrors" / f"{name}.yaml"))


def _read(place: Any) -> Mapping[str, Any]:
    return {key: _frozen(value) for key, value in yaml.safe_load(place.read_text(encoding="utf-8")).items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(str, value))
    if isinstance(value, dict):
        return {str(key): _frozen(entry) for key, entry in value.items()}
    return value
