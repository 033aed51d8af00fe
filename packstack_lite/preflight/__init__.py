"""Checks before anything is done: each reads facts, remarks what is wrong, and names the way out.

Every check runs, whatever the others found. Names are for ``--ignore``.
"""

from __future__ import annotations

import traceback
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from packstack_lite.engine.events import Finding
from packstack_lite.nodes.facts import Facts
from packstack_lite.nodes.node import ROLES
from packstack_lite.preflight import ineffective_answers as preparing
from packstack_lite.preflight import (
    network,
    neutron,
    rpm_repositories,
    software,
    storage,
    system,
    system_config,
    uplink,
    virtualization,
)
from packstack_lite.preflight.adoption import adopt
from packstack_lite.preflight.check import CheckContext, Findings
from packstack_lite.profiles import Profile

Check = Callable[[CheckContext], Findings]

# In the order in which cures are applied: what others need comes first.
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
    "route": network.check_default_route,
    "dhcp": system_config.check_dhcp_lease,
    "interfaces": network.check_interfaces,
    "uplink": uplink.check_uplinks,
    "agent": neutron.check_l2_agent_unchanged,
    "driver": neutron.check_driver_packages,
    "sriov": neutron.check_sriov_vfs,
    "networkmanager": system_config.check_networkmanager,
    "firewall": system_config.check_single_firewall,
    "guard": system_config.check_port_filter,
    "translation": system_config.check_nat,
    "ports": network.check_ports,
    "mirrors": rpm_repositories.check_centos_mirrors,
    "packages": software.check_package_source,
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
    "preparation": preparing.check_ineffective_answers,
}


# Checks that concern hosts of some roles alone.
CHECK_ROLES: Mapping[str, Tuple[str, ...]] = {
    "database": ("database",),
    "httpd": ("controller",),
    "keys": ("controller",),
    "objects": ("controller",),
    "volumes": ("storage",),
    "agent": ("controller",),
    "services": ("controller",),
    "preparation": ("controller",),
    "uplink": ("compute", "network"),
}


def run_checks(
    facts: Facts, answers: Mapping[str, Any], profile: Optional[Profile], node: str, roles: Tuple[str, ...] = ROLES
) -> List[Finding]:
    """What every check has to say of a host with these roles, in the order of CHECKS.

    ``profile`` is None where the system is not supported. A check that itself fails is a
    finding too: an error that names it, so that ``--ignore`` can step over it.
    """
    known = adopt(facts, answers)
    context = CheckContext(
        known, answers, profile, roles=roles, adopted=known.cloud.deployed_by_us and not facts.cloud.deployed_by_us
    )
    checks = [name for name in CHECKS if context.has_role(*CHECK_ROLES.get(name, ROLES))]
    return [finding for name in checks for finding in _run_check(name, context, node)]


def _run_check(name: str, context: CheckContext, node: str) -> List[Finding]:
    try:
        return [
            Finding(name, node, finding.level, finding.message, finding.hint, finding.fix)
            for finding in CHECKS[name](context)
        ]
    except Exception as bug:
        frame = traceback.extract_tb(bug.__traceback__)[-1]
        location = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
        return [
            Finding(
                name,
                node,
                "error",
                f"the check itself failed ({type(bug).__name__}: {bug}, at {location})",
                f"report it as a bug of packstack-lite, and go on with --ignore {name}",
            )
        ]


def describe_checks() -> Dict[str, str]:
    """Each check's name and the sentence it makes sure of."""
    return {name: (check.__doc__ or "").split("\n", 1)[0] for name, check in CHECKS.items()}
