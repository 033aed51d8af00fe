"""OVN's two databases, and northd that translates between them."""

from __future__ import annotations

from typing import List, Mapping

from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext

# OVN's own defaults.
OVN_PORTS: Mapping[str, int] = {"nb": 6641, "sb": 6642}


def database_urls(context: NodeContext) -> Mapping[str, str]:
    """Where the databases are asked. They want no password: whoever reaches them rules the network. So they listen on
    the loopback where everything that asks them is on that host, and the firewall keeps all but the cloud's hosts out
    where it is not."""
    address = context.controller_address if context.other_nodes else "127.0.0.1"
    return {name: f"tcp:{address}:{port}" for name, port in OVN_PORTS.items()}


def declare(context: NodeContext) -> List[Resource]:
    """The databases and northd."""
    options = context.render_file("ovn", "ovn-central", phase=Phase.PLATFORM, databases=database_urls(context))
    files = [options, *context.render_optional_files("ovn", "ovn-northd-unit", phase=Phase.PLATFORM)]
    # Restarting this one restarts the others with it: so it goes first.
    central_unit = context.declare_unit("ovn-central", "ovn", needs=[file.id for file in files], phase=Phase.PLATFORM)
    database_units = [
        context.declare_unit(
            f"ovn-{name}", "ovn", [options], [central_unit.id], _database_check(context, name), Phase.PLATFORM
        )
        for name in database_urls(context)
    ]
    northd = context.declare_unit(
        "ovn-northd", "ovn", files, [store.id for store in database_units], phase=Phase.PLATFORM
    )
    return [*files, central_unit, *database_units, northd]


def _database_check(context: NodeContext, name: str) -> str:
    return f"ovn-{name}ctl --timeout=5 --no-leader-only --db={database_urls(context)[name]} show"
