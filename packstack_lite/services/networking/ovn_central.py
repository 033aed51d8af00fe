"""OVN on the controller: two databases, and northd, which translates between them."""

from __future__ import annotations

from typing import List, Mapping

from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.spec import Port, ServiceSpec

# OVN's own defaults.
OVN_PORTS: Mapping[str, int] = {"nb": 6641, "sb": 6642}
# With the ports of the databases' own replication.
INTERNAL_PORTS = ("6641-6644",)
SPEC = ServiceSpec(
    name="ovn-central",
    after=("neutron",),
    l2_agents=("ovn",),
    ports=tuple(Port(f"ovn-{name}", number, (f"ovn-{name}",)) for name, number in OVN_PORTS.items()),
    internal_ports=INTERNAL_PORTS,
    units=("ovn-central", "ovn-nb", "ovn-sb", "ovn-northd"),
    template_dir="ovn",
    smoke_cases=("network", "agents"),
)


def database_urls(context: NodeContext) -> Mapping[str, str]:
    """Map each database (``nb``, ``sb``) to its URL.

    The databases have no password, and their clients control the network. So they listen on loopback on a cloud of
    one node; otherwise the firewall admits the cloud's nodes only.
    """
    address = context.controller_address if context.other_nodes else "127.0.0.1"
    return {name: f"tcp:{address}:{port}" for name, port in OVN_PORTS.items()}


def declare(context: NodeContext) -> List[Resource]:
    """Declare the databases and northd."""
    options = context.render_file("ovn", "ovn-central", phase=Phase.PLATFORM, databases=database_urls(context))
    files = [options, *context.render_optional_files("ovn", "ovn-northd-unit", phase=Phase.PLATFORM)]
    # It comes first: its restart restarts the others.
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
    """Return a shell command that exits 0 once a database answers."""
    return f"ovn-{name}ctl --timeout=5 --no-leader-only --db={database_urls(context)[name]} show"
