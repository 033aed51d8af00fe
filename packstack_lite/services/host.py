"""The host itself: where packages come from, all of them at once, kernel settings, time, units that nobody wants."""

from __future__ import annotations

from typing import List, Tuple

from packstack_lite.resources import Packages, Sysctl, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import firewall, preparation, repositories
from packstack_lite.services.cloud import Cloud, tags

# Routers forward, and their packets come back by another interface than the route says.
KERNEL = (
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
)


def declare(cloud: Cloud, services: List[str]) -> List[Resource]:
    """Packages of all ``services`` (and other groups of the profile) and what they come from, preparation of the host,
    kernel settings, masked units; chrony where the clock is the host's own."""
    return [
        *repositories.declare(cloud),
        *preparation.declare(cloud),
        *firewall.declare(cloud, services),
        Packages(
            names=_packages(cloud, services),
            manager=cloud.profile.package_manager,
            only_from=repositories.only_from(cloud),
            phase=Phase.PACKAGES,
            needs=repositories.ready(cloud),
        ),
        cloud.file("host", "sysctl", phase=Phase.PREPARE, settings=KERNEL),
        Sysctl(settings=KERNEL, phase=Phase.PREPARE, tags=tags("host")),
        *[_masked(name) for name in cloud.profile.masked],
        *([] if cloud.facts.container else _time(cloud)),
    ]


def _packages(cloud: Cloud, services: List[str]) -> Tuple[str, ...]:
    chosen = ["host", *([] if cloud.facts.container else ["chrony"]), *services]
    known = [service for service in chosen if service in cloud.profile.packages]
    named = [name for service in known for name in cloud.profile.packages_of(service)]
    return tuple(dict.fromkeys([*named, *preparation.packages(cloud)]))


def _masked(name: str) -> Unit:
    return Unit(name=name, state="masked", enabled=False, phase=Phase.PLATFORM, tags=tags("host"))


def _time(cloud: Cloud) -> List[Resource]:
    servers = cloud.answers.get("CONFIG_NTP_SERVERS") or ()
    names = tuple(servers.replace(" ", "").split(",")) if isinstance(servers, str) else tuple(servers)
    config = cloud.file("host", "chrony", phase=Phase.PLATFORM, servers=names)
    watched = (config,) if names else ()
    return [*watched, cloud.unit("chrony", "host", watches=watched, phase=Phase.PLATFORM)]
