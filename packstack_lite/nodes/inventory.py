"""Who does what: the hosts that the answers name, with their roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from packstack_lite.errors import UsageError
from packstack_lite.nodes.node import ROLES

# Role -> the answer that names its hosts.
ROLE_PARAMETERS: Mapping[str, str] = {
    "controller": "CONFIG_CONTROLLER_HOST",
    "network": "CONFIG_NETWORK_HOSTS",
    "compute": "CONFIG_COMPUTE_HOSTS",
    "storage": "CONFIG_STORAGE_HOST",
    "queue": "CONFIG_AMQP_HOST",
    "database": "CONFIG_MARIADB_HOST",
}
# Roles that are only given away where an answer says y (and what it says where nobody was asked).
_ROLE_CONDITIONS: Mapping[str, Tuple[str, bool]] = {
    "storage": ("CONFIG_UNSUPPORTED", False),
    "database": ("CONFIG_MARIADB_INSTALL", True),
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class NodeRoles:
    """A host of the cloud: ``name`` as the answers write it, its ``roles`` in Packstack's order.

    One that is ``left`` alone (EXCLUDE_SERVERS) does its part already, and nothing on it is looked at or changed.
    """

    name: str
    roles: Tuple[str, ...]
    is_excluded: bool = False


def list_nodes(answers: Mapping[str, Any], default_controller: str = "") -> List[NodeRoles]:
    """Every host that the answers name, the controller first.

    A role that names no host falls to the controller; a controller that is not named, or
    that is the loopback, to ``default`` (the host of the command line). Raises UsageFault
    when there is no controller at all, or when it is one of those to be left alone.
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
            roles.setdefault(default_controller if default_controller and host in _LOOPBACK else host, []).append(role)
    return [NodeRoles(host, tuple(node_roles), host in excluded) for host, node_roles in roles.items()]


def _hosts_of_role(answers: Mapping[str, Any], role: str) -> List[str]:
    """The hosts that the answers give a role to; none where that is left to the controller."""
    if role in _ROLE_CONDITIONS and not answers.get(*_ROLE_CONDITIONS[role]):
        return []
    return _hosts_in_answer(answers, ROLE_PARAMETERS[role])


def format_nodes(nodes: Iterable[NodeRoles]) -> str:
    """Hosts with their roles, to tell a person."""
    return "; ".join(f"{node.name} ({', '.join(node.roles)})" for node in nodes)


def _hosts_in_answer(answers: Mapping[str, Any], name: str) -> List[str]:
    """The hosts in an answer, each once; lists may come as tuples or comma-separated."""
    answer = answers.get(name) or ()
    hosts = answer.split(",") if isinstance(answer, str) else map(str, answer)
    return list(dict.fromkeys(host.strip() for host in hosts if host.strip()))
