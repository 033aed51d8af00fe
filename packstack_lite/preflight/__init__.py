"""Checks of a node before a run: each reads facts and reports findings.

Used by ``deployment``.

Every check runs, whatever the others found. A check's name is its word for ``--ignore``. CONTRIBUTING.md holds the
checklist for a new check.
"""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from packstack_lite.engine.events import Finding
from packstack_lite.nodes.facts import Facts
from packstack_lite.nodes.node import ROLES
from packstack_lite.preflight import (
    duplicates,
    guest_networks,
    identity,
    ineffective_answers,
    network,
    neutron,
    packages,
    rpm_repositories,
    software,
    storage,
    system,
    system_config,
    uplink,
    virtualization,
)
from packstack_lite.preflight.adoption import adopt
from packstack_lite.preflight.check import CheckContext, Findings, error
from packstack_lite.profiles import Profile

Check = Callable[[CheckContext], Findings]

# In the order in which fixes are applied: what others need comes first.
CHECKS: Mapping[str, Check] = {
    "system": system.check_operating_system,
    "init": system.check_init_system,
    "boot": system.check_boot_finished,
    "memory": system.check_memory,
    "disk": system.check_disk_space,
    "virtualization": virtualization.check_virtualization,
    "clock": system.check_clock,
    "locale": software.check_locale,
    "hostname": network.check_hostname,
    "clones": duplicates.check_duplicates,
    "route": network.check_default_route,
    "dhcp": system_config.check_dhcp_lease,
    "interfaces": network.check_interfaces,
    "uplink": uplink.check_uplinks,
    "resolvers": guest_networks.check_name_servers,
    "private": guest_networks.check_private_range,
    "identity": identity.check_identity,
    "agent": neutron.check_l2_agent_unchanged,
    "driver": neutron.check_driver_packages,
    "sriov": neutron.check_sriov_vfs,
    "networkmanager": system_config.check_networkmanager,
    "firewall": system_config.check_single_firewall,
    "guard": system_config.check_port_filter,
    "translation": system_config.check_nat,
    "ports": network.check_ports,
    "mirrors": rpm_repositories.check_centos_mirrors,
    "cdrom": packages.check_disc_sources,
    "dpkg": packages.check_unfinished_packages,
    "packages": packages.check_package_source,
    "pins": packages.check_package_limits,
    "epel": rpm_repositories.check_epel_excludes,
    "leatherman": rpm_repositories.check_leatherman,
    "selinux": system_config.check_selinux,
    "masked": system_config.check_masked_units,
    "httpd": system_config.check_httpd,
    "python": software.check_python_modules,
    "leftovers": software.check_leftovers,
    "database": software.check_database,
    "services": software.check_requested_services,
    "keys": storage.check_encryption_keys,
    "objects": storage.check_object_storage,
    "volumes": storage.check_volume_backends,
    "preparation": ineffective_answers.check_ineffective_answers,
}


# Checks that only concern nodes with one of these roles.
CHECK_ROLES: Mapping[str, Tuple[str, ...]] = {
    "database": ("database",),
    "httpd": ("controller",),
    "keys": ("controller",),
    "objects": ("controller",),
    "volumes": ("storage",),
    "agent": ("controller",),
    "private": ("controller", "network"),
    "resolvers": ("controller", "network"),
    "services": ("controller",),
    "preparation": ("controller",),
    "uplink": ("compute", "network"),
}


def run_checks(
    facts: Facts,
    answers: Mapping[str, Any],
    profile: Optional[Profile],
    node: str,
    roles: Tuple[str, ...] = ROLES,
    hosts: Optional[Mapping[str, Tuple[str, ...]]] = None,
    knows_all_hosts: bool = False,
    earlier_nodes: Optional[Mapping[str, Facts]] = None,
) -> List[Finding]:
    """Run every check that concerns a node with these roles, in the order of CHECKS.

    ``profile`` is None if the operating system is not supported; ``node`` is the node's name, for the findings.
    ``hosts``, ``knows_all_hosts`` and ``earlier_nodes`` are as in CheckContext. A check that fails itself is reported
    as an error with its name, so that ``--ignore`` can skip it.
    """
    adopted_facts = adopt(facts, answers)
    adopted = adopted_facts.cloud.deployed_by_us and not facts.cloud.deployed_by_us
    context = CheckContext(
        adopted_facts,
        answers,
        profile,
        roles=roles,
        adopted=adopted,
        hosts=hosts or {},
        knows_all_hosts=knows_all_hosts,
        name=node,
        earlier_nodes=earlier_nodes or {},
    )
    checks = [name for name in CHECKS if context.has_role(*CHECK_ROLES.get(name, ROLES))]
    return [replace(finding, check=name, node=node) for name in checks for finding in _run_check(name, context)]


def _run_check(name: str, context: CheckContext) -> List[Finding]:
    """Run one check; an exception in it becomes an error finding, not a crash."""
    try:
        return list(CHECKS[name](context))
    except Exception as bug:
        frame = traceback.extract_tb(bug.__traceback__)[-1]
        location = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
        return [
            error(
                f"the check itself failed ({type(bug).__name__}: {bug}, at {location})",
                f"report it as a bug of packstack-lite, and go on with --ignore {name}",
            )
        ]


def describe_checks() -> Dict[str, str]:
    """Map each check's name to the first line of its docstring."""
    return {name: (check.__doc__ or "").split("\n", 1)[0] for name, check in CHECKS.items()}
