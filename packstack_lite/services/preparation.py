"""The host before OpenStack: its name, SELinux, how it is tuned. What a distribution needs of it is data."""

from __future__ import annotations

from typing import List, Tuple

from packstack_lite.profiles.preparation import preparation
from packstack_lite.resources import Booleans, HostsEntry, Permissive, TunedProfile, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services.cloud import Cloud, tags


def declare(cloud: Cloud) -> List[Resource]:
    """The host's name in /etc/hosts, SELinux and tuned, where the distribution has a use for them."""
    return [*_name(cloud), *_selinux(cloud), *_tuned(cloud)]


def packages(cloud: Cloud) -> Tuple[str, ...]:
    """The packages that those need."""
    wants = preparation(cloud.profile.name)
    policy = wants.selinux_packages if _has_selinux(cloud) else ()
    return (*policy, *(wants.tuned_packages if _own_kernel(cloud) else ()))


def _has_selinux(cloud: Cloud) -> bool:
    """Not in a container, whose host decides, and not where it is off: that is never changed."""
    return cloud.facts.selinux in ("enforcing", "permissive") and not cloud.facts.container


def _own_kernel(cloud: Cloud) -> bool:
    return not cloud.facts.container


def _name(cloud: Cloud) -> List[Resource]:
    facts = cloud.facts
    if not preparation(cloud.profile.name).hosts_file or not facts.hostname or ":" in cloud.own_address:
        return []
    full = facts.fqdn if "." in facts.fqdn and facts.fqdn != "localhost.localdomain" else facts.hostname
    names = tuple(dict.fromkeys((full, facts.hostname)))
    return [HostsEntry(address=cloud.own_address, names=names, phase=Phase.PREPARE, tags=tags("host"))]


def _selinux(cloud: Cloud) -> List[Resource]:
    wants = preparation(cloud.profile.name)
    if not _has_selinux(cloud):
        return []
    if cloud.answers.get("CONFIG_SELINUX") == "permissive":
        mode: List[Resource] = [Permissive(phase=Phase.PREPARE, tags=tags("host"))]
    else:
        mode = []
    if not wants.selinux_booleans:
        return mode
    names, package = wants.selinux_booleans, wants.selinux_packages[0]
    return [*mode, Booleans(names=names, package=package, phase=Phase.PLATFORM, tags=tags("host"))]


def _tuned(cloud: Cloud) -> List[Resource]:
    profile = preparation(cloud.profile.name).tuned_profile
    if not profile or not _own_kernel(cloud):
        return []
    runs = Unit(name="tuned", phase=Phase.PLATFORM, tags=tags("host"))
    return [runs, TunedProfile(name=profile, phase=Phase.PLATFORM, tags=tags("host"), needs=(runs.id,))]
