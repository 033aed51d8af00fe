"""Declare everything that the answers ask of a node.

Entry point of ``services`` for plan, apply, verify and render.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, List, Optional, Sequence

import packstack_lite.answers.l2_agents as l2_agents
from packstack_lite.errors import UsageError
from packstack_lite.host_setup import system, uplink
from packstack_lite.resources.base import PHASES, Resource
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.merge_units import merge_units
from packstack_lite.services.registry import SERVICES, requested_services, services_on_node, unsupported_answers


def declare(context: NodeContext) -> List[Resource]:
    """Declare every resource of a node, ordered by phase.

    Within a phase they keep the order of the services.

    Raises UsageError if a required service is switched off, or if the release has no packages for an answer.
    A service that is not supported yet does not prevent the others: answers and preflight warn about it.
    """
    _check_required_services(context)
    _check_packaged(context)
    services = services_on_node(context)
    resources = system.declare(context, [*services, *_package_groups(context)])
    for name in services:
        resources += SERVICES[name].declare(context)
    return _sort_by_phase(uplink.order_units_after_uplinks(merge_units(resources)))


def declare_delegated(controller: NodeContext, node: NodeContext) -> List[Resource]:
    """Declare what the controller does on behalf of another node, ordered by phase."""
    resources: List[Resource] = []
    for name in services_on_node(node):
        if hasattr(SERVICES[name], "declare_delegated"):
            resources += SERVICES[name].declare_delegated(controller, node)
    # What they need on the controller belongs to the controller's own run; NODE_DEPENDENCIES wait for that.
    without_needs = [replace(resource, needs=()) for resource in resources]  # type: ignore[type-var]
    return _sort_by_phase(without_needs)


def _check_required_services(context: NodeContext) -> None:
    """Raise UsageError if a required service is switched off."""
    unmet = [(name, value) for name, value in unsupported_answers(context.answers) if value != "n"]
    if unmet:
        raise UsageError(
            "not supported yet: " + ", ".join(f"{name}={_format_answer(context.answers[name])}" for name, _ in unmet),
            "set " + ", ".join(f"{name}={value}" for name, value in unmet),
        )


def _check_packaged(context: NodeContext) -> None:
    """Raise UsageError for an answer that the release has no packages for."""
    unavailable = list(l2_agents.find_unpackaged_answers(context.answers, context.profile.packages))
    if unavailable:
        raise UsageError(
            f"{context.profile.title} is without: " + ", ".join(requested for requested, _ in unavailable),
            "set " + ", ".join(replacement for _, replacement in unavailable),
        )


def _package_groups(context: NodeContext) -> List[str]:
    """List the further package groups that the requested services bring to this node."""
    on_node = [SERVICES[name].SPEC for name in services_on_node(context)]
    groups = [api.name for spec in on_node for api in spec.enabled_apis(context.answers) if api.answer]
    for name in requested_services(context):
        list_groups: Optional[Callable[[NodeContext], List[str]]] = getattr(SERVICES[name], "package_groups", None)
        groups += list_groups(context) if list_groups else []
    return groups


def _sort_by_phase(resources: Sequence[Resource]) -> List[Resource]:
    """Return the resources sorted by phase; the order within a phase stays."""
    return sorted(resources, key=lambda resource: PHASES.index(resource.phase))


def _format_answer(value: object) -> str:
    """Format an answer as the answer file writes it."""
    if isinstance(value, bool):
        return "y" if value else "n"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
