"""Compare a node with the others: what each must have for itself.

Nodes that were cloned from one image share it.
"""

from __future__ import annotations

from typing import Callable, Sequence, Tuple

from packstack_lite.nodes.facts import Facts
from packstack_lite.preflight import node_commands
from packstack_lite.preflight.check import CheckContext, Findings, error

# What it is, how it is read from the facts, what goes wrong where two nodes share it, and the way out.
_UNIQUE: Sequence[Tuple[str, Callable[[Facts], str], str, Callable[[], str]]] = (
    (
        "host name",
        # MariaDB compares names without regard to case.
        lambda facts: facts.system.hostname.lower(),
        "Nova, Neutron and RabbitMQ know a node by it",
        lambda: "hostnamectl set-hostname NAME, and the same name in /etc/hosts",
    ),
    (
        "machine-id",
        lambda facts: facts.system.machine_id,
        "systemd and DHCP servers take them for one machine, and their bridges get the same MAC addresses",
        lambda: node_commands.renew_machine_id(),
    ),
    (
        "Open vSwitch system-id",
        lambda facts: facts.cloud.ovs_system_id,
        "OVN takes them for one chassis, and their ports move to and fro",
        lambda: node_commands.renew_system_id(),
    ),
    (
        "SSH host key",
        lambda facts: facts.system.ssh_host_key,
        "whoever has one node can pass for the other",
        lambda: f"{node_commands.renew_ssh_host_keys()}; and here: ssh-keygen -R ADDRESS",
    ),
)


def check_duplicates(context: CheckContext) -> Findings:
    """Check that nodes share no host name, machine-id, OVS system-id or SSH host key.

    The finding is the later node's, and names both.
    """
    for what, read, consequence, way_out in _UNIQUE:
        value = read(context.facts)
        same = [name for name, facts in context.earlier_nodes.items() if value and read(facts) == value]
        if same:
            shown = f" {value}" if what == "host name" else ""
            yield error(
                f"{same[0]} and {context.name} have the same {what}{shown}: {consequence}",
                f"on {context.name}: {way_out()} (if both are one machine, name it by one address)",
            )
