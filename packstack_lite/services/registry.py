"""The services by name, and the tables that are derived from their specs.

Used by ``services.declaration``, ``host_setup.firewall``, preflight, the smoke test and docs/reference.py.
"""

from __future__ import annotations

import pkgutil
import re
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Collection, Dict, Iterable, Iterator, List, Mapping, Tuple

from packstack_lite import services
from packstack_lite.services._base.context import PORTS, NodeContext
from packstack_lite.services._base.spec import EVERY_SERVICE, REGISTERED_SPECS, ServiceDatabase, ServiceSpec, StoredKey

# Modules that import this one.
_NOT_SERVICES = (__name__, f"{services.__name__}.declaration", f"{services.__name__}.removals")


def order_services(specs: Iterable[ServiceSpec]) -> List[str]:
    """Return the names of services in the order of their ``after``; equals by name.

    Raises ValueError for a service that comes after an unknown one, or after itself.
    """
    after = {spec.name: set(spec.after) for spec in specs}
    early = {name for name, others in after.items() if EVERY_SERVICE not in others}
    waiting = {name: others - {EVERY_SERVICE} | (set() if name in early else early) for name, others in after.items()}
    ordered: List[str] = []
    while waiting:
        ready = sorted(name for name, others in waiting.items() if others <= set(ordered))
        if not ready:
            problems = "; ".join(f"{name} after {', '.join(sorted(waiting[name]))}" for name in sorted(waiting))
            raise ValueError(f"no order of services: after in a SPEC names a circle or an unknown service: {problems}")
        ordered.append(ready[0])
        del waiting[ready[0]]
    return ordered


def _find_modules() -> Dict[str, ModuleType]:
    """Import this package's modules; return those with a SPEC by their service's name."""
    names = [info.name for info in pkgutil.walk_packages(services.__path__, f"{services.__name__}.")]
    modules = [import_module(name) for name in names if name not in _NOT_SERVICES]
    by_name = {module.SPEC.name: module for module in modules if isinstance(getattr(module, "SPEC", None), ServiceSpec)}
    return {name: by_name[name] for name in order_services(module.SPEC for module in by_name.values())}


# Each module has a SPEC and declare(context).
SERVICES: Mapping[str, ModuleType] = _find_modules()
SPECS: Tuple[ServiceSpec, ...] = tuple(module.SPEC for module in SERVICES.values())
REGISTERED_SPECS[:] = SPECS
SPECS_BY_NAME: Mapping[str, ServiceSpec] = {spec.name: spec for spec in SPECS}
PORTS.update({port.name: port.number for spec in SPECS for port in spec.listening_ports()})
DATABASES: Tuple[Tuple[ServiceSpec, ServiceDatabase], ...] = tuple(
    (spec, database) for spec in SPECS for database in spec.databases
)
# The keys of stored data, each with the answer that installs its service.
STORED_KEYS: Tuple[Tuple[str, StoredKey], ...] = tuple((spec.answer, key) for spec in SPECS for key in spec.stored_keys)
_INSTALL_PARAMETER = re.compile(r"CONFIG_[A-Z0-9]+_INSTALL")


@dataclass(frozen=True)
class CheckedPort:
    """A port that preflight checks, and where it is used.

    ``units`` are those of the cloud that listen on it; any other listener is an error. ``role`` is the role of the node
    that listens. ``answers`` are y/n parameters, of which none may be ``n``: it leaves the port unused. ``l2_agents``
    are the layer 2 agents that use it; empty for all.
    """

    number: int
    units: Tuple[str, ...]
    role: str
    answers: Tuple[str, ...]
    l2_agents: Tuple[str, ...]


def requested_services(context: NodeContext) -> List[str]:
    """List the services that the answers ask for, on any node."""
    return [spec.name for spec in SPECS if spec.is_requested(context)]


def services_on_node(context: NodeContext) -> List[str]:
    """List the requested services that this node gets, in order of their declaration."""
    return [spec.name for spec in SPECS if spec.is_requested(context) and spec.belongs_on_node(context)]


def unsupported_answers(answers: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """List the install answers that cannot be met: (parameter, value that can).

    These are ``n`` for a service that every cloud needs, and ``y`` for one that no spec knows.
    """
    required = dict.fromkeys(spec.answer for spec in SPECS if spec.is_required)
    known = {spec.answer for spec in SPECS}
    unsupported = [(name, "y") for name in required if not answers.get(name, True)]
    unsupported += [
        (name, "n")
        for name, value in answers.items()
        if _INSTALL_PARAMETER.fullmatch(name) and value is True and name not in known
    ]
    return unsupported


def public_ports(services: Collection[str], answers: Mapping[str, Any]) -> Tuple[int, ...]:
    """List the ports of these services that users of the cloud must reach, in order.

    APIs that the answers switch off are omitted.
    """
    return tuple(sorted({number for spec in _select_specs(services) for number in spec.public_ports(answers)}))


def internal_ports(services: Collection[str]) -> List[str]:
    """List the ports of services and package groups for the cloud's own nodes.

    ``A-B`` is a range.
    """
    ports = {port for spec in _select_specs(services) for port in spec.internal_ports}
    ports |= {
        port
        for spec in SPECS
        for group, group_ports in spec.group_ports.items()
        if group in services
        for port in group_ports
    }
    return sorted(ports, key=lambda port: int(port.partition("-")[0]))


def checked_ports() -> Tuple[CheckedPort, ...]:
    """List the ports that preflight checks, by number."""
    return tuple(sorted(_checked_ports(), key=lambda port: port.number))


def catalog_types(answers: Mapping[str, Any]) -> List[str]:
    """List the service types that the catalog of a cloud with these answers must have."""
    return [api.type for spec in SPECS if spec.is_answered(answers) for api in spec.enabled_apis(answers)]


def optional_smoke_cases() -> Dict[str, str]:
    """Return the smoke cases of services that an answer adds, and their services.

    The value of a case is its service's type in the catalog.

    A cloud without that service does not run them.
    """
    return {
        case: spec.apis[0].type
        for spec in SPECS
        if spec.answer and not spec.is_required and spec.apis
        for case in spec.smoke_cases
    }


def _checked_ports() -> Iterator[CheckedPort]:
    """Yield the ports that have units which may hold them, of all services."""
    for spec in SPECS:
        answers_by_port = {api.port: api.answer for api in spec.apis}
        for port in spec.listening_ports():
            answers = tuple(name for name in (spec.answer, answers_by_port.get(port.number)) if name)
            if port.units:
                yield CheckedPort(port.number, port.units, spec.roles[0], answers, spec.l2_agents)


def _select_specs(names: Collection[str]) -> List[ServiceSpec]:
    """Return the specs of the services among the names; the others are package groups."""
    return [SPECS_BY_NAME[name] for name in names if name in SPECS_BY_NAME]
