"""Checks before anything is done: each reads facts, remarks what is wrong, and names the way out.

Every check runs, whatever the others found. Names are for ``--ignore``.
"""

from __future__ import annotations

import traceback
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from packstack_lite.engine.events import Finding
from packstack_lite.hosts.facts import Facts
from packstack_lite.hosts.place import ROLES
from packstack_lite.preflight import guards, machine, network, rpm, software, storage, switching, uplink, virtualization
from packstack_lite.preflight import host as preparing
from packstack_lite.preflight.subject import Remarks, Subject
from packstack_lite.profiles import Profile

Check = Callable[[Subject], Remarks]

# In the order in which cures are applied: what others need comes first.
CHECKS: Mapping[str, Check] = {
    "system": machine.system,
    "init": machine.init,
    "boot": machine.boot,
    "memory": machine.memory,
    "disk": machine.disk,
    "virtualization": virtualization.virtualization,
    "clock": machine.clock,
    "locale": software.language,
    "hostname": network.hostname,
    "route": network.route,
    "dhcp": guards.lease,
    "interfaces": network.interfaces,
    "uplink": uplink.uplink,
    "agent": switching.agent,
    "driver": switching.packaged,
    "sriov": switching.functions,
    "networkmanager": guards.networkmanager,
    "firewall": guards.firewall,
    "guard": guards.guard,
    "translation": guards.translation,
    "ports": network.ports,
    "mirrors": rpm.mirrors,
    "packages": software.packages,
    "epel": rpm.epel,
    "leatherman": rpm.leatherman,
    "selinux": guards.selinux,
    "masked": guards.masked,
    "httpd": guards.httpd,
    "python": software.python,
    "leftovers": software.leftovers,
    "database": software.database,
    "services": software.services,
    "keys": storage.keys,
    "objects": storage.objects,
    "volumes": storage.volumes,
    "preparation": preparing.preparation_answers,
}


# Checks that concern hosts of some roles alone.
ROLES_OF: Mapping[str, Tuple[str, ...]] = {
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


def run(
    facts: Facts, answers: Mapping[str, Any], profile: Optional[Profile], host: str, roles: Tuple[str, ...] = ROLES
) -> List[Finding]:
    """What every check has to say of a host with these roles, in the order of CHECKS.

    ``profile`` is None where the system is not supported. A check that itself fails is a
    finding too: an error that names it, so that ``--ignore`` can step over it.
    """
    subject = Subject(facts, answers, profile, roles=roles)
    checks = [name for name in CHECKS if subject.has(*ROLES_OF.get(name, ROLES))]
    return [finding for name in checks for finding in _checked(name, subject, host)]


def _checked(name: str, subject: Subject, host: str) -> List[Finding]:
    try:
        return [Finding(name, host, said.level, said.message, said.fix, said.cure) for said in CHECKS[name](subject)]
    except Exception as bug:
        last = traceback.extract_tb(bug.__traceback__)[-1]
        where = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
        return [
            Finding(
                name,
                host,
                "error",
                f"the check itself failed ({type(bug).__name__}: {bug}, at {where})",
                f"report it as a bug of packstack-lite, and go on with --ignore {name}",
            )
        ]


def promises() -> Dict[str, str]:
    """Each check's name and the sentence it makes sure of."""
    return {name: (check.__doc__ or "").split("\n", 1)[0] for name, check in CHECKS.items()}
