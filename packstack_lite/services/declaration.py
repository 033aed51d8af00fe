"""Declare everything that the answers ask of a node.

Entry point of ``services`` for plan, apply, verify and render.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple

import packstack_lite.answers.l2_agents as l2_agents
from packstack_lite.errors import UsageError
from packstack_lite.host_setup import system, uplink
from packstack_lite.nodes.facts import sample_facts
from packstack_lite.nodes.node import Node
from packstack_lite.profiles import Profile
from packstack_lite.resources import File, StateDirectory, Unit, UnitHolds
from packstack_lite.resources.base import PHASES, Phase, Resource
from packstack_lite.resources.unit_holds import UNIT_DIR
from packstack_lite.services._base.context import NodeContext, make_tags
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
    groups = [*services, *_package_groups(context)]
    resources = [*system.declare(context, groups), *_declare_state_directories(context, groups)]
    for name in services:
        resources += SERVICES[name].declare(context)
    resources = uplink.order_units_after_uplinks(merge_units(resources))
    return _sort_by_phase([*_declare_holds(resources), *resources])


def _declare_state_directories(context: NodeContext, groups: Sequence[str]) -> List[Resource]:
    """Declare the directories that the services on the node write to.

    They are right before the first service starts.
    """
    return [
        StateDirectory(path, **asdict(entry), phase=Phase.PLATFORM, tags=make_tags(group))
        for group in groups
        for path, entry in context.profile.directories.get(group, {}).items()
    ]


def _declare_holds(resources: Sequence[Resource]) -> List[Resource]:
    """Declare that packages bring their units held: none starts before its phase.

    Units whose file we write ourselves need no hold: their files come in their phase.
    """
    own_files = {resource.path for resource in resources if isinstance(resource, File)}
    units = [
        resource.full_name
        for resource in resources
        if isinstance(resource, Unit)
        and resource.state in ("running", "masked")
        and f"{UNIT_DIR}/{resource.full_name}" not in own_files
    ]
    return [UnitHolds(units=tuple(sorted(units)), tags=make_tags("host"))] if units else []


def list_packages(answers: Mapping[str, Any], profile: Profile, node: Node) -> Tuple[str, ...]:
    """List the packages that a node would get, before its facts are known."""
    facts = sample_facts(profile.os_id, profile.os_versions[0], node.address)
    context = NodeContext(answers, facts, profile, node)
    return system.list_packages(context, [*services_on_node(context), *_package_groups(context)])


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
