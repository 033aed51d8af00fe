"""Resources of the node's host name, SELinux and tuned.

Which of them a distribution needs is data: ``profiles.host_setup.HostSetup``. Used by ``host_setup.system``.
"""

from __future__ import annotations

from typing import List, Tuple

from packstack_lite.profiles.host_setup import load_host_setup
from packstack_lite.resources import HostsEntry, SelinuxBooleans, SelinuxPermissive, TunedProfile, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags


def declare(context: NodeContext) -> List[Resource]:
    """Declare the /etc/hosts entry, SELinux and tuned, as the profile asks for them."""
    return [*_declare_hosts_entry(context), *_declare_selinux(context), *_declare_tuned(context)]


def required_packages(context: NodeContext) -> Tuple[str, ...]:
    """Return the packages that the resources of ``declare`` need."""
    setup = load_host_setup(context.profile.name)
    selinux_packages = setup.selinux_packages if _has_selinux(context) else ()
    return (*selinux_packages, *(setup.tuned_packages if _has_own_kernel(context) else ()))


def _has_selinux(context: NodeContext) -> bool:
    """Return whether SELinux is ours to set up.

    It is not in a container, whose host decides, and not where it is disabled: that is never changed.
    """
    return context.facts.security.selinux in ("enforcing", "permissive") and not context.facts.system.is_container


def _has_own_kernel(context: NodeContext) -> bool:
    """Return whether the node is no container, so that kernel settings are its own."""
    return not context.facts.system.is_container


def _declare_hosts_entry(context: NodeContext) -> List[Resource]:
    """Declare that the node's own names resolve to its address, in /etc/hosts.

    Empty where the profile does not allow it, without a host name, and with an IPv6 address.
    """
    facts = context.facts
    if (
        not load_host_setup(context.profile.name).writes_hosts_file
        or not facts.system.hostname
        or ":" in context.node_address
    ):
        return []
    full_name = (
        facts.system.fqdn
        if "." in facts.system.fqdn and facts.system.fqdn != "localhost.localdomain"
        else facts.system.hostname
    )
    names = tuple(dict.fromkeys((full_name, facts.system.hostname)))
    return [HostsEntry(address=context.node_address, names=names, phase=Phase.PREPARE, tags=make_tags("host"))]


def _declare_selinux(context: NodeContext) -> List[Resource]:
    """Declare the SELinux mode, if answered, and the booleans that services need."""
    setup = load_host_setup(context.profile.name)
    if not _has_selinux(context):
        return []
    if context.answers.get("CONFIG_SELINUX") == "permissive":
        mode: List[Resource] = [SelinuxPermissive(phase=Phase.PREPARE, tags=make_tags("host"))]
    else:
        mode = []
    if not setup.selinux_booleans:
        return mode
    names, package = setup.selinux_booleans, setup.selinux_packages[0]
    return [*mode, SelinuxBooleans(names=names, package=package, phase=Phase.PLATFORM, tags=make_tags("host"))]


def _declare_tuned(context: NodeContext) -> List[Resource]:
    """Declare tuned and its active profile."""
    profile = load_host_setup(context.profile.name).tuned_profile
    if not profile or not _has_own_kernel(context):
        return []
    tuned_unit = Unit(name="tuned", phase=Phase.PLATFORM, tags=make_tags("host"))
    return [
        tuned_unit,
        TunedProfile(name=profile, phase=Phase.PLATFORM, tags=make_tags("host"), needs=(tuned_unit.id,)),
    ]
