"""Who does what: the hosts that the answers name, with their roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from packstack_lite.errors import UsageFault

# Role -> the answers that name its hosts.
_ROLES: Mapping[str, Tuple[str, ...]] = {
    "controller": ("CONFIG_CONTROLLER_HOST",),
    "network": ("CONFIG_NETWORK_HOSTS",),
    "compute": ("CONFIG_COMPUTE_HOSTS",),
    "storage": ("CONFIG_STORAGE_HOST",),
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Member:
    """A host of the cloud: ``name`` as the answers write it, its ``roles`` in Packstack's order."""

    name: str
    roles: Tuple[str, ...]


def members(answers: Mapping[str, Any], default: str = "") -> List[Member]:
    """Every host that the answers name, the controller first.

    A role that names no host falls to the controller; a controller that is not named, or
    that is the loopback, to ``default`` (the host of the command line). Raises UsageFault
    when there is no controller at all.
    """
    controllers = _named(answers, _ROLES["controller"]) or ([default] if default else [])
    if not controllers:
        raise UsageFault("no controller is named", "set CONFIG_CONTROLLER_HOST, or say --host or --sandbox")
    if len(controllers) > 1:
        raise UsageFault(
            f"CONFIG_CONTROLLER_HOST names several hosts: {', '.join(controllers)}",
            "name one: a cloud has one controller",
        )
    roles: Dict[str, List[str]] = {}
    for role, names in _ROLES.items():
        for host in _named(answers, names) or controllers:
            roles.setdefault(default if default and host in _LOOPBACK else host, []).append(role)
    return [Member(host, tuple(has)) for host, has in roles.items()]


def single(answers: Mapping[str, Any], default: str = "") -> Member:
    """The one host that has every role. Raises UsageFault that names the others."""
    first, *others = members(answers, default)
    if others:
        told = "; ".join(f"{other.name} ({', '.join(other.roles)})" for other in others)
        raise UsageFault(
            f"the answers spread the cloud over several hosts: besides {first.name} there are {told}",
            f"packstack-lite deploys to one host for now: name {first.name} in {_names(others)}",
        )
    return first


def _names(others: Iterable[Member]) -> str:
    parameters = [name for other in others for role in other.roles for name in _ROLES[role]]
    return ", ".join(dict.fromkeys(parameters))


def _named(answers: Mapping[str, Any], names: Iterable[str]) -> List[str]:
    """The hosts in these answers, each once; lists may come as tuples or comma-separated."""
    hosts: List[str] = []
    for name in names:
        answer = answers.get(name) or ()
        hosts.extend(answer.split(",") if isinstance(answer, str) else map(str, answer))
    return list(dict.fromkeys(host.strip() for host in hosts if host.strip()))
