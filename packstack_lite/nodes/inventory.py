"""List the nodes that the answers name, with their roles.

Used by ``deployment``.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from packstack_lite.counts import format_count
from packstack_lite.errors import UsageError
from packstack_lite.ip_addresses import LOOPBACK_NAMES
from packstack_lite.nodes.node import ROLES, Node

# Role -> the parameter that names its nodes.
ROLE_PARAMETERS: Mapping[str, str] = {
    "controller": "CONFIG_CONTROLLER_HOST",
    "network": "CONFIG_NETWORK_HOSTS",
    "compute": "CONFIG_COMPUTE_HOSTS",
    "storage": "CONFIG_STORAGE_HOST",
    "queue": "CONFIG_AMQP_HOST",
    "database": "CONFIG_MARIADB_HOST",
}
# Roles that a y/n parameter controls, with the value that counts where the answers lack it.
_ROLE_CONDITIONS: Mapping[str, Tuple[str, bool]] = {
    "storage": ("CONFIG_UNSUPPORTED", False),
    "database": ("CONFIG_MARIADB_INSTALL", True),
}


def list_nodes(answers: Mapping[str, Any], default_controller: str = "") -> List[Node]:
    """List every node that the answers name, the controller first.

    A role without a node of its own goes to the controller. ``default_controller`` (the command
    line's ``--host``) is used where the answers name no controller or a loopback address.
    Raises UsageError if there is no controller, several, or an excluded one.
    """
    controllers = _hosts_in_answer(answers, ROLE_PARAMETERS["controller"]) or (
        [default_controller] if default_controller else []
    )
    if not controllers:
        raise UsageError("no controller is named", "set CONFIG_CONTROLLER_HOST, or say --host or --sandbox")
    if len(controllers) > 1:
        raise UsageError(
            f"CONFIG_CONTROLLER_HOST names several hosts: {', '.join(controllers)}",
            "name one: a cloud has one controller",
        )
    excluded = _hosts_in_answer(answers, "EXCLUDE_SERVERS")
    if controllers[0] in excluded:
        raise UsageError(
            f"EXCLUDE_SERVERS names the controller, {controllers[0]}", "without it there is no cloud: take it out"
        )
    roles: Dict[str, List[str]] = {}
    for role in ROLES:
        for host in _hosts_of_role(answers, role) or controllers:
            is_controller = default_controller and host in LOOPBACK_NAMES
            roles.setdefault(default_controller if is_controller else host, []).append(role)
    return [
        Node(name=host, roles=tuple(node_roles), is_excluded=host in excluded) for host, node_roles in roles.items()
    ]


def _hosts_of_role(answers: Mapping[str, Any], role: str) -> List[str]:
    """List the nodes to which the answers assign a role.

    Empty if the controller has the role.
    """
    if role in _ROLE_CONDITIONS and not answers.get(*_ROLE_CONDITIONS[role]):
        return []
    return _hosts_in_answer(answers, ROLE_PARAMETERS[role])


def _format_node(node: Node) -> str:
    """Return a node with its roles in words, and whether it is left alone."""
    roles = "all roles" if node.roles == ROLES else ", ".join(node.roles)
    return f"{node.name} ({roles}{', excluded' if node.is_excluded else ''})"


def describe_nodes(nodes: Sequence[Node]) -> str:
    """Return how many nodes a cloud has, and their roles.

    Such as ``2 nodes: a (controller, network); b (compute)``.
    """
    return f"{format_count(len(nodes), 'node')}: {'; '.join(map(_format_node, nodes))}"


def _hosts_in_answer(answers: Mapping[str, Any], name: str) -> List[str]:
    """List the names in an answer, each once.

    The answer is a tuple or comma-separated text.
    """
    answer = answers.get(name) or ()
    hosts = answer.split(",") if isinstance(answer, str) else map(str, answer)
    return list(dict.fromkeys(host.strip() for host in hosts if host.strip()))
