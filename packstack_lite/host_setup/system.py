"""Resources of the node itself: packages, kernel settings, time, masked units.

Also those of ``repositories``, ``tuning`` and ``firewall``. ``services.declare`` adds the resources of each service to
them.
"""

from __future__ import annotations

from typing import List, Tuple

from packstack_lite.host_setup import firewall, repositories, tuning
from packstack_lite.resources import Packages, Sysctl, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags

# Routers need forwarding. Replies to their packets arrive on another interface than the route names, which rp_filter
# would drop.
KERNEL_SETTINGS = (
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
)


def declare(context: NodeContext, services: List[str]) -> List[Resource]:
    """Declare the resources of the node itself for ``services``.

    ``services`` also holds further package groups of the profile. chrony is left out in a container, whose clock is
    the host's.
    """
    return [
        *repositories.declare(context),
        *tuning.declare(context),
        *firewall.declare(context, services),
        Packages(
            names=list_packages(context, services),
            manager=context.profile.package_manager,
            repository_pattern=repositories.allowed_repositories(context),
            phase=Phase.PACKAGES,
            needs=repositories.required_resource_ids(context),
        ),
        context.render_file("host", "sysctl", phase=Phase.PREPARE, settings=KERNEL_SETTINGS),
        Sysctl(settings=KERNEL_SETTINGS, phase=Phase.PREPARE, tags=make_tags("host")),
        # Before the package that enables the socket.
        *(context.render_optional_files("host", "rpcbind", phase=Phase.PREPARE) if "cinder-nfs" in services else []),
        *[_declare_masked_unit(name) for name in context.profile.masked_units_for(services)],
        *([] if context.facts.system.is_container else _declare_time_sync(context)),
    ]


def list_packages(context: NodeContext, services: List[str]) -> Tuple[str, ...]:
    """List every package that the node needs, each once.

    They are installed in one batch.
    """
    groups = ["host", *([] if context.facts.system.is_container else ["chrony"]), *services]
    known_groups = [service for service in groups if service in context.profile.packages]
    names = [name for service in known_groups for name in context.profile.packages_for(service)]
    return tuple(dict.fromkeys([*names, *tuning.required_packages(context)]))


def _declare_masked_unit(name: str) -> Unit:
    """Declare a masked unit: a package brings it, and the cloud does not use it."""
    return Unit(name=name, state="masked", enabled=False, phase=Phase.PLATFORM, tags=make_tags("host"))


def _declare_time_sync(context: NodeContext) -> List[Resource]:
    """Declare chrony; with CONFIG_NTP_SERVERS, its configuration too."""
    servers = context.answers.get("CONFIG_NTP_SERVERS") or ()
    names = tuple(servers.replace(" ", "").split(",")) if isinstance(servers, str) else tuple(servers)
    config = context.render_file("host", "chrony", phase=Phase.PLATFORM, servers=names)
    watched = (config,) if names else ()
    return [*watched, context.declare_unit("chrony", "host", restart_triggers=watched, phase=Phase.PLATFORM)]
